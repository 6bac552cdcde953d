"""A folder that one process at a time works on: a lock file that names its owner, and is nobody's when that process is gone."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import TextIO

from stccl_data.errors import StcclError

#: Seconds for which a lock is asked for again: whoever looks whether it is taken holds it for a moment.
_PATIENCE_S = 1.0


class LockedError(StcclError):
    """Another process has the lock. `owner`: such as `4711 on alpha`; empty where several share it, or none said so."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is held by process {owner or '(unknown)'}")
        self.owner = owner


@contextmanager
def locked(path: Path, alone: bool = True) -> Iterator[None]:
    """Hold the lock file, alone or with others who do not want it alone. Who has it alone is written into it.

    It dies with its process, so that a crash leaves nothing to clean up. Raises LockedError.
    """
    with path.open("a+") as file:
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise LockedError(path, _read(file)) from None
                time.sleep(0.05)
            except OSError:  # a file system without locks: what is written in the file has to do
                if (other := _living(_read(file))) is not None:
                    raise LockedError(path, other) from None
                break
        if not alone:
            yield
            return
        file.truncate(0)
        file.write(f"{os.getpid()} on {gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def owner(path: Path) -> str | None:
    """Who holds a lock, such as `4711 on alpha`; None where nobody does. It is held for a moment to find out."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().strip() or "unknown"
            except OSError:
                return _living(file.read().strip())
    except FileNotFoundError:
        pass
    return None


def _read(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip()


def _living(who: str) -> str | None:
    """`who`, where that may still be at work; None for a process of this machine that has ended."""
    pid, _, host = who.partition(" on ")
    if (
        not pid.isdecimal()
        or int(pid) == os.getpid()
        or (host == gethostname() and not Path(f"/proc/{pid}").exists())
    ):
        return None
    return who
