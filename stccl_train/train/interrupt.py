"""Ctrl-C and `kill`, answered at the end of a step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """Whether a signal asked to stop."""

    asked = False


@contextmanager
def asked_to_stop() -> Iterator[Stop]:
    """SIGINT and SIGTERM ask; a second one interrupts at once. Outside the main thread nothing is changed."""
    stop = Stop()

    def ask(number: int, _frame: Any) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    except ValueError:  # not the main thread
        pass
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
