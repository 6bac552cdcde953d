"""Reading a tar to its very end: every name checked, and an end that is not one reported, where readers are commonly silent."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stccl_data.dataset.members import MAX_MEMBER_BYTES, ShardError

_MOST_HEADER_BYTES = 2**20
_END = b"\0" * (2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True, slots=True)
class TarMember:
    """`offset`, `size`: of the data within the tar. `key` and `suffix` as webdataset splits the name."""

    name: str
    key: str
    suffix: str
    offset: int
    size: int


def read_stream(stream: Any, where: str) -> Iterator[tuple[TarMember, bytes]]:
    """Every member of a tar that comes as a stream (anything with `read`), with its content.

    Raises ShardError, naming `where`, for names and kinds of members that no dataset has, and at the end where the stream
    stops before the tar's end mark.
    """
    tail = _Tail(stream, where)
    try:
        with tarfile.open(fileobj=tail, mode="r|", tarinfo=_Header) as tar:  # type: ignore[call-overload]
            for entry in tar:
                member = checked_member(entry, where)
                if member is not None:
                    file = tar.extractfile(entry)
                    data = b"" if file is None else file.read()
                    if len(data) != member.size:
                        raise tarfile.ReadError("unexpected end of data")
                    yield member, data
                tar.members = []  # a tar keeps a record of each member for as long as it is open
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as error:
        raise ShardError(
            f"{where} is no tar that can be read to its end ({error}): {ADVICE}"
        ) from None
    while tail.read(2**20):
        pass
    if not tail.ended:
        raise ShardError(
            f"{where} stops without the end mark of a tar after {tail.size:,} bytes: {ADVICE}"
        )


def read_headers(path: Path, where: str) -> Iterator[TarMember]:
    """Every member of a tar on disk in order, contents passed over. Raises ShardError as `read_stream`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            end = 0
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as tar:
                for entry in tar:
                    end = (
                        entry.offset_data + -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    )
                    member = checked_member(entry, where)
                    if end > size:
                        raise ShardError(f"{where} ends within {entry.name}: {ADVICE}")
                    if member is not None:
                        yield member
            _check_end(file, end, size, where)
    except FileNotFoundError:
        raise ShardError(f"{where} is missing: {ADVICE}") from None
    except OSError as error:
        raise ShardError(f"{where} cannot be read: {error.strerror}") from None
    except (tarfile.TarError, EOFError, UnicodeError, ValueError) as error:
        raise ShardError(
            f"{where} is no tar that can be read to its end ({error}): {ADVICE}"
        ) from None


ADVICE = "it was cut short or damaged; copy it again, or delete it and run `stccl prepare` again"


def checked_member(entry: tarfile.TarInfo, where: str) -> TarMember | None:
    """The member behind a tar header; None for a folder. Raises ShardError for what no dataset has."""
    name = entry.name
    if entry.isdir():
        return None
    if not entry.isreg() or entry.issparse():
        raise ShardError(
            f"{where} holds {name!r}, a link or a device, which stccl never writes: do not trust this tar"
        )
    if (
        name.startswith("/")
        or "\\" in name
        or any(part in ("", ".", "..") for part in name.split("/"))
    ):
        raise ShardError(
            f"{where} holds a member named {name!r}, which leads out of the dataset: do not trust this tar"
        )
    if entry.size > MAX_MEMBER_BYTES:
        raise ShardError(
            f"{where}: {name} claims {entry.size:,} bytes, more than stccl ever writes: do not trust this tar"
        )
    folder, _, base = name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    if not stem or not dot or not suffix:
        raise ShardError(f"{where} holds a member named {name!r}; a name is KEY.SUFFIX")
    return TarMember(
        name, f"{folder}/{stem}" if folder else stem, suffix, entry.offset_data, entry.size
    )


def _check_end(file: IO[bytes], end: int, size: int, where: str) -> None:
    """Behind the last member that could be read there is nothing but zeros, two blocks of them at least."""
    file.seek(end)
    if size - end < len(_END):
        raise ShardError(
            f"{where} stops without the end mark of a tar after {size:,} bytes: {ADVICE}"
        )
    while chunk := file.read(2**20):
        if chunk.strip(b"\0"):
            raise ShardError(f"{where} cannot be read beyond byte {end:,} of {size:,}: {ADVICE}")


class _Header(tarfile.TarInfo):
    """A header whose extension, a long name or pax records, is no longer than any that has a use: tarfile reads it as a whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        """Raises ShardError."""
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > _MOST_HEADER_BYTES:
            raise ShardError(
                f"a header claims {header.size:,} bytes, more than any name or record has: do not trust this tar"
            )
        return header


class _Tail:
    """A stream that is only read, with its length and the last bytes that went through."""

    def __init__(self, stream: Any, where: str) -> None:
        self._stream, self._where = stream, where
        self._last = b""
        self.size = 0

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except OSError as error:
            raise ShardError(f"{self._where} cannot be read to its end: {error}") from None
        self.size += len(data)
        self._last = (self._last + data)[-len(_END) :]
        return data

    @property
    def ended(self) -> bool:
        """A tar ends in two blocks of zeros; no member does, for its last block is filled up by less than one."""
        return self._last == _END and self.size % tarfile.BLOCKSIZE == 0
