"""Files that are there whole or not at all: written under a temporary name, flushed to the disk, renamed."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")  # as mkstemp below names them


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` when the block ends well, and leaves nothing behind when it does not.

    The folder is made where it is missing. A file system that cannot flush is taken as it is.
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


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left below `folder`: no other may be writing there."""
    for path in folder.rglob(".*.tmp"):
        if _LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """`data` as the whole content of `path`, atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8, atomically; a file that holds it already is left as it is."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, data: bytes) -> None:
    """As `write_bytes`, but a file that holds `data` already is left as it is."""
    try:
        same = path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        same = False
    if not same:
        write_bytes(path, data)


def _umask() -> int:
    """The process's umask (mkstemp makes files for the owner alone). Reading it means setting it for a moment."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
