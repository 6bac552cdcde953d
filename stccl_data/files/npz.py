"""npz files of plain arrays: no pickle, no compression, and the same bytes for the same arrays."""

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

#: Bytes of a local header in a zip before the name, and where the lengths of the name and of the
#: extra field stand in it.
_LOCAL_HEADER, _LENGTHS = 30, 26

#: Raised by zipfile and numpy for damaged data.
_DAMAGE_ERRORS = (
    ValueError,
    KeyError,
    EOFError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as an uncompressed npz, in the order given and without a time of writing.

    `numpy.load` reads it. Raises ValueError for arrays of Python objects.
    """
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
    """Return the arrays of an npz by name.

    Args:
        data: the file.
        names: arrays to return, if they exist; all by default.

    Raises:
        ValueError: as `open_npz`.
    """
    with open_npz(io.BytesIO(data)) as archive:
        return {name: archive[name] for name in archive.names if names is None or name in names}


def array_places(data: bytes) -> dict[str, tuple[int, int]]:
    """Return name -> (offset, size) of the raw values of each array in an npz, in bytes.

    With them a range read fetches a part of an array, without the zip and npy headers.

    Raises:
        ValueError: as `open_npz`.
    """
    with open_npz(io.BytesIO(data)) as archive:
        return {name: archive.place(name, data) for name in archive.names}


@contextmanager
def open_npz(file: Path | IO[bytes]) -> Iterator["Npz"]:
    """Open an npz that `npz_bytes` made; its arrays are read on access.

    The checksum of every array is checked, and no array is larger than the file.

    Raises:
        ValueError: the file is damaged, or holds compressed arrays or Python objects. Errors of
            this kind within the block become ValueError too.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield Npz(archive)
    except _DAMAGE_ERRORS as error:
        raise ValueError(f"not an npz of plain arrays: {error!r}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: an offset before the beginning
            raise
        raise ValueError(f"not an npz of plain arrays: {error}") from error


class Npz:
    """The arrays of an open npz by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        assert archive.fp is not None
        size = archive.fp.seek(0, io.SEEK_END)
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._entries.values()):
            raise ValueError("it holds compressed arrays, which stccl never writes")
        claimed = sum(max(entry.file_size, entry.compress_size) for entry in self._entries.values())
        if claimed > size:
            raise ValueError(f"its arrays claim {claimed:,} bytes, but it has {size:,}")

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in the order stored."""
        return list(self._entries)

    def place(self, name: str, data: bytes) -> tuple[int, int]:
        """Return where in `data`, the whole file, the values of an array lie: (offset, size)."""
        entry = self._entries[name]
        lengths = data[entry.header_offset + _LENGTHS : entry.header_offset + _LOCAL_HEADER]
        start = entry.header_offset + _LOCAL_HEADER
        start += int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        array = _parse_npy(memoryview(data[start : start + entry.file_size]))
        return start + entry.file_size - array.nbytes, array.nbytes

    def __getitem__(self, name: str) -> NDArray[Any]:
        entry = self._entries[name]
        data = memoryview(bytearray(entry.file_size))
        end = 0
        with self._archive.open(entry) as member:
            while chunk := member.read(_CHUNK):
                data[end : end + len(chunk)] = chunk
                end += len(chunk)
        if end < len(data):
            raise EOFError(f"{name} ends after {end:,} of {len(data):,} bytes")
        return _parse_npy(data)


def _parse_npy(data: memoryview) -> NDArray[Any]:
    """Return the array of an npy file as a view of its bytes."""
    head = io.BytesIO(data[:_CHUNK])
    if np.lib.format.read_magic(head) == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(head)
    else:
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(head)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are not loaded")
    count, start = math.prod(shape), head.tell()
    if count * dtype.itemsize != len(data) - start:
        raise ValueError(f"the data of an array of shape {shape} have {len(data) - start:,} bytes")
    flat: NDArray[Any] = np.frombuffer(data, dtype, count, start) if count else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")
