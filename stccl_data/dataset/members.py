"""Access to the members of one sample, in a tar on disk or already loaded from a stream."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.files.npz import npz_arrays

#: Limits that are checked before memory is allocated. An hour of crops takes about 1.4 GB.
MAX_MEMBER_BYTES = 2 * 2**30
MAX_JSON_BYTES = 64 * 2**20


class ShardError(StcclError):
    """A prepared dataset, or a file of it, cannot be read. The message names the file."""


class ByteRange(NamedTuple):
    """Where the data of a member lie in its tar, in bytes."""

    offset: int
    size: int


#: suffix of a member (`json`, `clips.npz`) -> where its data lie
MemberRanges = Mapping[str, ByteRange]


class Members(Protocol):
    """The members of one sample by suffix: `json`, `clips.npz`, ..."""

    @property
    def shard(self) -> str:
        """Path or URL of the shard, for messages."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Size of each member in bytes."""

    @property
    def array_places(self) -> Mapping[str, ByteRange] | None:
        """Where the values of each array of clips.npz lie in it; None if the index has no word."""

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes [start, stop) of a member, up to its end by default.

        Raises:
            ShardError: the member or the bytes do not exist, or cannot be read.
        """


@dataclass(frozen=True, slots=True)
class TarMembers:
    """The members of a sample in a tar on disk, read range by range.

    The file is opened and closed for each read, so threads and forked processes share nothing.
    """

    path: Path
    #: Name of the shard in messages.
    shard: str
    #: Size that the whole tar must have.
    tar_bytes: int
    ranges: MemberRanges
    #: see `Members.array_places`
    array_places: Mapping[str, ByteRange] | None = None

    @property
    def sizes(self) -> Mapping[str, int]:
        """See `Members.sizes`."""
        return {suffix: size for suffix, (_, size) in self.ranges.items()}

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Members.read`."""
        offset, size = self._range(suffix)
        stop = _checked_stop(self.shard, suffix, size, start, stop)
        try:
            with self.path.open("rb") as file:
                check_size(os.fstat(file.fileno()).st_size, self.tar_bytes, self.shard)
                file.seek(offset + start)
                data = file.read(stop - start)
        except FileNotFoundError:
            raise ShardError(
                f"{self.shard} is missing; copy the dataset again, or rerun `stccl prepare`"
            ) from None
        except OSError as error:
            raise ShardError(f"{self.shard} cannot be read: {error.strerror}") from None
        if len(data) != stop - start:
            raise ShardError(
                f"{self.shard} ends within {suffix}, so the index belongs to another file; "
                "run `stccl verify`"
            )
        return data

    def _range(self, suffix: str) -> ByteRange:
        if suffix not in self.ranges:
            raise _missing_member(self.shard, suffix)
        offset, size = self.ranges[suffix]
        if offset < 0 or not 0 <= size <= min(MAX_MEMBER_BYTES, self.tar_bytes - offset):
            raise ShardError(
                f"{self.shard}: the index gives an impossible place for {suffix}; "
                "run `stccl verify`"
            )
        return ByteRange(offset, size)


@dataclass(frozen=True, slots=True)
class LoadedMembers:
    """The members of a sample that a stream has loaded into memory."""

    shard: str
    data: Mapping[str, bytes]

    @property
    def array_places(self) -> None:
        """See `Members.array_places`: a stream has no index."""
        return None

    @property
    def sizes(self) -> Mapping[str, int]:
        """See `Members.sizes`."""
        return {suffix: len(data) for suffix, data in self.data.items()}

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Members.read`."""
        if suffix not in self.data:
            raise _missing_member(self.shard, suffix)
        data = self.data[suffix]
        return data[start : _checked_stop(self.shard, suffix, len(data), start, stop)]


def _missing_member(shard: str, suffix: str) -> ShardError:
    return ShardError(f"{shard}: the sample has no member {suffix}")


def _checked_stop(shard: str, suffix: str, size: int, start: int, stop: int | None) -> int:
    """Return the end of the range to read. Raise ShardError if the range exceeds the member."""
    stop = size if stop is None else stop
    if not 0 <= start <= stop <= size:
        raise ShardError(
            f"{shard}: bytes {start:,} to {stop:,} of {suffix} were requested, "
            f"which has {size:,} bytes"
        )
    return stop


def check_size(size: int, expected: int, shard: str) -> None:
    """Raise ShardError if a shard does not have the size that shards.json gives.

    Many readers ignore a missing end silently.
    """
    if size != expected:
        cause = "was truncated" if size < expected else "is not the file that was written"
        raise ShardError(
            f"{shard} has {size:,} bytes instead of {expected:,}: it {cause}; "
            "copy it again, or run `stccl verify`"
        )


def member_arrays(
    data: bytes, member: str, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz member.

    The arrays are stored uncompressed, so none takes more memory than the bytes that were read.

    Args:
        data: the npz file.
        member: name of the member in the error message.
        names: arrays to return, if they exist; all by default.

    Raises:
        ShardError: the data are anything but plain arrays.
    """
    try:
        return npz_arrays(data, names)
    except ValueError as error:
        raise ShardError(f"{member} is {error}; run `stccl verify`") from None
