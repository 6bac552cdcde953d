"""Run units on the cores of this machine, through pebble.

A worker that dies or hangs loses its own unit, and another worker takes its place.
"""

import ctypes
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any

from pebble import ProcessExpired, ProcessPool

from stccl_data.errors import Reason
from stccl_data.executors import TRIES, Outcome, Setup, StopRunError, Unit
from stccl_data.executors.inline import attempt
from stccl_data.executors.memory import limit_memory, private_memory, worker_limit

#: Units scheduled beyond one per worker: enough that no worker waits, few enough to stop quickly.
_AHEAD = 4

#: Number of pools in a row that may break without finishing a single unit.
_MAX_BROKEN_POOLS = 3

#: Exit code of a worker that has used up its memory. Its unit is retried in a new worker.
_OUT_OF_MEMORY = 75

#: Exit codes that do not blame the unit at first: SIGKILL comes from a person, or from the kernel
#: of a machine without memory.
_RETRIED_EXITS = (-signal.SIGKILL, -signal.SIGTERM, _OUT_OF_MEMORY)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run_local(
    units: Iterable[Unit], function: Callable[..., Any], setup: Setup, ahead: int = _AHEAD
) -> Iterator[Outcome]:
    """See `run`. Workers are spawned, not forked: the libraries they load do not survive a fork.

    pebble gives up a pool if a worker dies while it is idle (killed from outside, or in its
    initializer). A new pool then continues with the units that were in flight.

    Args:
        units: the units.
        function: what to call.
        setup: the workers.
        ahead: number of units drawn beyond one per worker.
    """
    units = iter(units)
    count = setup.count or len(os.sched_getaffinity(0))
    pending = deque(islice(units, count))  # scheduled before further units are drawn
    workers = len(pending)
    if not workers:
        return
    losses: Counter[str] = Counter()
    limit = worker_limit(workers, setup.memory_mb)
    broken = 0
    while broken < _MAX_BROKEN_POOLS:
        pool = ProcessPool(
            max_workers=workers,
            initializer=_initialise,
            initargs=(setup.initializer, tuple(setup.initargs), limit, os.getpid()),
            context=multiprocessing.get_context("spawn"),
        )
        try:
            with _interrupts_blocked():
                pool.active  # noqa: B018 - starts its threads; their processes inherit the mask
            for outcome in _run_in_pool(
                pool, pending, units, losses, function, limit, workers + ahead
            ):
                broken = 0
                yield outcome
            if not pending:
                pool.close()
                return
        finally:
            pool.stop()
            pool.join()
        broken += 1
    raise StopRunError(
        f"worker processes die before they do anything ({_MAX_BROKEN_POOLS} times): see stderr or "
        'the log of the run. A script needs `if __name__ == "__main__":` around its own code'
    )


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hide Ctrl-C from threads started here and from their processes: the parent handles it.

    A Ctrl-C in the meantime is delivered at the end.
    """
    resource_tracker.ensure_running()  # starting it later would unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_in_pool(
    pool: ProcessPool,
    pending: deque[Unit],
    units: Iterator[Unit],
    losses: Counter[str],
    function: Callable[..., Any],
    limit: int,
    max_in_flight: int,
) -> Iterator[Outcome]:
    """Yield outcomes until no unit is left or the pool breaks.

    If it breaks, the units in flight go back to `pending`.
    """
    in_flight: dict[Any, Unit] = {}
    broken = False
    while not broken:
        while (
            len(in_flight) < max_in_flight
            and (unit := pending.popleft() if pending else next(units, None)) is not None
        ):
            try:
                future = pool.schedule(
                    _attempt, args=(unit, function, limit), timeout=unit.timeout_s
                )
            except RuntimeError:  # broken
                pending.extend([*in_flight.values(), unit])
                return
            in_flight[future] = unit
        if not in_flight:
            return
        for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
            unit = in_flight.pop(future)
            try:
                outcome = _outcome(unit, future, limit)
            except BrokenProcessPool:
                broken = True
                pending.append(unit)
                continue
            except _WorkerLostError as error:
                losses[unit.key] += 1
                if losses[unit.key] < TRIES:
                    pending.append(unit)
                    continue
                outcome = Outcome(unit, None, error.reason, f"{error}, {TRIES} times")
            losses.pop(unit.key, None)
            yield outcome
    pending.extend(in_flight.values())


class _WorkerLostError(Exception):
    """The worker ended, and its unit is not necessarily to blame.

    Args:
        reason: the unit's reason if this keeps happening.
        detail: one sentence.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _outcome(unit: Unit, future: Any, limit: int) -> Outcome:
    """Return the outcome of a finished future.

    Raises:
        _WorkerLostError: the unit may be retried.
        BrokenProcessPool: the pool is unusable.
        StopRunError: the unit raised it.
    """
    try:
        outcome: Outcome = future.result()
    except ProcessExpired as error:
        if error.exitcode == _OUT_OF_MEMORY:
            detail = f"{unit.name}: needs more than a worker's {limit / 2**20:,.0f} MB of memory"
            raise _WorkerLostError(Reason.OUT_OF_MEMORY, detail) from None
        detail = f"{unit.name}: the worker died ({_describe_exit(error.exitcode)})"
        if error.exitcode in _RETRIED_EXITS:
            raise _WorkerLostError(Reason.CRASHED, detail) from None
        return Outcome(unit, None, Reason.CRASHED, detail)
    except TimeoutError:
        detail = f"{unit.name}: took longer than {unit.timeout_s:.0f} s"
        return Outcome(unit, None, Reason.TIMED_OUT, detail)
    except (BrokenProcessPool, StopRunError):
        raise
    except Exception as error:  # such as a result that cannot be pickled
        return Outcome(unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}")
    return outcome


def _describe_exit(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _initialise(
    initializer: Callable[..., None] | None, initargs: tuple[Any, ...], limit: int, parent: int
) -> None:
    """Set up a new worker: it can be ended quickly even in native code, and uses one core."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Without this a worker that hangs would outlive a parent that is killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ):
        os.environ[variable] = "1"
    limit_memory(limit)
    if initializer is not None:
        initializer(*initargs)


def _attempt(unit: Unit, function: Callable[..., Any], limit: int) -> Outcome:
    """Run one unit in a worker, or end a worker that has grown too large for another one."""
    if private_memory() > limit / 2:
        os._exit(_OUT_OF_MEMORY)
    outcome = attempt(unit, function)
    if outcome.reason is Reason.OUT_OF_MEMORY:
        os._exit(_OUT_OF_MEMORY)
    return outcome
