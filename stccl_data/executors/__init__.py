"""Running one function over many units of work so that whatever becomes of a unit is an outcome, and costs that unit alone."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..reasons import Reason

EXECUTORS = ("local", "inline")

#: What the system says where there is no space, no quota, or a file may not grow (`ulimit -f`, FAT).
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Unit:
    """One call. `args` are small: ids, paths, records; data travels through files. `timeout_s`: None waits for ever."""

    name: str
    args: tuple[Any, ...]
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit: `reason` None and the function's `result`, or a reason and a sentence."""

    unit: Unit
    result: Any = None
    reason: Reason | None = None
    detail: str = ""


class StopRunError(Exception):
    """No unit can succeed. A function that raises it ends the whole run; the message says why and what to do."""


def run(
    units: Iterable[Unit],
    function: Callable[..., Any],
    *,
    executor: str = "local",
    workers: int = 1,
    initializer: Callable[..., None] | None = None,
    initargs: Sequence[Any] = (),
) -> Iterator[Outcome]:
    """Outcomes in the order in which units end. function and initializer: importable by name (they run in other processes).

    A ClipError gives its own reason, any other exception `internal_error` with its traceback, a dead worker `crashed`, one that
    takes too long `timed_out`. Leaving the loop stops the workers. Raises StopRunError as the function does, or where workers
    cannot even start.
    """
    if executor == "inline":
        from .inline import run_inline

        return run_inline(units, function, initializer, initargs)
    if executor == "local":
        from .local import run_local

        return run_local(units, function, workers, initializer, initargs)
    raise ValueError(f"executor {executor!r} is not one of {', '.join(EXECUTORS)}")
