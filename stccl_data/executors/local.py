"""On the cores of this machine, through pebble: a worker that dies or hangs loses its own unit, and another takes its place."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import replace
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ..reasons import Reason
from . import Outcome, Unit
from .inline import attempt

#: Units handed out ahead of the workers: enough that none waits, few enough that stopping is quick.
_AHEAD = 4


def run_local(
    units: Iterable[Unit],
    function: Callable[..., Any],
    workers: int,
    initializer: Callable[..., None] | None,
    initargs: Sequence[Any],
) -> Iterator[Outcome]:
    """See `run`. Workers are spawned, not forked: the libraries they load do not survive a fork."""
    pool = ProcessPool(
        max_workers=workers,
        initializer=_initialise,
        initargs=(initializer, tuple(initargs)),
        context=multiprocessing.get_context("spawn"),
    )
    waiting = iter(units)
    flying: dict[Any, Unit] = {}
    try:
        while True:
            while len(flying) < workers + _AHEAD and (unit := next(waiting, None)) is not None:
                future = pool.schedule(attempt, args=(unit, function), timeout=unit.timeout_s)
                flying[future] = unit
            if not flying:
                break
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                yield _outcome(flying.pop(future), future)
        pool.close()
        pool.join()
    finally:
        if pool.active or flying:
            pool.stop()
            pool.join()


def _outcome(unit: Unit, future: Any) -> Outcome:
    try:
        outcome: Outcome = future.result()
    except ProcessExpired as error:
        return Outcome(unit, None, Reason.CRASHED, f"{unit.name}: the worker died ({_death(error.exitcode)})")
    except TimeoutError:
        return Outcome(unit, None, Reason.TIMED_OUT, f"{unit.name} took longer than {unit.timeout_s:.0f} s")
    return replace(outcome, unit=unit)  # what came back is a copy


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _initialise(initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    """In a new worker: Ctrl-C is the parent's to answer, and one process is one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    if initializer is not None:
        initializer(*initargs)
