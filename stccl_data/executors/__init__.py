"""Run one function over many units of work; what happens to one unit affects no other.

Whatever happens to a unit becomes its `Outcome`:

|                            | `inline`     | `local`, `ray`                                |
|----------------------------|--------------|-----------------------------------------------|
| unit raises                | its outcome  | its outcome                                   |
| unit dies by a signal      | ends the run | `crashed`; another worker starts              |
| worker killed from outside | ends the run | retried, `crashed` at the third time          |
| unit hangs                 | not detected | `timed_out`                                   |
| unit exceeds its memory    | up to the OS | retried in a new worker, then `out_of_memory` |
| worker leaks memory        | not detected | worker replaced at half of its limit          |
| machine lost (`ray` only)  | -            | retried, `crashed` at the third time          |
| Ctrl-C                     | ends at once | all workers stop                              |
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from stccl_data.errors import Reason, StcclError

ExecutorName = Literal["local", "inline", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = get_args(ExecutorName)


#: Error numbers for: no space, no quota, file may not grow (`ulimit -f`, FAT).
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

#: Attempts at a unit whose worker or machine disappears. After that many losses the unit is more
#: likely the cause than the victim.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """One call of the function."""

    #: identifies the unit; unique within a run
    key: str
    #: small arguments (ids, paths, records); data travels through files
    args: tuple[Any, ...]
    #: None: no time limit
    timeout_s: float | None = None
    #: name of the unit in messages; its key if empty
    label: str = ""

    @property
    def name(self) -> str:
        """The unit as messages name it."""
        return self.label or self.key


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to a unit."""

    unit: Unit
    #: what the function returned; None if the unit failed
    result: Any = None
    #: why the unit failed; None if it succeeded
    reason: Reason | None = None
    #: one sentence about the failure, for internal errors with the traceback below it
    detail: str = ""
    #: duration of the call; 0 if it never returned
    seconds: float = 0.0


class StopRunError(StcclError):
    """No unit can succeed. A function that raises this ends the whole run."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How workers are set up."""

    #: number of workers; 0 for one per core, of this machine or of the cluster
    count: int = 0
    #: called as ``initializer(*initargs)`` once in each worker
    initializer: Callable[..., None] | None = None
    initargs: Sequence[Any] = ()
    #: memory of a worker, MB; 0 for its share of its machine's (at least 2 GB), None for no limit
    memory_mb: int | None = 0


class Crew(Protocol):
    """Workers that call one function after another, each over many units."""

    def run(self, units: Iterable[Unit], function: Callable[..., Any]) -> Iterator[Outcome]:
        """See `run`. Workers start when there are units for them, and stay for the next call."""
        ...

    def close(self) -> None:
        """Stop the workers. The next `run` starts others."""
        ...


def open_crew(
    setup: Setup | None = None, executor: str = "local", ray_address: str | None = None
) -> Crew:
    """Return the workers of an executor; none is started yet. Arguments are those of `run`.

    Raises:
        ValueError: unknown executor.
    """
    setup = setup or Setup()
    if executor == "inline":
        from stccl_data.executors.inline import InlineCrew

        return InlineCrew(setup)
    if executor == "local":
        from stccl_data.executors.local import LocalCrew

        return LocalCrew(setup)
    if executor == "ray":
        from stccl_data.executors.ray import RayCrew

        return RayCrew(setup, ray_address)
    raise ValueError(f"unknown executor {executor!r}; choose one of: {', '.join(EXECUTORS)}")


def run(
    units: Iterable[Unit],
    function: Callable[..., Any],
    setup: Setup | None = None,
    *,
    executor: str = "local",
    ray_address: str | None = None,
) -> Iterator[Outcome]:
    """Call ``function(*unit.args)`` for each unit and yield outcomes as units end.

    A ClipError gives its own reason, any other exception `internal_error` with its traceback; the
    table of this module has the rest. Leaving the loop stops the workers.

    Args:
        units: drawn when a worker can have them.
        function: importable by name, because it runs in other processes; so is the initializer.
        setup: the workers.
        executor: one of `EXECUTORS`.
        ray_address: the Ray cluster, ``auto`` for the one that this machine belongs to; None
            starts one on this machine alone.

    Raises:
        StopRunError: a unit raised it, or workers cannot be started.
        ValueError: unknown executor.
    """
    return _run_and_close(open_crew(setup, executor, ray_address), units, function)


def _run_and_close(
    crew: Crew, units: Iterable[Unit], function: Callable[..., Any]
) -> Iterator[Outcome]:
    with closing(crew):
        yield from crew.run(units, function)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
