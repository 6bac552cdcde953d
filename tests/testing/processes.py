"""Start processes, and look at those that a test has started."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own; it has to succeed."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


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
