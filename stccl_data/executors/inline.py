"""In this process, one after another: for tests and debuggers. A crash here is a crash, and no timeout is kept."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..reasons import ClipError, Reason
from . import DISK_FULL, Outcome, StopRunError, Unit


def run_inline(
    units: Iterable[Unit], function: Callable[..., Any], initializer: Callable[..., None] | None, initargs: Sequence[Any]
) -> Iterator[Outcome]:
    """See `run`."""
    if initializer is not None:
        initializer(*initargs)
    for unit in units:
        yield attempt(unit, function)


def attempt(unit: Unit, function: Callable[..., Any]) -> Outcome:
    """One call; what it raises becomes its outcome."""
    try:
        return Outcome(unit, function(*unit.args))
    except StopRunError:
        raise
    except ClipError as error:
        return Outcome(unit, None, error.reason, error.detail)
    except OSError as error:
        reason = Reason.DISK_FULL if error.errno in DISK_FULL else Reason.INTERNAL_ERROR
        return Outcome(unit, None, reason, f"{unit.name}: {error}")
    except (Exception, SystemExit) as error:
        return Outcome(unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}\n{traceback.format_exc()}")
