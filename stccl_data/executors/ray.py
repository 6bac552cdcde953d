"""On the machines of a Ray cluster: for each core a supervisor, which does its units as `local` does.

So what a unit can do to its worker is answered in one place, and Ray is left with what it is good at: carrying ids and paths, and
noticing that a machine is gone. Every machine sees RAW and OUT under the same paths and has the same stccl and Ray installed.
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
from stccl_data.executors import TRIES, Outcome, Setup, StopRunError, Unit
from stccl_data.executors.local import run_local
from stccl_data.executors.memory import share

#: Seconds to wait for a first core of the cluster.
_PATIENCE_S = 600.0

#: How many supervisors in a row may fail before one is ready.
_FRUITLESS = 3

#: Nothing but ids and paths travels, so that the store of objects of a Ray of our own may be small: bytes.
_STORE = 80 * 2**20


class Supervisor:
    """An actor: it holds one core of the cluster and does one unit at a time, in a worker process of its own."""

    def __init__(self, function: Callable[..., Any], setup: Setup) -> None:
        self._inbox: deque[Unit] = deque()
        units = iter(self._inbox.popleft, None)
        memory_mb = setup.memory_mb
        if memory_mb == 0:  # there are as many supervisors on a machine as it has cores, at most
            memory_mb = share(len(os.sched_getaffinity(0))) // 2**20
        self._outcomes = run_local(
            units, function, replace(setup, count=1, memory_mb=memory_mb), ahead=0
        )

    def ready(self) -> None:
        """Returns when the supervisor has its core."""

    def do(self, unit: Unit) -> Outcome | StopRunError:
        """What becomes of the unit. The end of the whole run travels as a value: Ray would wrap what is raised."""
        self._inbox.append(unit)
        try:
            return next(self._outcomes)
        except StopRunError as error:
            return error


def run_ray(
    units: Iterable[Unit], function: Callable[..., Any], setup: Setup, address: str | None
) -> Iterator[Outcome]:
    """See `run`. A unit whose machine is lost goes to another; its outcome is given once, by the supervisor that ended it."""
    units = iter(units)
    first = list(islice(units, 1))
    if not first:
        return
    ray, ours = _connected(address, setup.count)
    crew = _Crew(ray, function, setup)
    try:
        yield from crew.outcomes(deque(first), units)
    finally:
        crew.dismiss()
        if ours:
            ray.shutdown()


class _Crew:
    """The supervisors of one run, and which of them has what to do."""

    def __init__(self, ray: Any, function: Callable[..., Any], setup: Setup) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=1, max_restarts=0)(Supervisor)
        self._work = function, setup
        self._most = setup.count or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._starting: dict[Any, Any] = {}  # Ray's promise that it is ready -> supervisor
        self._idle: list[Any] = []
        self._flying: dict[
            Any, tuple[Unit, Any]
        ] = {}  # Ray's promise of an outcome -> unit, supervisor

    def outcomes(self, again: deque[Unit], units: Iterator[Unit]) -> Iterator[Outcome]:
        """Outcomes until there is no unit left. again: units to begin before others are drawn."""
        losses: Counter[int] = Counter()
        fruitless, heard = 0, time.monotonic()
        while True:
            again.extend(islice(units, max(0, self._most - len(again) - len(self._flying))))
            if not again and not self._flying:
                return
            self._employ(again)
            promises = [*self._flying, *self._starting]
            for promise in self._ray.wait(promises, num_returns=1, timeout=10.0)[0]:
                heard = time.monotonic()
                if promise in self._starting:
                    supervisor = self._starting.pop(promise)
                    try:
                        self._ray.get(promise)
                    except self._ray.exceptions.RayError as error:
                        fruitless += 1
                        if fruitless == _FRUITLESS:
                            raise StopRunError(
                                f"nothing can be started on the Ray cluster: {_last_line(error)}"
                            ) from None
                    else:
                        self._idle.append(supervisor)
                    continue
                unit, supervisor = self._flying.pop(promise)
                outcome = self._outcome(unit, supervisor, promise)
                if outcome is None:
                    losses[id(unit)] += 1
                    if losses[id(unit)] < TRIES:
                        again.appendleft(unit)
                        continue
                    detail = f"{unit.name}: the machine that worked on it was lost, {TRIES} times"
                    outcome = Outcome(unit, None, Reason.CRASHED, detail)
                fruitless = 0
                losses.pop(id(unit), None)
                yield outcome
            if not self._flying and not self._idle and time.monotonic() - heard > _PATIENCE_S:
                raise StopRunError(
                    f"the Ray cluster has had no free core for {_PATIENCE_S / 60:.0f} minutes; what is done is kept"
                )

    def _employ(self, again: deque[Unit]) -> None:
        """Give units to those who have none, and ask for more supervisors where units are left."""
        while again and self._idle:
            unit, supervisor = again.popleft(), self._idle.pop()
            self._flying[supervisor.do.remote(unit)] = unit, supervisor
        for _ in range(min(len(again), self._most - len(self._flying)) - len(self._starting)):
            supervisor = self._actor.remote(*self._work)
            self._starting[supervisor.ready.remote()] = supervisor

    def _outcome(self, unit: Unit, supervisor: Any, promise: Any) -> Outcome | None:
        """What became of the unit; None where it was lost with its machine. Raises StopRunError."""
        try:
            answer = self._ray.get(promise)
        except self._ray.exceptions.RayTaskError as error:  # it lives, and cannot go on
            self._dismiss(supervisor)
            return Outcome(
                unit, None, Reason.INTERNAL_ERROR, f"{unit.name}: its supervisor failed: {error}"
            )
        except self._ray.exceptions.RayError:
            self._dismiss(supervisor)
            return None
        if isinstance(answer, StopRunError):
            raise answer
        self._idle.append(supervisor)
        found: Outcome = replace(answer, unit=unit)  # what came back is a copy
        return found

    def dismiss(self) -> None:
        """End all of them, whatever they are at."""
        for supervisor in [
            *self._idle,
            *self._starting.values(),
            *(supervisor for _, supervisor in self._flying.values()),
        ]:
            self._dismiss(supervisor)

    def _dismiss(self, supervisor: Any) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(supervisor)


def _connected(address: str | None, count: int) -> tuple[Any, bool]:
    """Ray, and whether it is for us to shut down again. Raises StopRunError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # supervisors that hold no GPU still see it
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
            cores = count or len(os.sched_getaffinity(0))
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=_STORE,
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise StopRunError(
            f"there is no Ray cluster {where} that can be used: {_last_line(error)}"
        ) from error
    return ray, True


def _last_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
