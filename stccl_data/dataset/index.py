"""The shards of a dataset (shards.json) and where each sample lies in them (index.jsonl)."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stccl_data.dataset.layout import CLIP_ARRAYS, INDEX, SCHEMA, SHARDS, STAGED
from stccl_data.dataset.members import ByteRange, MemberRanges, ShardError

#: Raised by invalid JSON, and by valid JSON of an unexpected shape.
_JSON_ERRORS = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)

_ADVICE = "run `stccl verify`"


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard as shards.json lists it."""

    #: relative to the dataset's folder
    path: str
    split: str
    #: number of samples
    utterances: int
    bytes: int
    #: hexadecimal
    sha256: str


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One sample as index.jsonl lists it."""

    key: str
    split: str
    #: path of its shard, relative to the dataset's folder
    shard: str
    ranges: MemberRanges
    #: schema 2: where the values of each array of clips.npz lie in the tar
    arrays: MemberRanges
    #: schema 2: name of a clip -> suffix of a member -> where the bytes of the clip lie in the tar
    clips: Mapping[str, MemberRanges]

    @property
    def array_places(self) -> MemberRanges | None:
        """The places of `arrays` counted from the first byte of clips.npz, if they are given."""
        if CLIP_ARRAYS not in self.ranges or not self.arrays:
            return None
        start = self.ranges[CLIP_ARRAYS].offset
        return {
            name: ByteRange(offset - start, size) for name, (offset, size) in self.arrays.items()
        }


class Index:
    """index.jsonl in memory: the line of each sample, parsed when the sample is opened."""

    def __init__(self, out: Path, shards: Sequence[ShardInfo]) -> None:
        """Read the index.

        Raises:
            ShardError: the index cannot be read, or contradicts shards.json.
        """
        self._path = index_path(out)
        self._lines: dict[str, bytes] = {}
        self._shards: dict[str, ShardInfo] = {}
        listed = {shard.path: shard for shard in shards}
        for number, line in enumerate(read_index_lines(out), start=1):
            place = f"{self._path}, line {number}"
            key, split, path = _parse_head(line, place)
            shard = listed.get(path)
            if shard is None or shard.split != split:
                raise ShardError(
                    f"{place}: {SHARDS} lists no shard {path} of the split {split}; {_ADVICE}"
                )
            if key in self._lines:
                raise ShardError(f"{place}: the key {key} occurs twice; {_ADVICE}")
            self._lines[key], self._shards[key] = line, shard
        counts = Counter(self._shards.values())
        for shard in shards:
            if counts[shard] != shard.utterances:
                raise ShardError(
                    f"{self._path} lists {counts[shard]} utterances of {shard.path}, but {SHARDS} "
                    f"says {shard.utterances}; {_ADVICE}"
                )

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def keys(self, split: str | None = None) -> list[str]:
        """Return the keys of a split in the order stored; of every split if None."""
        return [key for key, shard in self._shards.items() if split in (None, shard.split)]

    def shard_of(self, key: str) -> ShardInfo:
        """Return the shard that holds a sample. Raises KeyError for an unknown key."""
        return self._shards[key]

    def entry(self, key: str) -> IndexEntry:
        """Return the line of a sample. Raises KeyError, ShardError."""
        return parse_index_entry(self._lines[key], f"{self._path}: {key}")


def read_shard_list(out: Path) -> tuple[ShardInfo, ...]:
    """Read shards.json.

    Raises:
        ShardError: the file is missing or invalid, or has a newer schema.
    """
    path = out / SHARDS
    if not out.is_dir():
        raise ShardError(f"{out} is not a folder")
    try:
        record = json.loads(path.read_bytes())
        if record["schema"] > SCHEMA:
            raise ShardError(
                f"{path} has schema {record['schema']}, but this version of stccl reads up to "
                f"{SCHEMA}; install a newer stccl"
            )
        root = os.path.realpath(out)
        return tuple(
            ShardInfo(
                path=_checked_path(root, str(shard["path"])),
                split=str(shard["split"]),
                utterances=int(shard["utterances"]),
                bytes=int(shard["bytes"]),
                sha256=shard["sha256"],
            )
            for shard in record["shards"]
        )
    except FileNotFoundError:
        raise ShardError(
            f"{out} holds no finished dataset: {SHARDS} is missing; run `stccl prepare RAW {out}`"
        ) from None
    except (OSError, *_JSON_ERRORS) as error:
        raise ShardError(f"{path} is invalid ({error!r}); rerun `stccl prepare`") from None


def _checked_path(root: str, path: str) -> str:
    """Return a path of shards.json; raise if it leaves the dataset, links resolved.

    Raises:
        ValueError: the path itself leaves the dataset, or is not that of a tar.
        ShardError: a link leads out of the dataset.
    """
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or not path.endswith(".tar"):
        raise ValueError(f"{path!r} is not the path of a tar in the dataset's folder")
    if not Path(os.path.realpath(f"{root}/{path}")).is_relative_to(root):
        raise ShardError(
            f"{root}/{path} is a link that leads out of the dataset, so it is not followed; "
            "copy the file, or link to the whole dataset instead"
        )
    return path


def index_path(out: Path) -> Path:
    """Return the path of the index: index.jsonl, or, while shards are replaced, the staged one."""
    try:
        name = json.loads((out / SHARDS).read_bytes()).get("index")
    except (OSError, *_JSON_ERRORS):
        name = None
    return out / (f"{STAGED}/{INDEX}" if name == f"{STAGED}/{INDEX}" else INDEX)


def read_index_lines(out: Path) -> list[bytes]:
    """Return the lines of index.jsonl that are not blank. Raises ShardError."""
    path = index_path(out)
    try:
        return [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        raise ShardError(
            f"{path} cannot be read ({error.strerror}); rerun `stccl prepare`"
        ) from None


def parse_index_entry(line: bytes, place: str) -> IndexEntry:
    """Parse a line of index.jsonl. Raises ShardError, which names `place`."""
    try:
        record = json.loads(line)
        return IndexEntry(
            key=str(record["key"]),
            split=str(record["split"]),
            shard=str(record["shard"]),
            ranges=_ranges(record["members"]),
            arrays=_ranges(record.get("arrays", {})),
            clips={str(clip): _ranges(places) for clip, places in record.get("clips", {}).items()},
        )
    except _JSON_ERRORS as error:
        raise ShardError(f"{place} is invalid ({error!r}); {_ADVICE}") from None


def _ranges(record: Mapping[str, Sequence[int]]) -> MemberRanges:
    return {str(name): ByteRange(int(offset), int(size)) for name, (offset, size) in record.items()}


def _parse_head(line: bytes, place: str) -> tuple[str, str, str]:
    """Return key, split and shard of an index line.

    The writer puts the long lists of places last, so that they need not be parsed here.
    """
    head, separator, _ = line.partition(b'"members"')
    try:
        try:
            record = json.loads(head.rstrip(b", ") + b"}") if separator else json.loads(line)
        except ValueError:
            record = json.loads(line)
        if "shard" not in record:
            record = json.loads(line)
        return str(record["key"]), str(record["split"]), str(record["shard"])
    except _JSON_ERRORS as error:
        raise ShardError(f"{place} is invalid ({error!r}); {_ADVICE}") from None
