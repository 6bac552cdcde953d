"""Atomic writing: a file is written under a temporary name, flushed to disk, then renamed."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # the names that mkstemp gives below


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that becomes `path` when the block succeeds, and vanishes when it fails.

    Missing parent folders are created. File systems that cannot flush are accepted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path, *, below: bool = True) -> None:
    """Delete the temporary files of killed writers in `folder`, and in the folders below it.

    No other process may be writing there.
    """
    for path in (folder.rglob if below else folder.glob)(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, unless it has this content already."""
    try:
        same = path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        same = False
    if not same:
        write_bytes(path, data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `replace_bytes` does."""
    replace_bytes(path, text.encode())


def _umask() -> int:
    """Return the umask of the process, which can only be read by setting it for a moment.

    mkstemp ignores it: it creates files for the owner alone.
    """
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
