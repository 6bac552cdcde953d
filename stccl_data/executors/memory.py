"""How much memory a worker may have, and how it is held to that: a clip or a leak must not take the machine down."""

import os
import resource
import sys
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LEAST = 2 * 2**30  # a minute of 720p takes less than one


def share(workers: int, memory_mb: int | None = 0) -> int:
    """Bytes for one of `workers` on this machine: what was asked for, its part of seven eighths of all that there is (the rest is
    for those who hand out the work, and for the system), 2 GB at least (0), or no limit (None)."""
    if memory_mb is None:
        return sys.maxsize
    if memory_mb:
        return memory_mb * 2**20
    return max(_LEAST, _all() // 8 * 7 // max(1, workers))


def cap(limit: int) -> None:
    """From now on this process gets no more than `limit` bytes of its own; asking for more is a MemoryError, or ends native code.

    Files that are mapped, such as libraries and models, are not counted.
    """
    if limit == sys.maxsize:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )


def held() -> int:
    """Bytes in memory that are this process's own."""
    resident, shared = Path("/proc/self/statm").read_bytes().split()[1:3]
    return (int(resident) - int(shared)) * _PAGE


def _all() -> int:
    """Of the machine, or of the container that this is."""
    installed = os.sysconf("SC_PHYS_PAGES") * _PAGE
    try:
        return min(installed, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return installed
