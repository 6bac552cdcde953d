"""Run units on the machines of a Ray cluster.

Each core has a supervisor that runs its units as `local` does. So only `local` deals with what a
unit can do to its worker; Ray carries ids and paths, and notices when a machine is lost. Every
machine must see RAW and OUT under the same paths and have the same versions of stccl and Ray.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from stccl_data.errors import Reason
from stccl_data.executors import TRIES, Outcome, Setup, StopRunError, Unit, usable_cores
from stccl_data.executors.local import LocalCrew
from stccl_data.executors.memory import worker_limit

#: Seconds to wait for the first free core of the cluster.
_CORE_TIMEOUT_S = 600.0

#: Number of supervisors in a row that may fail before one is ready.
_MAX_FAILED_STARTS = 3

#: Size of Ray's object store in a cluster of our own, bytes. Only ids and paths travel.
_OBJECT_STORE = 80 * 2**20


class Supervisor:
    """A Ray actor that holds one core and runs one unit at a time in its own worker process."""

    def __init__(self, setup: Setup) -> None:
        memory_mb = setup.memory_mb
        if memory_mb == 0:  # a machine runs at most as many supervisors as it has cores
            memory_mb = worker_limit(usable_cores()) // 2**20
        self._crew = LocalCrew(replace(setup, count=1, memory_mb=memory_mb))

    def ready(self) -> None:
        """Return once the supervisor has its core."""

    def do(self, unit: Unit, function: Callable[..., Any]) -> Outcome | StopRunError:
        """Run the unit. A StopRunError is returned, because Ray would wrap a raised one."""
        try:
            return next(self._crew.run([unit], function))
        except StopRunError as error:
            return error


class RayCrew:
    """Supervisors on the machines of a cluster, and the unit that each is working on."""

    def __init__(self, setup: Setup, address: str | None) -> None:
        self._setup, self._address = setup, address
        #: Ray, once connected
        self._ray: Any = None
        #: the cluster is ours to shut down
        self._owned = False
        #: Ray future of `ready` -> supervisor
        self._starting: dict[Any, Any] = {}
        self._failed_starts = 0
        self._idle: list[Any] = []
        #: Ray future of an outcome -> unit and supervisor
        self._in_flight: dict[Any, tuple[Unit, Any]] = {}

    def run(self, units: Iterable[Unit], function: Callable[..., Any]) -> Iterator[Outcome]:
        """See `Crew.run`. A unit whose machine is lost is given to another supervisor."""
        units = iter(units)
        first = deque(islice(units, 1))
        if not first:
            return
        if self._ray is None:
            self._ray, self._owned = _connect(self._address, self._setup.count)
        try:
            yield from self._outcomes(first, units, function)
        finally:
            for _, supervisor in self._in_flight.values():
                self._dismiss(supervisor)
            self._in_flight.clear()

    def close(self) -> None:
        """See `Crew.close`."""
        for supervisor in [*self._idle, *self._starting.values()]:
            self._dismiss(supervisor)
        self._idle.clear()
        self._starting.clear()
        if self._owned:
            self._ray.shutdown()
        self._ray, self._owned = None, False

    def _outcomes(
        self, pending: deque[Unit], units: Iterator[Unit], function: Callable[..., Any]
    ) -> Iterator[Outcome]:
        """Yield outcomes until no unit is left.

        Args:
            pending: units to start before others are drawn.
            units: the other units.
            function: what to call for each.
        """
        losses: Counter[str] = Counter()
        last_answer = time.monotonic()
        while True:
            room = self._max_supervisors() - len(pending) - len(self._in_flight)
            pending.extend(islice(units, max(0, room)))
            if not pending and not self._in_flight:
                return
            self._assign(pending, function)
            futures = [*self._in_flight, *self._starting]
            for future in self._ray.wait(futures, num_returns=1, timeout=10.0)[0]:
                last_answer = time.monotonic()
                if future in self._starting:
                    self._finish_start(future)
                    continue
                unit, supervisor = self._in_flight.pop(future)
                outcome = self._outcome(unit, supervisor, future)
                if outcome is None:
                    losses[unit.key] += 1
                    if losses[unit.key] < TRIES:
                        pending.appendleft(unit)
                        continue
                    detail = f"{unit.name}: the machine that worked on it was lost, {TRIES} times"
                    outcome = Outcome(unit, None, Reason.CRASHED, detail)
                self._failed_starts = 0
                losses.pop(unit.key, None)
                yield outcome
            waited = time.monotonic() - last_answer
            if not self._in_flight and not self._idle and waited > _CORE_TIMEOUT_S:
                raise StopRunError(
                    f"the Ray cluster had no free core for {_CORE_TIMEOUT_S / 60:.0f} minutes; "
                    "run again when it has, finished work is kept"
                )

    def _max_supervisors(self) -> int:
        return self._setup.count or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _assign(self, pending: deque[Unit], function: Callable[..., Any]) -> None:
        """Give units to idle supervisors, and start more supervisors if units are left."""
        while pending and self._idle:
            unit, supervisor = pending.popleft(), self._idle.pop()
            self._in_flight[supervisor.do.remote(unit, function)] = unit, supervisor
        wanted = min(len(pending), self._max_supervisors() - len(self._in_flight))
        actor = self._ray.remote(num_cpus=1, max_restarts=0)(Supervisor)
        for _ in range(wanted - len(self._starting)):
            supervisor = actor.remote(self._setup)
            self._starting[supervisor.ready.remote()] = supervisor

    def _finish_start(self, future: Any) -> None:
        """Move a supervisor that has started to the idle ones.

        Raises:
            StopRunError: several in a row failed to start.
        """
        supervisor = self._starting.pop(future)
        try:
            self._ray.get(future)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts == _MAX_FAILED_STARTS:
                raise StopRunError(
                    f"no worker can be started on the Ray cluster: {_last_line(error)}"
                ) from None
        else:
            self._idle.append(supervisor)

    def _outcome(self, unit: Unit, supervisor: Any, future: Any) -> Outcome | None:
        """Return the outcome of the unit, or None if it was lost with its machine.

        Raises:
            StopRunError: the unit raised it.
        """
        try:
            outcome: Outcome | StopRunError = self._ray.get(future)
        except self._ray.exceptions.RayTaskError as error:  # alive, but it cannot continue
            self._dismiss(supervisor)
            detail = f"{unit.name}: its supervisor failed: {error}"
            return Outcome(unit, None, Reason.INTERNAL_ERROR, detail)
        except self._ray.exceptions.RayError:
            self._dismiss(supervisor)
            return None
        if isinstance(outcome, StopRunError):
            raise outcome
        self._idle.append(supervisor)
        return outcome

    def _dismiss(self, supervisor: Any) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(supervisor)


def _connect(address: str | None, count: int) -> tuple[Any, bool]:
    """Return the ray module, connected, and whether this run has to shut it down.

    Raises:
        StopRunError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Supervisors that hold no GPU can still see it.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise StopRunError("the executor ray needs Ray: pip install 'stccl[ray]'") from None
    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address is None:
            cores = count or usable_cores()
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE,
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise StopRunError(f"cannot use a Ray cluster {where}: {_last_line(error)}") from error
    return ray, True


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
