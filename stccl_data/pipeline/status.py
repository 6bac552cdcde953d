"""The progress that a run records, and how other processes read it: the work of `stccl status`."""

import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stccl_data.errors import Reason, StcclError
from stccl_data.files.lock import lock_owner
from stccl_data.pipeline.state import Store, read_only
from stccl_data.progress import Progress

logger = logging.getLogger(__name__)

#: Seconds between two records of the progress, because each is a transaction.
_INTERVAL_S = 0.5


class NotStartedError(StcclError, FileNotFoundError):
    """OUT has no work folder of `stccl prepare`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The progress of one stage. The fields are the columns of the table `stages`, in order."""

    name: str
    #: units in all
    total: int
    #: units done by earlier runs
    already: int
    #: units done, those of earlier runs included
    done: int
    #: reason code -> failed units
    reasons: dict[str, int]
    #: start of the stage, seconds since 1970
    began: float
    #: time of this record, seconds since 1970
    heard: float

    @property
    def per_hour(self) -> float | None:
        """Units per hour; None before the first."""
        made, seconds = self.done - self.already, self.heard - self.began
        return 3600 * made / seconds if made and seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end of the stage at the rate so far; None before the first unit."""
        return 3600 * (self.total - self.done) / self.per_hour if self.per_hour else None


class RecordedProgress:
    """Passes the progress of a run on, and records it in the state database and the log."""

    def __init__(self, progress: Progress, state: sqlite3.Connection) -> None:
        self._progress, self._state = progress, state
        self._stage = Stage("", 0, 0, 0, {}, 0.0, 0.0)  # as last recorded
        self._done, self._reasons = 0, Counter[str]()
        state.execute("DELETE FROM stages")

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress.stage`."""
        self._progress.stage(name, total, done)
        logger.info("%s: %d of %d units to do", name, total - done, total)
        self._reasons.clear()
        self._done = done
        self._stage = Stage(name, total, done, done, {}, time.time(), time.time())
        self._record()

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress.step`."""
        self._progress.step(reason, values)
        self._done += 1
        if reason is not None:
            self._reasons[reason] += 1
        if self._done == self._stage.total or time.time() - self._stage.heard > _INTERVAL_S:
            self._record()

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self._progress.note(text)
        logger.info("%s", text)

    def _record(self) -> None:
        self._stage = replace(
            self._stage, done=self._done, reasons=dict(self._reasons), heard=time.time()
        )
        row = {**asdict(self._stage), "reasons": json.dumps(self._reasons)}
        self._state.execute(
            "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(row.values())
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The latest run of the whole corpus, or of one job of an array."""

    #: such as `3-of-16`; None for a run of the whole corpus
    job: str | None
    #: the process that is running now, such as `4711 on alpha`; None if the run has ended
    process: str | None
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The progress of all runs into one OUT."""

    out: Path
    #: the run of the whole corpus and of each job that has started
    runs: tuple[RunStatus, ...]
    #: reason code -> clips; the empty code for extracted clips
    clips: dict[str, int]
    #: average seconds of a worker per clip; None before the first
    clip_seconds: float | None


def read_status(out: Path) -> Status:
    """Read the progress of OUT. Writes nothing.

    Raises:
        NotStartedError: no run has started.
        StateError: a state database cannot be read.
    """
    store = Store(out)
    databases = store.databases()
    if not databases:
        raise NotStartedError(
            f"{out} has no work folder of `stccl prepare`: check the path, or start a run"
        )
    states = store.clip_states().values()
    seconds = [state.seconds for state in states if state.seconds]
    return Status(
        out,
        tuple(_run_status(store, database) for database in databases),
        dict(Counter(state.reason for state in states)),
        sum(seconds) / len(seconds) if seconds else None,
    )


def _run_status(store: Store, database: Path) -> RunStatus:
    job = database.stem.removeprefix("state").removeprefix("-") or None
    lock = store.work / ("lock" if job is None else f"lock-{job}")
    stages: list[Stage] = []
    # A missing table means that the run has only just started.
    with read_only(database) as connection, suppress(sqlite3.OperationalError):
        for name, total, already, done, reasons, *times in connection.execute(
            "SELECT * FROM stages ORDER BY began"
        ):
            stages.append(Stage(name, total, already, done, json.loads(reasons), *times))
    return RunStatus(job, lock_owner(lock), tuple(stages))
