"""The state of OUT, from which a rerun resumes: artefacts, and what happened to each clip.

    OUT/work/state.sqlite          clip states in SQLite; one process writes them, any may read
    OUT/work/state-3-of-16.sqlite  the same for job 3 of an array of 16
    OUT/work/clips/ab/abcd....npz  one extracted clip
    OUT/work/pairs/...             the alignments of one utterance
    OUT/work/content/...           the content check of one speaker

Artefacts are named by what they are made from. One that exists is complete; a rerun makes the
missing ones.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stccl_data.errors import Reason, StcclError
from stccl_data.files.lock import LockedError, locked
from stccl_data.pipeline.job_array import Job

#: Bump when the tables change. States of another schema are dropped and rebuilt from the artefacts.
SCHEMA = 2

_TABLES = (
    "CREATE TABLE IF NOT EXISTS clips (clip_id TEXT PRIMARY KEY, key TEXT NOT NULL, "
    "reason TEXT NOT NULL, detail TEXT NOT NULL, seconds REAL NOT NULL, header TEXT NOT NULL, "
    "size INTEGER NOT NULL, ended REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS stages (name TEXT PRIMARY KEY, total INTEGER NOT NULL, "
    "already INTEGER NOT NULL, done INTEGER NOT NULL, reasons TEXT NOT NULL, "
    "began REAL NOT NULL, heard REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS headers (key TEXT PRIMARY KEY, size INTEGER NOT NULL, "
    "header TEXT NOT NULL)",
)


class StoreBusyError(StcclError):
    """Another process is preparing into the same folder."""


class StateError(StcclError):
    """A state database cannot be read or written."""


@dataclass(frozen=True, slots=True)
class ClipState:
    """What happened to one clip. The fields are the columns of the table `clips`, in order."""

    clip_id: str
    #: the artefact
    key: str
    #: empty if the clip was extracted
    reason: str = ""
    detail: str = ""
    #: duration of the extraction
    seconds: float = 0.0
    #: the artefact's header as JSON, so that the artefact need not be opened
    header: str = ""
    #: bytes of the artefact; another size means that it was truncated
    size: int = 0
    #: end of the extraction, seconds since 1970
    ended: float = 0.0


def key_of(*parts: Any) -> str:
    """Return the name of an artefact made from `parts`, which must be JSON-compatible.

    Returns:
        The first 32 hexadecimal digits of their SHA-256.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def fingerprint(path: str | None) -> list[Any]:
    """Return size and modification time of a file, by which a change is noticed without reading it.

    Returns:
        ``[bytes, ns]``; empty without a path; ``[None]`` if the file does not exist.
    """
    if not path:
        return []
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of 217,000 files costs seconds
    except OSError:
        return [None]
    return [status.st_size, status.st_mtime_ns]


class Store:
    """The work folder of one OUT, for a run of the whole corpus or for one job of an array."""

    def __init__(self, out: Path, job: Job | None = None) -> None:
        self.work = out / "work"
        self.job = job
        self._suffix = "" if job is None else f"-{job.name}"
        self._used: set[tuple[str, str]] = set()  # kind and key of the artefacts asked for

    def artefact(self, kind: str, key: str) -> Path:
        """Return the path of an artefact, whether or not it exists."""
        self._used.add((kind, key))
        return self.path(kind, key)

    def path(self, kind: str, key: str) -> Path:
        """Return the path of an artefact, which stays unused, see `remove_unused`."""
        # One string: joining Paths takes too long for hundreds of thousands.
        return Path(f"{self.work}/{kind}/{key[:2]}/{key}.npz")

    def existing(self, kind: str) -> dict[str, int]:
        """Return key -> bytes of every artefact of a kind.

        Lists the folders, which is far quicker than looking for each artefact by name.
        """
        sizes: dict[str, int] = {}
        with suppress(FileNotFoundError):
            for folder in os.scandir(self.work / kind):
                if folder.is_dir():
                    sizes |= {
                        file.name[:-4]: file.stat().st_size
                        for file in os.scandir(folder)
                        if file.name.endswith(".npz")
                    }
        return sizes

    def remove_unused(self, kinds: Iterable[str] = ("clips", "pairs", "content")) -> None:
        """Delete the artefacts whose path this store was not asked for."""
        for kind in kinds:
            for key in self.existing(kind):
                if (kind, key) not in self._used:
                    self.remove(kind, key)

    def remove(self, kind: str, key: str) -> None:
        """Delete an artefact and what belongs to it."""
        for file in (self.work / kind / key[:2]).glob(f"{key}*"):
            file.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the work folder. It dies with its process, so a crash needs no cleanup.

        The jobs of an array share this lock, and each holds a lock of its own besides.

        Raises:
            StoreBusyError: another process holds the lock.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.work / "lock", exclusive=self.job is None))
                if self.job is not None:
                    stack.enter_context(locked(self.work / f"lock{self._suffix}"))
            except LockedError as error:
                owner = (
                    f"by process {error.owner}"
                    if error.owner
                    else "by jobs of an array, which `stccl status` lists"
                )
                raise StoreBusyError(
                    f"{self.work.parent} is being prepared {owner}; wait for it, or stop it"
                ) from None
            yield

    @contextmanager
    def state(self) -> Iterator[sqlite3.Connection]:
        """Open the state database, and create it if it is missing.

        Raises:
            StateError: SQLite failed, here or in the body of the `with` statement.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        database = self.work / f"state{self._suffix}.sqlite"
        with (
            _sqlite_errors(database),
            closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection,
        ):
            # WAL shares memory between readers and writer, which does not work across machines.
            connection.execute(f"PRAGMA journal_mode={'WAL' if self.job is None else 'TRUNCATE'}")
            connection.execute("PRAGMA synchronous=NORMAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                connection.execute("DROP TABLE IF EXISTS clips")
                connection.execute(f"PRAGMA user_version={SCHEMA}")
            for statement in _TABLES:
                connection.execute(statement)
            yield connection

    def clip_states(self) -> dict[str, ClipState]:
        """Return clip id -> state over all databases; the latest if several have the clip.

        Raises:
            StateError: a database cannot be read.
        """
        states: dict[str, ClipState] = {}
        for database in self.databases():
            with read_only(database) as connection:
                for clip_id, state in clip_states(connection).items():
                    if clip_id not in states or states[clip_id].ended <= state.ended:
                        states[clip_id] = state
        return states

    def databases(self) -> list[Path]:
        """Return the existing state databases: of runs of the whole corpus, and of each job."""
        return sorted(self.work.glob("state*.sqlite"))


@contextmanager
def _sqlite_errors(database: Path) -> Iterator[None]:
    """Turn SQLite errors into StateError, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        if not isinstance(error, sqlite3.OperationalError):
            advice = "delete it; extracted clips are kept and found again"
        elif "full" in str(error) or "I/O" in str(error):
            advice = Reason.DISK_FULL.advice
        else:
            advice = "make it and its folder readable and writable for this user"
        raise StateError(f"{database} cannot be used: {error}; {advice}") from error


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a state database for reading, even while another process writes it.

    A database of another schema looks empty. SQLite needs to write beside a database that is open
    elsewhere or was left by a killed process. If it cannot (folder of another user, full disk,
    connection for reading only), a copy is read instead.

    Raises:
        StateError: the database cannot be read.
    """
    with ExitStack() as stack:
        stack.enter_context(_sqlite_errors(database))
        uri = f"{database.absolute().as_uri()}?mode=ro"
        connection = stack.enter_context(closing(sqlite3.connect(uri, timeout=30, uri=True)))
        try:
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "locked" in str(error):  # being written: a copy could be torn
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
    """Return clip id -> state of one database."""
    columns = ", ".join(f.name for f in fields(ClipState))
    with suppress(sqlite3.OperationalError):  # no such table: nothing has been recorded yet
        return {
            row[0]: ClipState(*row) for row in connection.execute(f"SELECT {columns} FROM clips")
        }
    return {}


def record_clips(connection: sqlite3.Connection, states: Iterable[ClipState]) -> None:
    """Write clip states in one transaction."""
    with connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR REPLACE INTO clips VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [astuple(state) for state in states],
        )


def forget_clips(database: Path, kept: Collection[str]) -> None:
    """Remove the records of all other clips from a database, and their bytes from its file.

    Raises:
        StateError: SQLite failed.
    """
    with _sqlite_errors(database), closing(sqlite3.connect(database, timeout=30)) as connection:
        gone = clip_states(connection).keys() - set(kept)
        connection.executemany("DELETE FROM clips WHERE clip_id = ?", [(name,) for name in gone])
        connection.execute("DELETE FROM headers")  # of pairs; read again from the artefacts
        connection.commit()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def headers(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return key -> (bytes, header) of artefacts of pairs, so that they need not be opened."""
    return {
        key: (size, header)
        for key, size, header in connection.execute("SELECT key, size, header FROM headers")
    }


def record_headers(connection: sqlite3.Connection, rows: Mapping[str, tuple[int, str]]) -> None:
    """Write artefact headers, as `headers` returns them, in one transaction."""
    with connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT OR REPLACE INTO headers VALUES (?, ?, ?)",
            [(key, size, header) for key, (size, header) in rows.items()],
        )
