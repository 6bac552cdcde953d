"""On the cores of this machine, through pebble: a worker that dies or hangs loses its own unit, and another takes its place."""

import ctypes
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing import resource_tracker
from typing import Any

from pebble import ProcessExpired, ProcessPool

from stccl_data.errors import Reason
from stccl_data.executors import TRIES, Outcome, Setup, StopRunError, Unit
from stccl_data.executors.inline import attempt
from stccl_data.executors.memory import cap, held, share

#: Units handed out ahead of the workers: enough that none waits, few enough that stopping is quick.
_AHEAD = 4

#: How many pools in a row may break without a single unit ended.
_FRUITLESS = 3

#: The exit code of a worker that has had its share of memory. Its unit is begun again by another.
_OUT_OF_MEMORY = 75

#: How a worker ends where its unit is not to blame, or not yet: SIGKILL comes from a person or from a machine without memory.
_TAKEN = (-signal.SIGKILL, -signal.SIGTERM, _OUT_OF_MEMORY)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def run_local(
    units: Iterable[Unit], function: Callable[..., Any], setup: Setup, ahead: int = _AHEAD
) -> Iterator[Outcome]:
    """See `run`. Workers are spawned, not forked: the libraries they load do not survive a fork.

    pebble gives a pool up when a worker dies with nothing to do (killed from outside, or in its initializer); a new one then
    goes on with the units that were in flight. ahead: how many units are drawn beyond one for each worker.
    """
    units = iter(units)
    count = setup.count or len(os.sched_getaffinity(0))
    again = deque(islice(units, count))  # units to begin before others are drawn
    workers = len(again)
    if not workers:
        return
    begun: Counter[int] = Counter()
    limit = share(workers, setup.memory_mb)
    broken = 0
    while broken < _FRUITLESS:
        pool = ProcessPool(
            max_workers=workers,
            initializer=_initialise,
            initargs=(setup.initializer, tuple(setup.initargs), limit, os.getpid()),
            context=multiprocessing.get_context("spawn"),
        )
        try:
            with _without_interrupts():
                pool.active  # noqa: B018 - its threads begin, and all processes that they start inherit their mask
            for outcome in _in_pool(pool, again, units, begun, function, limit, workers + ahead):
                broken = 0
                yield outcome
            if not again:
                pool.close()
                return
        finally:
            pool.stop()
            pool.join()
        broken += 1
    raise StopRunError(
        f"worker processes die before they do anything ({_FRUITLESS} times): their last words are on stderr, or in the log of the "
        'run. A script of your own needs `if __name__ == "__main__":` around what it does'
    )


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Threads that begin here, and their processes, never see Ctrl-C, which is the parent's to answer; it is kept for after."""
    resource_tracker.ensure_running()  # which would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_pool(
    pool: ProcessPool,
    again: deque[Unit],
    units: Iterator[Unit],
    begun: Counter[int],
    function: Callable[..., Any],
    limit: int,
    most: int,
) -> Iterator[Outcome]:
    """Outcomes until there is no unit left or the pool breaks; the units that were then in flight go to `again`."""
    flying: dict[Any, Unit] = {}
    broken = False
    while not broken:
        while (
            len(flying) < most
            and (unit := again.popleft() if again else next(units, None)) is not None
        ):
            try:
                future = pool.schedule(
                    _attempt, args=(unit, function, limit), timeout=unit.timeout_s
                )
            except RuntimeError:  # broken
                again.extend([*flying.values(), unit])
                return
            flying[future] = unit
        if not flying:
            return
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            unit = flying.pop(future)
            try:
                outcome = _outcome(unit, future, limit)
            except BrokenProcessPool:
                broken = True
                again.append(unit)
                continue
            except _TakenAwayError as error:
                begun[id(unit)] += 1
                if begun[id(unit)] < TRIES:
                    again.append(unit)
                    continue
                outcome = Outcome(unit, None, error.reason, f"{error}, {TRIES} times")
            begun.pop(id(unit), None)
            yield outcome
    again.extend(flying.values())


class _TakenAwayError(Exception):
    """The worker ended for a reason that need not be its unit's. `reason`: what to call it if that goes on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _outcome(unit: Unit, future: Any, limit: int) -> Outcome:
    try:
        outcome: Outcome = future.result()
    except ProcessExpired as error:
        if error.exitcode == _OUT_OF_MEMORY:
            detail = (
                f"{unit.name} asks for more than the {limit / 2**20:,.0f} MB that a worker may have"
            )
            raise _TakenAwayError(Reason.OUT_OF_MEMORY, detail) from None
        detail = f"{unit.name}: the worker died ({_death(error.exitcode)})"
        if error.exitcode in _TAKEN:
            raise _TakenAwayError(Reason.CRASHED, detail) from None
        return Outcome(unit, None, Reason.CRASHED, detail)
    except TimeoutError:
        return Outcome(
            unit, None, Reason.TIMED_OUT, f"{unit.name} took longer than {unit.timeout_s:.0f} s"
        )
    except (BrokenProcessPool, StopRunError):
        raise
    except Exception as error:  # what cannot travel between processes
        return Outcome(unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}")
    return replace(outcome, unit=unit)  # what came back is a copy


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _initialise(
    initializer: Callable[..., None] | None, initargs: tuple[Any, ...], limit: int, parent: int
) -> None:
    """In a new worker: ending is quick even in native code, and one process is one core."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(
        _PR_SET_PDEATHSIG, signal.SIGKILL
    )  # a worker that hangs would outlive a parent that is killed
    if os.getppid() != parent:
        os._exit(1)
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ):
        os.environ[variable] = "1"
    cap(limit)
    if initializer is not None:
        initializer(*initargs)


def _attempt(unit: Unit, function: Callable[..., Any], limit: int) -> Outcome:
    """In a worker: one call, or the end of a worker that has grown too large for another."""
    if held() > limit / 2:
        os._exit(_OUT_OF_MEMORY)
    outcome = attempt(unit, function)
    if outcome.reason is Reason.OUT_OF_MEMORY:
        os._exit(_OUT_OF_MEMORY)
    return outcome
