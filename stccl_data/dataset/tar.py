"""Strict reading of tars: every member name is checked, and a truncated end is an error.

Common readers accept both silently.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stccl_data.dataset.members import MAX_MEMBER_BYTES, ShardError

#: tarfile reads an extension header (a long name, pax records) into memory as a whole.
_MAX_HEADER_BYTES = 2**20
_END_MARK = b"\0" * (2 * tarfile.BLOCKSIZE)
_CHUNK = 2**20

_DAMAGED = "it was truncated or damaged; copy it again, or delete it and rerun `stccl prepare`"
_UNTRUSTED = "stccl never writes that, so do not trust this tar"

#: Raised by tarfile for data that are not a tar.
_TAR_ERRORS = (tarfile.TarError, EOFError, UnicodeError, ValueError)


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member of a tar. webdataset splits its name into key and suffix at the first dot."""

    name: str
    key: str
    suffix: str
    #: place of the data in the tar, bytes
    offset: int
    size: int


def read_stream(stream: Any, shard: str) -> Iterator[tuple[TarMember, bytes]]:
    """Read every member of a tar that comes as a stream, with its content.

    Args:
        stream: anything with a method `read(size)`.
        shard: name of the tar in error messages.

    Raises:
        ShardError: a member has a name or a type that stccl never writes, or the stream is not a
            tar or ends before the end mark of one.
    """
    tail = _Tail(stream, shard)
    try:
        with tarfile.open(fileobj=tail, mode="r|", tarinfo=_Header) as tar:  # type: ignore[call-overload]
            for entry in tar:
                member = _checked_member(entry, shard)
                if member is not None:
                    file = tar.extractfile(entry)
                    data = b"" if file is None else file.read()
                    if len(data) != member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield member, data
                tar.members = []  # tarfile would keep a record of each member until it is closed
    except _TAR_ERRORS as error:
        raise _unreadable(shard, error) from None
    while tail.read(_CHUNK):
        pass
    if not tail.ended:
        raise _missing_end_mark(shard, tail.size)


def read_headers(path: Path, shard: str) -> Iterator[TarMember]:
    """Read the header of every member of a tar on disk in order, skipping the contents.

    Args:
        path: the tar.
        shard: name of the tar in error messages.

    Raises:
        ShardError: as `read_stream`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            end = 0
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as tar:
                for entry in tar:
                    blocks = -(-entry.size // tarfile.BLOCKSIZE)
                    end = entry.offset_data + blocks * tarfile.BLOCKSIZE
                    member = _checked_member(entry, shard)
                    if end > size:
                        raise ShardError(f"{shard} ends within {entry.name}: {_DAMAGED}")
                    if member is not None:
                        yield member
            _check_end(file, end, size, shard)
    except FileNotFoundError:
        raise ShardError(f"{shard} is missing: {_DAMAGED}") from None
    except OSError as error:
        raise ShardError(f"{shard} cannot be read: {error.strerror}") from None
    except _TAR_ERRORS as error:
        raise _unreadable(shard, error) from None


def _unreadable(shard: str, error: Exception) -> ShardError:
    return ShardError(f"{shard} is not a tar that can be read to its end ({error}): {_DAMAGED}")


def _missing_end_mark(shard: str, size: int) -> ShardError:
    return ShardError(f"{shard} has no end mark of a tar after its {size:,} bytes: {_DAMAGED}")


def _checked_member(entry: tarfile.TarInfo, shard: str) -> TarMember | None:
    """Return the member of a tar header; None for a folder. Raise ShardError if it is hostile."""
    name = entry.name
    if entry.isdir():
        return None
    if not entry.isreg() or entry.issparse():
        raise ShardError(f"{shard} holds {name!r}, a link or a device: {_UNTRUSTED}")
    if (
        name.startswith("/")
        or "\\" in name
        or any(part in ("", ".", "..") for part in name.split("/"))
    ):
        raise ShardError(f"{shard} holds {name!r}, which leads out of the dataset: {_UNTRUSTED}")
    if entry.size > MAX_MEMBER_BYTES:
        raise ShardError(f"{shard}: {name} claims {entry.size:,} bytes: {_UNTRUSTED}")
    folder, _, base = name.rpartition("/")
    stem, _, suffix = base.partition(".")
    if not stem or not suffix:
        raise ShardError(f"{shard} holds {name!r}; members are named KEY.SUFFIX")
    key = f"{folder}/{stem}" if folder else stem
    return TarMember(name, key, suffix, entry.offset_data, entry.size)


def _check_end(file: IO[bytes], end: int, size: int, shard: str) -> None:
    """Raise ShardError unless zeros alone follow the last readable member, two blocks or more."""
    file.seek(end)
    if size - end < len(_END_MARK):
        raise _missing_end_mark(shard, size)
    while chunk := file.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise ShardError(f"{shard} cannot be read after byte {end:,} of {size:,}: {_DAMAGED}")


class _Header(tarfile.TarInfo):
    """A tar header that refuses an oversized extension before tarfile reads it into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        """Raise ShardError for an oversized extension header."""
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > _MAX_HEADER_BYTES:
            raise ShardError(f"a tar header claims {header.size:,} bytes: {_UNTRUSTED}")
        return header


class _Tail:
    """A stream that remembers its length and the last bytes read from it."""

    def __init__(self, stream: Any, shard: str) -> None:
        self._stream, self._shard = stream, shard
        self._last = b""
        self.size = 0

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            raise ShardError(f"{self._shard} cannot be read to its end: {error}") from None
        self.size += len(data)
        self._last = (self._last + data)[-len(_END_MARK) :]
        return data

    @property
    def ended(self) -> bool:
        """Whether the stream ended in the end mark of a tar, two blocks of zeros.

        No member ends that way, as its last block is padded by less than a block.
        """
        return self._last == _END_MARK and self.size % tarfile.BLOCKSIZE == 0
