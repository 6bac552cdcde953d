"""Writing samples into tars of a given size. The same samples always give the same bytes."""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stccl_data.dataset.layout import CLIP_ARRAYS, shard_name
from stccl_data.dataset.members import ByteRange
from stccl_data.dataset.sample import SampleContent
from stccl_data.files.atomic import atomic_writer


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A finished shard."""

    #: relative to OUT
    path: str
    split: str
    #: number of samples
    utterances: int
    bytes: int
    #: hexadecimal
    sha256: str
    #: the line of index.jsonl of each sample
    index: tuple[dict[str, Any], ...]

    def row(self) -> dict[str, Any]:
        """Return the shard's record in shards.json."""
        return {
            "path": self.path,
            "split": self.split,
            "utterances": self.utterances,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }


class ShardWriter:
    """Writes the samples of one split, in the order given, into shards of about `shard_bytes`."""

    def __init__(
        self, out: Path, split: str, shard_bytes: int, existing: Sequence[ShardFile] = ()
    ) -> None:
        """Create the writer.

        Args:
            out: the folder that shards.json is in, or will be.
            split: the split.
            shard_bytes: a shard ends before its samples exceed this.
            existing: the first shards of the split, if they are written already.
        """
        self._out, self._split, self._shard_bytes = out, split, shard_bytes
        self._finished = list(existing)
        self._open: _OpenShard | None = None

    def add(self, key: str, content: SampleContent) -> None:
        """Write one sample under a key."""
        size = sum(len(piece) for pieces in content.members.values() for piece in pieces)
        if self._open is not None and self._open.size + size > self._shard_bytes:
            self._finish()
        if self._open is None:
            self._open = _OpenShard(self._out, self._split, len(self._finished))
        self._open.add(key, content)

    @property
    def finished(self) -> Sequence[ShardFile]:
        """The shards that are complete."""
        return self._finished

    def close(self) -> list[ShardFile]:
        """Finish the last shard. Returns all shards of the split."""
        self._finish()
        return self._finished

    def abandon(self) -> None:
        """Discard the unfinished shard; finished ones stay."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _finish(self) -> None:
        if self._open is not None:
            self._finished.append(self._open.close())
            self._open = None


class _OpenShard:
    """A tar that is written under a temporary name and hashed on the way."""

    def __init__(self, out: Path, split: str, number: int) -> None:
        self._name, self._split = shard_name(split, number), split
        self._stack = ExitStack()
        self._file = _HashingFile(self._stack.enter_context(atomic_writer(out / self._name)))
        self._tar = tarfile.open(fileobj=self._file, mode="w|", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self._index: list[dict[str, Any]] = []
        self.size = 0

    def add(self, key: str, content: SampleContent) -> None:
        """Write the members of a sample, sorted by suffix."""
        places: dict[str, ByteRange] = {}
        for suffix in sorted(content.members):
            data = b"".join(content.members[suffix])
            header = tarfile.TarInfo(f"{key}.{suffix}")
            header.size, header.mode = len(data), 0o644
            self._tar.addfile(header, io.BytesIO(data))
            padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            places[suffix] = ByteRange(self._tar.offset - padded, len(data))
            self.size += len(data)
        self._index.append(
            {
                "key": key,
                "split": self._split,
                "shard": self._name,
                "members": {suffix: list(place) for suffix, place in places.items()},
                **_parts_of_members(content, places),
            }
        )

    def close(self) -> ShardFile:
        """Finish the tar and give it its name."""
        self._tar.close()
        self._stack.close()
        return ShardFile(
            path=self._name,
            split=self._split,
            utterances=len(self._index),
            bytes=self._file.size,
            sha256=self._file.digest.hexdigest(),
            index=tuple(self._index),
        )

    def abandon(self) -> None:
        """Delete the temporary file."""
        self._file.release()
        self._stack.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def _parts_of_members(
    content: SampleContent, places: Mapping[str, ByteRange]
) -> dict[str, dict[str, Any]]:
    """Return the places of clips and arrays in the tar, from those in their members."""

    def place(suffix: str, part: ByteRange) -> list[int]:
        return [places[suffix].offset + part.offset, part.size]

    clips = {
        clip: {suffix: place(suffix, part) for suffix, part in parts.items()}
        for clip, parts in content.parts.clips.items()
    }
    arrays = {name: place(CLIP_ARRAYS, part) for name, part in content.parts.arrays.items()}
    return {name: parts for name, parts in (("clips", clips), ("arrays", arrays)) if parts}


class _HashingFile:
    """A write-only file with its size and SHA-256."""

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO | None = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return len(data) if self._file is None else self._file.write(data)

    def release(self) -> None:
        """Stop writing: what tarfile still buffers when it is collected is discarded."""
        self._file = None
