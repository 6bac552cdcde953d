"""What a run notes of itself while it works, and how any other process reads it: the work of `stccl status`."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stccl_data.errors import Reason
from stccl_data.files.lock import owner
from stccl_data.pipeline.state import Store, read_only
from stccl_data.progress import Progress

#: Seconds between two notes: a note is a transaction.
_EVERY_S = 0.5


class Recorded:
    """The progress of a run, passed on to who watches it here and noted in its state database. Implements `Progress`."""

    def __init__(self, watcher: Progress, state: sqlite3.Connection) -> None:
        self._watcher, self._state = watcher, state
        self._stage = Stage("", 0, 0, 0, {}, 0.0, 0.0)  # as it was noted last
        self._done, self._reasons = 0, Counter[str]()
        state.execute("DELETE FROM stages")

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress`."""
        self._watcher.stage(name, total, done)
        self._reasons.clear()
        self._done = done
        self._stage = Stage(name, total, done, done, {}, time.time(), time.time())
        self._note()

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress`."""
        self._watcher.step(reason, values)
        self._done += 1
        if reason is not None:
            self._reasons[reason] += 1
        if self._done == self._stage.total or time.time() - self._stage.heard > _EVERY_S:
            self._note()

    def note(self, text: str) -> None:
        """See `Progress`."""
        self._watcher.note(text)

    def _note(self) -> None:
        self._stage = replace(
            self._stage, done=self._done, reasons=dict(self._reasons), heard=time.time()
        )
        values = {**asdict(self._stage), "reasons": json.dumps(self._reasons)}
        self._state.execute(
            "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(values.values())
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """`done` of `total` units, `already` of them by earlier runs; `reasons`: how many ended with which. `began`, `heard` (the last
    note): seconds since 1970."""

    name: str
    total: int
    already: int
    done: int
    reasons: dict[str, int]
    began: float
    heard: float

    @property
    def per_hour(self) -> float | None:
        """Units an hour; None before the first."""
        made, seconds = self.done - self.already, self.heard - self.began
        return 3600 * made / seconds if made and seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end of the stage at the rate so far."""
        return 3600 * (self.total - self.done) / self.per_hour if self.per_hour else None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The latest run of the whole corpus (`part` None) or of one part of a job array. `process`: who is at it now, such as
    `4711 on alpha`; None where it has ended, well or not."""

    job: str | None
    process: str | None
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """`runs`: of the whole and of each part that was begun. `clips`: how many by reason, `""` for those that are extracted.
    `clip_seconds`: of a worker for a clip, on average over those that were timed; None before the first."""

    out: Path
    runs: tuple[RunStatus, ...]
    clips: dict[str, int]
    clip_seconds: float | None


def read_status(out: Path) -> Status:
    """How far OUT is. Nothing is written. Raises FileNotFoundError where nothing was ever begun."""
    store = Store(out)
    databases = store.databases()
    if not databases:
        raise FileNotFoundError(f"{out} holds no work folder of `stccl prepare`")
    runs = []
    for database in databases:
        job = database.stem.removeprefix("state").removeprefix("-") or None
        lock = store.work / ("lock" if job is None else f"lock-{job}")
        stages: list[Stage] = []
        with (
            read_only(database) as connection,
            suppress(sqlite3.OperationalError),
        ):  # no such table: only just begun
            for name, total, already, done, reasons, *times in connection.execute(
                "SELECT * FROM stages ORDER BY began"
            ):
                stages.append(Stage(name, total, already, done, json.loads(reasons), *times))
        runs.append(RunStatus(job, owner(lock), tuple(stages)))
    states = store.clip_states().values()
    timed = [state.seconds for state in states if state.seconds]
    return Status(
        out,
        tuple(runs),
        dict(Counter(state.reason for state in states)),
        sum(timed) / len(timed) if timed else None,
    )
