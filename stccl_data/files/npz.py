"""Named arrays as bytes and back: npz without pickle and without compression; the same arrays always give the same bytes."""

import errno
import io
import math
import tokenize
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 2**20

#: What zipfile and numpy raise for bytes that are not what they should be.
_NO_ARRAYS = (
    ValueError, KeyError, EOFError, OverflowError, RuntimeError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An uncompressed npz, readable by `numpy.load`: members in the order given, no time of writing in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(
                member, np.ascontiguousarray(array).reshape(np.shape(array)), allow_pickle=False
            )
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return out.getvalue()


def npz_arrays(data: bytes, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an npz, or those of these names that it has. Raises ValueError as `open_npz` does."""
    with open_npz(io.BytesIO(data)) as archive:
        return {name: archive[name] for name in archive.names if names is None or name in names}


@contextmanager
def open_npz(file: Path | IO[bytes]) -> Iterator["Npz"]:
    """The arrays of an npz as `npz_bytes` makes it, each read when it is asked for.

    Raises ValueError, also for what is raised within, where it is none, holds anything compressed or Python objects, or is damaged:
    no array is made of bytes whose checksum is not right, and none is larger than the file.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield Npz(archive)
    except _NO_ARRAYS as error:
        raise ValueError(f"no archive of plain arrays: {error!r}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a place before the beginning
            raise
        raise ValueError(f"no archive of plain arrays: {error}") from error


class Npz:
    """`names` of the arrays, and each of them by its name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        assert archive.fp is not None
        size = archive.fp.seek(0, io.SEEK_END)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._entries.values()):
            raise ValueError("it holds compressed arrays, which stccl does not write")
        if (
            sum(max(entry.file_size, entry.compress_size) for entry in self._entries.values())
            > size
        ):
            raise ValueError("its arrays claim more bytes than it has")

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        data = memoryview(bytearray(entry.file_size))
        at = 0
        with self._archive.open(entry) as member:
            while piece := member.read(_CHUNK):
                data[at : at + len(piece)] = piece
                at += len(piece)
        if at < len(data):
            raise EOFError(f"{name} ends after {at:,} of {len(data):,} bytes")
        return _array(data)


def _array(data: memoryview) -> NDArray[Any]:
    """The array of an npy file, on the same memory."""
    head = io.BytesIO(data[:_CHUNK])
    first = np.lib.format.read_magic(head) == (1, 0)
    shape, by_columns, dtype = (
        np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    )(head)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not read")
    count, start = math.prod(shape), head.tell()
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of shape {shape} has {len(data) - start:,} bytes")
    flat: NDArray[Any] = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")
