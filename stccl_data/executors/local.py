"""Run units on the cores of this machine.

A worker that dies or hangs loses its own unit, and another worker takes its place.
"""

import math
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import wait
from typing import Any

from stccl_data.errors import Reason
from stccl_data.executors import TRIES, Outcome, Setup, StopRunError, Unit, usable_cores
from stccl_data.executors.memory import worker_limit
from stccl_data.executors.worker import OUT_OF_MEMORY_EXIT, Order, Worker

#: Number of workers in a row that may die before they are set up.
_MAX_FAILED_STARTS = 3

#: Exit codes that do not blame the unit at first: SIGKILL comes from a person, or from the kernel
#: of a machine without memory.
_RETRIED_EXITS = (-signal.SIGKILL, -signal.SIGTERM, OUT_OF_MEMORY_EXIT)


@dataclass(frozen=True, slots=True)
class _Task:
    """What the workers do in one call of `LocalCrew.run`."""

    function: Callable[..., Any]
    #: number of workers
    workers: int
    #: of the private memory of each, bytes
    limit: int
    #: key of a unit -> how many workers it has lost
    losses: Counter[str] = field(default_factory=Counter)


class LocalCrew:
    """Workers on this machine."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._workers: list[Worker] = []
        self._failed_starts = 0

    def run(self, units: Iterable[Unit], function: Callable[..., Any]) -> Iterator[Outcome]:
        """See `Crew.run`."""
        units = iter(units)
        pending = deque(islice(units, self._setup.count or usable_cores()))
        if not pending:
            return
        task = _Task(function, len(pending), worker_limit(len(pending), self._setup.memory_mb))
        try:
            yield from self._outcomes(task, pending, units)
        finally:
            for worker in [worker for worker in self._workers if worker.unit is not None]:
                self._dismiss(worker)

    def close(self) -> None:
        """See `Crew.close`. The workers end whatever they are doing."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def _outcomes(
        self, task: _Task, pending: deque[Unit], units: Iterator[Unit]
    ) -> Iterator[Outcome]:
        """Yield outcomes until no unit is left.

        Args:
            task: what to do.
            pending: units to start before others are drawn.
            units: the other units.
        """
        while True:
            busy = sum(worker.unit is not None for worker in self._workers)
            pending.extend(islice(units, max(0, task.workers - busy - len(pending))))
            if not pending and not busy:
                return
            yield from self._assign(task, pending)
            if not pending and all(worker.unit is None for worker in self._workers):
                continue
            self._start_workers(task, len(pending))
            for worker in self._wait():
                unit = worker.unit
                outcome = self._collect(worker, task)
                if outcome is not None:
                    task.losses.pop(outcome.unit.key, None)
                    yield outcome
                elif unit is not None:  # to be retried
                    pending.append(unit)

    def _assign(self, task: _Task, pending: deque[Unit]) -> Iterator[Outcome]:
        """Give units to the idle workers; yield the outcomes of those that cannot be sent."""
        for worker in self._workers:
            while pending and worker.is_idle:
                unit = pending.popleft()
                try:
                    worker.give(Order(unit, task.function, task.limit))
                except OSError:  # it has died while idle; the next `wait` says so
                    pending.appendleft(unit)
                    break
                except Exception as error:  # arguments that cannot be pickled
                    yield Outcome(unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: {error!r}")

    def _start_workers(self, task: _Task, wanted: int) -> None:
        """Start workers until `wanted` of them are free, or all are there.

        Raises:
            StopRunError: no process can be started.
        """
        free = sum(worker.unit is None for worker in self._workers)
        for _ in range(min(wanted - free, task.workers - len(self._workers))):
            try:
                self._workers.append(Worker(self._setup, task.limit))
            except OSError as error:
                raise StopRunError(f"cannot start a worker process: {error}") from error

    def _wait(self) -> list[Worker]:
        """Return the workers that have something to report, have died or have no time left."""
        deadline = min(worker.deadline for worker in self._workers)
        seconds = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        ready = wait([worker.connection for worker in self._workers], seconds)
        now = time.monotonic()
        return [
            worker
            for worker in self._workers
            if worker.connection in ready or worker.deadline <= now
        ]

    def _collect(self, worker: Worker, task: _Task) -> Outcome | None:
        """Return what happened to the unit of a worker; None if nothing, or it is to be retried.

        Raises:
            StopRunError: the unit raised it, or workers cannot be set up.
        """
        unit = worker.unit
        if not worker.connection.poll():
            assert unit is not None
            self._dismiss(worker)
            detail = f"{unit.name}: took longer than {unit.timeout_s:.0f} s"
            return Outcome(unit, None, Reason.TIMED_OUT, detail)
        try:
            report = worker.receive()
        except (EOFError, ConnectionResetError):
            return self._explain_death(worker, task)
        self._failed_starts = 0
        if report.leaves:
            self._dismiss(worker)
        if isinstance(report.result, StopRunError):
            raise report.result
        return report.result

    def _explain_death(self, worker: Worker, task: _Task) -> Outcome | None:
        """Return the outcome of the unit of a dead worker; None if it had none or is retried."""
        self._workers.remove(worker)
        exitcode = worker.join()
        if not worker.is_set_up:
            self._failed_starts += 1
            if self._failed_starts == _MAX_FAILED_STARTS:
                raise StopRunError(
                    f"worker processes die before they do anything ({_MAX_FAILED_STARTS} times): "
                    "see stderr or the log of the run. A script needs "
                    '`if __name__ == "__main__":` around its own code'
                )
        if worker.unit is None:
            return None
        unit = worker.unit
        task.losses[unit.key] += 1
        retried = exitcode in _RETRIED_EXITS
        if retried and task.losses[unit.key] < TRIES:
            return None
        reason = Reason.CRASHED
        detail = f"{unit.name}: the worker died ({_describe_exit(exitcode)})"
        if exitcode == OUT_OF_MEMORY_EXIT:
            reason = Reason.OUT_OF_MEMORY
            megabytes = task.limit / 2**20
            detail = f"{unit.name}: needs more than a worker's {megabytes:,.0f} MB of memory"
        return Outcome(unit, None, reason, detail + (f", {TRIES} times" if retried else ""))

    def _dismiss(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.kill()
        worker.join()


def _describe_exit(exitcode: int) -> str:
    if exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"
