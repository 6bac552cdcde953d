"""Run units one after another in this process, for tests and debuggers.

A crash ends the process; timeouts and memory limits are ignored.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from stccl_data.errors import ClipError, Reason
from stccl_data.executors import DISK_FULL, Outcome, Setup, StopRunError, Unit


class InlineCrew:
    """This process, as the only worker."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._is_set_up = setup.initializer is None

    def run(self, units: Iterable[Unit], function: Callable[..., Any]) -> Iterator[Outcome]:
        """See `Crew.run`."""
        if not self._is_set_up and self._setup.initializer is not None:
            self._setup.initializer(*self._setup.initargs)
            self._is_set_up = True
        for unit in units:
            yield attempt(unit, function)

    def close(self) -> None:
        """See `Crew.close`."""


def attempt(unit: Unit, function: Callable[..., Any]) -> Outcome:
    """Call the function once and turn whatever it raises into an outcome.

    Raises:
        StopRunError: the function raised it, or a library is missing.
    """
    start = time.monotonic()
    outcome = _attempt(unit, function)
    return replace(outcome, seconds=time.monotonic() - start)


def _attempt(unit: Unit, function: Callable[..., Any]) -> Outcome:
    try:
        return Outcome(unit, function(*unit.args))
    except StopRunError:
        raise
    except ClipError as error:
        return Outcome(unit, None, error.reason, error.detail)
    except ImportError as error:  # not the clip's fault: every other clip would fail too
        raise StopRunError(
            f"a worker cannot load a library ({error}): run `stccl doctor` on its machine"
        ) from error
    except MemoryError as error:
        detail = f"{unit.name}: not enough memory: {error!r}"
        return Outcome(unit, None, Reason.OUT_OF_MEMORY, detail)
    except OSError as error:
        reason = Reason.DISK_FULL if error.errno in DISK_FULL else Reason.INTERNAL_ERROR
        return Outcome(unit, None, reason, f"{unit.name}: {error}")
    except (Exception, SystemExit) as error:
        detail = f"{unit.name}: {error!r}\n{traceback.format_exc()}"
        return Outcome(unit, None, Reason.INTERNAL_ERROR, detail)
