"""What a run has made so far: artefacts named by what they were made from, and the state of every clip in SQLite.

    OUT/work/state.sqlite          clips and their states; the process that prepares writes it, anybody may read it
    OUT/work/state-3-of-16.sqlite  the same for the third of sixteen jobs that share the work
    OUT/work/clips/ab/abcd....npz  one extracted clip
    OUT/work/pairs/...             the alignments of one utterance

An artefact exists when it is complete. Running again makes what is missing.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stccl_data.errors import Reason, StcclError
from stccl_data.files.lock import LockedError, locked
from stccl_data.pipeline.job_array import Job

#: Raise when the tables change: the states of another schema are forgotten, and found again by their artefacts.
SCHEMA = 2


class StoreBusyError(StcclError):
    """Another process is preparing into the same folder. The message names it."""


@dataclass(frozen=True, slots=True)
class ClipState:
    """How far one clip has come. `key` names its artefact; `reason` is empty when it was extracted. `header`: what the artefact
    says of itself, as JSON, so that it need not be opened; `size`: its bytes, so that one that was cut short is noticed all the
    same. `seconds`: how long it took; `ended`: when, seconds since 1970."""

    clip_id: str
    key: str
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    header: str = ""
    size: int = 0
    ended: float = 0.0


def key_of(*parts: Any) -> str:
    """The name of an artefact made from `parts` (whatever JSON can say): 32 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def fingerprint(path: str | None) -> list[Any]:
    """Size and time of change of a file, by which a changed file is noticed without reading it; empty where there is none."""
    if not path:
        return []
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of 217,000 files costs seconds
    except OSError:
        return [None]
    return [status.st_size, status.st_mtime_ns]


class Store:
    """The work folder of one OUT, for the run of a whole corpus or for one part of a job array."""

    def __init__(self, out: Path, job: Job | None = None) -> None:
        self.work = out / "work"
        self.job = job
        self._suffix = "" if job is None else f"-{job.name}"

    def artefact(self, kind: str, key: str) -> Path:
        """Where the artefact of that key lies, or will."""
        return Path(
            f"{self.work}/{kind}/{key[:2]}/{key}.npz"
        )  # joined at once: thousands are asked for

    def there(self, kind: str) -> dict[str, int]:
        """key -> bytes of every artefact of a kind. Folders are listed: to ask for each artefact by name takes far longer."""
        found: dict[str, int] = {}
        with suppress(FileNotFoundError):
            for folder in os.scandir(self.work / kind):
                if folder.is_dir():
                    found |= {
                        file.name[:-4]: file.stat().st_size
                        for file in os.scandir(folder)
                        if file.name.endswith(".npz")
                    }
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held while one process prepares. The lock dies with its process, so a crash leaves nothing to clean up.

        The parts of a job array hold it together, each with a lock of its own besides. Raises StoreBusyError where another
        process holds it.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.work / "lock", alone=self.job is None))
                if self.job is not None:
                    stack.enter_context(locked(self.work / f"lock{self._suffix}"))
            except LockedError as error:
                who = (
                    f"by process {error.owner}"
                    if error.owner
                    else "as parts of a job array, which `stccl status` names"
                )
                raise StoreBusyError(
                    f"{self.work.parent} is being prepared {who}; wait for it, or end it"
                ) from None
            yield

    @contextmanager
    def state(self) -> Iterator[sqlite3.Connection]:
        """The state database, made where it is missing. Raises StateError, also for what SQLite raises within."""
        self.work.mkdir(parents=True, exist_ok=True)
        database = self.work / f"state{self._suffix}.sqlite"
        with (
            _named(database),
            closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection,
        ):
            # The memory that WAL shares between readers and the writer does not reach from machine to machine.
            connection.execute(f"PRAGMA journal_mode={'WAL' if self.job is None else 'TRUNCATE'}")
            connection.execute("PRAGMA synchronous=NORMAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                connection.execute("DROP TABLE IF EXISTS clips")
                connection.execute(f"PRAGMA user_version={SCHEMA}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS clips (clip_id TEXT PRIMARY KEY, key TEXT NOT NULL, reason TEXT NOT NULL, "
                "detail TEXT NOT NULL, seconds REAL NOT NULL, header TEXT NOT NULL, size INTEGER NOT NULL, ended REAL NOT NULL)"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS stages (name TEXT PRIMARY KEY, total INTEGER NOT NULL, already INTEGER NOT NULL, "
                "done INTEGER NOT NULL, reasons TEXT NOT NULL, began REAL NOT NULL, heard REAL NOT NULL)"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS headers (key TEXT PRIMARY KEY, size INTEGER NOT NULL, header TEXT NOT NULL)"
            )
            yield connection

    def clip_states(self) -> dict[str, ClipState]:
        """The clips that any run has come to, of the whole or of a part, by id; the latest where several have."""
        found: dict[str, ClipState] = {}
        for database in self.databases():
            with read_only(database) as connection:
                for clip_id, state in clip_states(connection).items():
                    if clip_id not in found or found[clip_id].ended <= state.ended:
                        found[clip_id] = state
        return found

    def databases(self) -> list[Path]:
        """The state databases that are there: of runs of the whole corpus, and of each part."""
        return sorted(self.work.glob("state*.sqlite"))


class StateError(StcclError):
    """A state database cannot be read or written. The message names it and says what to do."""


@contextmanager
def _named(database: Path) -> Iterator[None]:
    """What SQLite raises, with the file that it is about."""
    try:
        yield
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.OperationalError):
            advice = "delete it, and what is extracted is found again"
        elif "full" in str(error) or "I/O" in str(error):
            advice = Reason.DISK_FULL.advice
        else:
            advice = "it has to be readable and writable for this user, and its folder too"
        raise StateError(f"{database} cannot be used: {error}; {advice}") from error


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """A state database to look at, whoever may be writing it. One of another schema looks empty.

    SQLite wants to write beside a database that somebody has open, or that a process left when it was killed. Where that cannot be
    (another's folder, a full disk), or is not for somebody who only looks, a copy is read. Raises StateError.
    """
    with ExitStack() as stack:
        stack.enter_context(_named(database))
        connection = stack.enter_context(
            closing(
                sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", timeout=30, uri=True)
            )
        )
        try:
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" in str(error):  # by somebody who is writing: a copy could be torn
                raise
            folder = Path(stack.enter_context(TemporaryDirectory()))
            for file in database.parent.glob(f"{database.name}*"):
                if not file.name.endswith("-shm"):
                    shutil.copyfile(file, folder / file.name)
            connection = stack.enter_context(closing(sqlite3.connect(folder / database.name)))
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema == SCHEMA:
            yield connection
        else:
            with closing(sqlite3.connect(":memory:")) as empty:
                yield empty


def clip_states(connection: sqlite3.Connection) -> dict[str, ClipState]:
    """The clips of one database, by id."""
    columns = ", ".join(f.name for f in fields(ClipState))
    with suppress(sqlite3.OperationalError):  # no such table: nothing has been recorded yet
        return {
            row[0]: ClipState(*row) for row in connection.execute(f"SELECT {columns} FROM clips")
        }
    return {}


def record_clips(connection: sqlite3.Connection, states: Iterable[ClipState]) -> None:
    """Write these states, in one transaction."""
    with connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [astuple(state) for state in states],
        )


def headers(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """key -> (bytes, header) of artefacts other than clips: what they say of themselves, so that they need not be opened."""
    return {
        key: (size, header)
        for key, size, header in connection.execute("SELECT key, size, header FROM headers")
    }


def record_headers(connection: sqlite3.Connection, found: Mapping[str, tuple[int, str]]) -> None:
    """Keep these headers, in one transaction."""
    with connection:
        connection.execute("BEGIN")
        rows = [(key, size, header) for key, (size, header) in found.items()]
        connection.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?, ?)", rows)
