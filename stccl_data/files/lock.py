"""Lock files: one process at a time works on a folder. A lock ends with its process."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import TextIO

from stccl_data.errors import StcclError

#: How long a lock is retried, seconds: `lock_owner` holds it for a moment to find out who has it.
_PATIENCE_S = 1.0


class LockedError(StcclError):
    """Another process holds the lock."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is held by process {owner or '(unknown)'}; wait for it to end")
        #: `4711 on alpha`; empty if it is unknown or if several processes share the lock
        self.owner = owner


@contextmanager
def locked(path: Path, exclusive: bool = True) -> Iterator[None]:
    """Hold a lock file during a block. It is released when the process ends, however it ends.

    Args:
        path: the lock file.
        exclusive: exclude every other holder, and write this process into the file; if False, share
            the lock with other holders that share it.

    Raises:
        LockedError: another process holds the lock.
    """
    with path.open("a+") as file:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(path, _read(file)) from None
                time.sleep(0.05)
            except OSError:  # no locks on this file system: rely on the content of the file
                if (other := _if_alive(_read(file))) is not None:
                    raise LockedError(path, other) from None
                break
        if not exclusive:
            yield
            return
        file.truncate(0)
        file.write(f"{os.getpid()} on {gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def lock_owner(path: Path) -> str | None:
    """Return the process that holds a lock, such as `4711 on alpha`; None if it is free."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(file) or "unknown"
            except OSError:
                return _if_alive(_read(file))
    except FileNotFoundError:
        pass
    return None


def _read(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip()


def _if_alive(process: str) -> str | None:
    """Return the process unless it is this one, or one of this machine that has ended."""
    pid, _, host = process.partition(" on ")
    if (
        not pid.isdecimal()
        or int(pid) == os.getpid()
        or (host == gethostname() and not Path(f"/proc/{pid}").exists())
    ):
        return None
    return process
