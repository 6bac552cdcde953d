"""A worker: a process that runs one unit at a time, sent to it through a pipe of its own.

So the parent knows at any moment which unit a worker has, and a worker that dies takes nothing
along but that unit. Where workers take units from one shared queue, as those of the usual pools
do, a unit is lost if its worker dies before acknowledging it, and so are the locks it holds.
"""

import ctypes
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from stccl_data.errors import Reason
from stccl_data.executors import Outcome, Setup, StopRunError, Unit
from stccl_data.executors.inline import attempt
from stccl_data.executors.memory import limit_memory, private_memory

#: Exit code of a worker that has used up its memory. Its unit is retried in a new worker.
OUT_OF_MEMORY_EXIT = 75

#: Workers are spawned, not forked: the libraries they load do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

#: Number of threads of the libraries that start their own, which they read when they are loaded.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Order:
    """What the parent sends to a worker."""

    unit: Unit
    #: what to call
    function: Callable[..., Any]
    #: of the worker's private memory, bytes
    limit: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker sends: once when it is set up, and after each unit."""

    #: what happened to the unit; the exception if the run has to end; None after the setup
    result: Outcome | StopRunError | None = None
    #: the worker has grown too large for another unit, and ends
    leaves: bool = False


class Worker:
    """A worker process as its parent sees it."""

    def __init__(self, setup: Setup, limit: int) -> None:
        """Start the process. Its first report says that it is set up.

        Args:
            setup: how to set up the process.
            limit: of its private memory until it has an order, bytes.

        Raises:
            OSError: no process can be started.
        """
        self.connection, theirs = _SPAWN.Pipe()
        arguments = (theirs, setup, limit, os.getpid())
        self._process = _SPAWN.Process(target=_work, args=arguments, daemon=True)
        with _interrupts_blocked(), _one_thread():
            self._process.start()
        theirs.close()
        self.is_set_up = False
        #: the unit it works on
        self.unit: Unit | None = None
        #: when the time of the unit is over, by `time.monotonic`
        self.deadline = math.inf

    @property
    def is_idle(self) -> bool:
        """Whether it can be given a unit."""
        return self.is_set_up and self.unit is None

    def give(self, order: Order) -> None:
        """Send an order to an idle worker.

        Raises:
            OSError: the worker has died.
            Exception: the arguments of the unit cannot be pickled.
        """
        self.connection.send(order)
        self.unit = order.unit
        if self.unit.timeout_s is not None:
            self.deadline = time.monotonic() + self.unit.timeout_s

    def receive(self) -> Report:
        """Return the report that `connection` has announced; a reported unit is no longer its.

        Raises:
            EOFError: the worker has died; `unit` is still the unit it had.
            ConnectionResetError: likewise.
        """
        report: Report = self.connection.recv()
        self.is_set_up, self.unit, self.deadline = True, None, math.inf
        return report

    def kill(self) -> None:
        """End the process, whatever it is doing, without waiting for it."""
        self._process.kill()

    def join(self) -> int:
        """Wait for the end of the process and return its exit code, negative for a signal."""
        self._process.join()
        self.connection.close()
        return self._process.exitcode or 0


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hide Ctrl-C from processes started here: the parent handles it.

    A Ctrl-C in the meantime is delivered at the end.
    """
    resource_tracker.ensure_running()  # starting it later would unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the processes started here compute on one core each.

    Set in the environment that they inherit: their first act is to load what they are to do, and
    numpy with it.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection, setup: Setup, limit: int, parent: int) -> None:
    """Follow orders until the parent closes the connection: the main function of the process."""
    _initialise(setup, limit, parent)
    connection.send(Report())
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        limit_memory(order.limit)
        result = _attempt(order.unit, order.function)
        leaves = private_memory() > order.limit / 2
        try:
            connection.send(Report(result, leaves))
        except OSError:  # the parent has gone
            return
        except Exception as error:  # the result cannot be pickled
            detail = f"{order.unit.name}: {error!r}"
            outcome = Outcome(order.unit, None, Reason.INTERNAL_ERROR, detail)
            connection.send(Report(outcome, leaves))


def _initialise(setup: Setup, limit: int, parent: int) -> None:
    """Set up this process: it can be ended quickly even in native code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Without this a worker that hangs would outlive a parent that is killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    limit_memory(limit)
    if setup.initializer is not None:
        setup.initializer(*setup.initargs)


def _attempt(unit: Unit, function: Callable[..., Any]) -> Outcome | StopRunError:
    try:
        outcome = attempt(unit, function)
    except StopRunError as error:
        return error
    if outcome.reason is Reason.OUT_OF_MEMORY:
        os._exit(OUT_OF_MEMORY_EXIT)
    return outcome
