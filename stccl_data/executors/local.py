"""On the cores of this machine, through pebble: a worker that dies or hangs loses its own unit, and another takes its place."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import chain
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..reasons import Reason
from . import Outcome, StopRunError, Unit
from .inline import attempt

#: Units handed out ahead of the workers: enough that none waits, few enough that stopping is quick.
_AHEAD = 4

#: How many pools in a row may break without a single unit ended.
_FRUITLESS = 3


def run_local(
    units: Iterable[Unit],
    function: Callable[..., Any],
    workers: int,
    initializer: Callable[..., None] | None,
    initargs: Sequence[Any],
) -> Iterator[Outcome]:
    """See `run`. Workers are spawned, not forked: the libraries they load do not survive a fork.

    pebble gives a pool up when a worker dies with nothing to do (killed from outside, or in its initializer); a new one then
    goes on with the units that were in flight.
    """
    waiting = iter(units)
    broken = 0
    while broken < _FRUITLESS:
        lost: list[Unit] = []
        pool = ProcessPool(
            max_workers=workers,
            initializer=_initialise,
            initargs=(initializer, tuple(initargs)),
            context=multiprocessing.get_context("spawn"),
        )
        try:
            for outcome in _in_pool(pool, waiting, lost, function, workers + _AHEAD):
                broken = 0
                yield outcome
            if not lost:
                pool.close()
                return
        finally:
            pool.stop()
            pool.join()
        waiting = chain(lost, waiting)
        broken += 1
    raise StopRunError(
        f"worker processes die before they do anything ({_FRUITLESS} times): their last words are on stderr, or in the log of the "
        'run. A script of your own needs `if __name__ == "__main__":` around what it does'
    )


def _in_pool(
    pool: ProcessPool, waiting: Iterator[Unit], lost: list[Unit], function: Callable[..., Any], most: int
) -> Iterator[Outcome]:
    """Outcomes until the units are used up or the pool breaks; in `lost` the units that were then in flight."""
    flying: dict[Any, Unit] = {}
    while not lost:
        while len(flying) < most and (unit := next(waiting, None)) is not None:
            try:
                future = pool.schedule(attempt, args=(unit, function), timeout=unit.timeout_s)
            except RuntimeError:  # broken
                lost += [*flying.values(), unit]
                return
            flying[future] = unit
        if not flying:
            return
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            unit = flying.pop(future)
            try:
                outcome = _outcome(unit, future)
            except BrokenProcessPool:
                lost.append(unit)
            else:
                yield outcome
    lost += flying.values()


def _outcome(unit: Unit, future: Any) -> Outcome:
    try:
        outcome: Outcome = future.result()
    except ProcessExpired as error:
        return Outcome(unit, None, Reason.CRASHED, f"{unit.name}: the worker died ({_death(error.exitcode)})")
    except TimeoutError:
        return Outcome(unit, None, Reason.TIMED_OUT, f"{unit.name} took longer than {unit.timeout_s:.0f} s")
    except (BrokenProcessPool, StopRunError):
        raise
    except Exception as error:  # what cannot travel between processes
        return Outcome(unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}")
    return replace(outcome, unit=unit)  # what came back is a copy


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _initialise(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    """In a new worker: Ctrl-C is the parent's to answer, ending is quick even in native code, and one process is one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    if initializer is not None:
        initializer(*initargs)
