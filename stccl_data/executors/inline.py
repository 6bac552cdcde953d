"""In this process, one after another: for tests and debuggers. A crash here is a crash, and no timeout or cap is kept."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from stccl_data.errors import ClipError, Reason
from stccl_data.executors import DISK_FULL, Outcome, Setup, StopRunError, Unit


def run_inline(
    units: Iterable[Unit], function: Callable[..., Any], setup: Setup
) -> Iterator[Outcome]:
    """See `run`."""
    if setup.initializer is not None:
        setup.initializer(*setup.initargs)
    for unit in units:
        yield attempt(unit, function)


def attempt(unit: Unit, function: Callable[..., Any]) -> Outcome:
    """One call; what it raises becomes its outcome."""
    began = time.monotonic()
    outcome = _attempt(unit, function)
    return replace(outcome, seconds=time.monotonic() - began)


def _attempt(unit: Unit, function: Callable[..., Any]) -> Outcome:
    try:
        return Outcome(unit, function(*unit.args))
    except StopRunError:
        raise
    except ClipError as error:
        return Outcome(unit, None, error.reason, error.detail)
    except ImportError as error:  # no clip's fault, and no other clip would fare better
        said = f"a library cannot be loaded where the work is done ({error}): `stccl doctor` there says what is missing"
        raise StopRunError(said) from error
    except MemoryError as error:
        return Outcome(
            unit, None, Reason.OUT_OF_MEMORY, f"{unit.name} asks for too much memory: {error!r}"
        )
    except OSError as error:
        reason = Reason.DISK_FULL if error.errno in DISK_FULL else Reason.INTERNAL_ERROR
        return Outcome(unit, None, reason, f"{unit.name}: {error}")
    except (Exception, SystemExit) as error:
        return Outcome(
            unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}\n{traceback.format_exc()}"
        )
