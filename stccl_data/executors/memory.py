"""Limit the memory of a worker, so that one clip or a leak cannot take the machine down."""

import os
import resource
import sys
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIN_SHARE = 2 * 2**30  # a minute of 720p takes less than one


def worker_limit(workers: int, memory_mb: int | None = 0) -> int:
    """Return the memory limit of one of `workers` on this machine, in bytes.

    Args:
        workers: number of workers on this machine.
        memory_mb: the limit in MB; 0 for an equal share of 7/8 of the machine's memory, at least
            2 GB (the rest is for the parent process and the system); None for no limit.
    """
    if memory_mb is None:
        return sys.maxsize
    if memory_mb:
        return memory_mb * 2**20
    return max(_MIN_SHARE, _total_memory() // 8 * 7 // max(1, workers))


def limit_memory(limit: int) -> None:
    """Limit the private memory of this process to `limit` bytes.

    Beyond it Python raises MemoryError and native code usually aborts. Mapped files, such as
    libraries and models, do not count.
    """
    if limit == sys.maxsize:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def private_memory() -> int:
    """Return the resident memory of this process that it shares with no other, in bytes."""
    resident, shared = Path("/proc/self/statm").read_bytes().split()[1:3]
    return (int(resident) - int(shared)) * _PAGE


def _total_memory() -> int:
    """Return the memory of the machine, or of the container that this process runs in."""
    installed = os.sysconf("SC_PHYS_PAGES") * _PAGE
    try:
        return min(installed, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return installed
