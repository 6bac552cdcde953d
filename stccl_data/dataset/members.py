"""The members of one sample, wherever they lie: in a tar on disk, of which ranges are read, or in memory after a stream."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.files.npz import npz_arrays

#: No member that stccl writes is larger: an hour of crops has about 1.4 GB. Checked before anything is allocated.
MAX_MEMBER_BYTES = 2 * 2**30
MAX_JSON_BYTES = 64 * 2**20


class ShardError(StcclError):
    """A prepared dataset, or a part of it, cannot be read. The message is a sentence that names the file and says what to do."""


class Members(Protocol):
    """`where`: the shard, for messages. `sizes`: suffix (`json`, `angry-3-t001.npz`) -> bytes."""

    @property
    def where(self) -> str: ...

    @property
    def sizes(self) -> Mapping[str, int]: ...

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes [start, stop) of a member, to its end by default. Raises ShardError where they are not there."""
        ...


@dataclass(frozen=True, slots=True)
class TarMembers:
    """Members in a tar on disk. `places`: suffix -> (offset, size) of the data. `tar_bytes`: what the tar must measure as a whole.

    The file is opened for each read and closed after it, so that nothing is shared between threads or forked processes.
    """

    path: Path
    where: str
    tar_bytes: int
    places: Mapping[str, tuple[int, int]]

    @property
    def sizes(self) -> Mapping[str, int]:
        return {suffix: size for suffix, (_, size) in self.places.items()}

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        offset, size = self._place(suffix)
        stop = size if stop is None else stop
        if not 0 <= start <= stop <= size:
            raise ShardError(
                f"{self.where}: {suffix} has {size:,} bytes, and bytes {start:,} to {stop:,} of it were asked for"
            )
        try:
            with self.path.open("rb") as file:
                check_size(os.fstat(file.fileno()).st_size, self.tar_bytes, self.where)
                file.seek(offset + start)
                data = file.read(stop - start)
        except FileNotFoundError:
            raise ShardError(
                f"{self.where} is missing; copy the dataset again, or run `stccl prepare` again"
            ) from None
        except OSError as error:
            raise ShardError(f"{self.where} cannot be read: {error.strerror}") from None
        if len(data) != stop - start:
            raise ShardError(
                f"{self.where} ends within {suffix}; the index does not belong to it: run `stccl verify`"
            )
        return data

    def _place(self, suffix: str) -> tuple[int, int]:
        try:
            offset, size = self.places[suffix]
        except KeyError:
            raise ShardError(
                f"{self.where}: {suffix} is not among the members of this sample"
            ) from None
        if offset < 0 or not 0 <= size <= min(MAX_MEMBER_BYTES, self.tar_bytes - offset):
            raise ShardError(
                f"{self.where}: {suffix} cannot lie where the index says; run `stccl verify`"
            )
        return offset, size


@dataclass(frozen=True, slots=True)
class LoadedMembers:
    """Members that a stream has brought as a whole."""

    where: str
    data: Mapping[str, bytes]

    @property
    def sizes(self) -> Mapping[str, int]:
        return {suffix: len(data) for suffix, data in self.data.items()}

    def read(self, suffix: str, start: int = 0, stop: int | None = None) -> bytes:
        try:
            data = self.data[suffix]
        except KeyError:
            raise ShardError(
                f"{self.where}: {suffix} is not among the members of this sample"
            ) from None
        stop = len(data) if stop is None else stop
        if not 0 <= start <= stop <= len(data):
            raise ShardError(
                f"{self.where}: {suffix} has {len(data):,} bytes, and bytes {start:,} to {stop:,} were asked for"
            )
        return data[start:stop]


def check_size(found: int, expected: int, where: str) -> None:
    """Raises ShardError where a shard is not as long as shards.json says: many readers pass over a missing end in silence."""
    if found != expected:
        what = "was cut short" if found < expected else "is not the file that was written"
        raise ShardError(
            f"{where} has {found:,} bytes and not {expected:,}: it {what}; copy it again, or run `stccl verify`"
        )


def member_arrays(
    data: bytes, what: str, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of an npz member, or those of these names that it has.

    `what` names the member in the ShardError that anything else than plain arrays raises. Arrays lie uncompressed in it, so that
    none grows beyond the bytes that were read.
    """
    try:
        return npz_arrays(data, names)
    except ValueError as error:
        raise ShardError(f"{what} is {error}; run `stccl verify`") from None
