"""Keep what was read from a file for as long as the file stays as it was."""

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Files that are remembered: the frames, the features and the FLAC of a clip are read one after
#: another.
_FILES = 4


def cached_while_unchanged(read: Callable[[str | Path], T]) -> Callable[[str | Path], T]:
    """Make a function of one file remember its results for the files it was called for last.

    A file whose size or time of change differs is read again. Errors are not remembered.
    """

    @lru_cache(_FILES)
    def remembered(path: str, size: int, mtime_ns: int) -> T:
        return read(path)

    @wraps(read)
    def cached(path: str | Path) -> T:
        try:
            status = Path(path).stat()
        except OSError:
            return read(path)  # which says what is wrong
        return remembered(str(path), status.st_size, status.st_mtime_ns)

    return cached
