"""What a run has made so far: artefacts named by what they were made from, and the state of every clip in one SQLite file.

    OUT/work/state.sqlite          clips and their states; the process that prepares writes it, anybody may read it
    OUT/work/clips/ab/abcd....npz  one extracted clip
    OUT/work/pairs/...             the alignments of one utterance

An artefact exists when it is complete. Running again makes what is missing.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


class StoreBusyError(Exception):
    """Another process is preparing into the same folder. The message names it."""


@dataclass(frozen=True, slots=True)
class ClipState:
    """How far one clip has come. `key` names its artefact; `reason` is empty when it was extracted."""

    clip_id: str
    key: str
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0


def key_of(*parts: Any) -> str:
    """The name of an artefact made from `parts` (whatever JSON can say): 32 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def fingerprint(path: str | None) -> list[Any]:
    """Size and time of change of a file, by which a changed file is noticed without reading it; empty where there is none."""
    if not path:
        return []
    try:
        status = Path(path).stat()
    except OSError:
        return [None]
    return [status.st_size, status.st_mtime_ns]


class Store:
    """The work folder of one OUT."""

    def __init__(self, out: Path) -> None:
        self.work = out / "work"

    def artefact(self, kind: str, key: str) -> Path:
        """Where the artefact of that key lies, or will."""
        return self.work / kind / key[:2] / f"{key}.npz"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held while one process prepares. The lock dies with its process, so a crash leaves nothing to clean up.

        Raises StoreBusyError where another process holds it.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise StoreBusyError(f"{self.work.parent} is being prepared by process {owner}; wait for it, or end it") from None
            except OSError:
                pass  # a file system without locks
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    @contextmanager
    def state(self) -> Iterator[sqlite3.Connection]:
        """The state database, made where it is missing."""
        self.work.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.work / "state.sqlite", timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS clips "
                "(clip_id TEXT PRIMARY KEY, key TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, seconds REAL NOT NULL)"
            )
            yield connection
        finally:
            connection.close()


def clip_states(connection: sqlite3.Connection) -> dict[str, ClipState]:
    """All clips that a run has come to, by id."""
    columns = ", ".join(f.name for f in fields(ClipState))
    return {row[0]: ClipState(*row) for row in connection.execute(f"SELECT {columns} FROM clips")}


def record_clips(connection: sqlite3.Connection, states: Iterable[ClipState]) -> None:
    """Write these states, in one transaction."""
    with connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?)", [tuple(asdict(s).values()) for s in states])
