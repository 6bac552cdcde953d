"""Look at the processes that a test has started."""

from contextlib import suppress
from pathlib import Path


def workers_of(pid: int) -> list[int]:
    """Return the worker processes that a process has spawned."""
    workers = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            command = (status.parent / "cmdline").read_bytes()
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if b"spawn_main" in command and parent == pid:
                workers.append(int(status.parent.name))
    return workers
