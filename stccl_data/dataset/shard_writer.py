"""Writing shards: utterances into tars of a given size, the same input always into the same bytes."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.dataset.layout import PAIR_ARRAYS, SCHEMA, pair_name, shard_name
from stccl_data.face.track import Track
from stccl_data.files.atomic import atomic_writer
from stccl_data.files.npz import npz_bytes

#: An utterance larger than this is split into parts; a clip that pairs across parts is repeated in each.
MAX_CLIPS = 64
MAX_BYTES = 256 * 2**20

_CLIP_LABELS = (
    "clip_id",
    "emotion",
    "level",
    "take",
    "n_frames",
    "width",
    "height",
    "duration_s",
    "audio_rate",
)


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A finished shard. `path` is relative to OUT; `index` holds for each of its samples the line of `index.jsonl`."""

    path: str
    split: str
    utterances: int
    bytes: int
    sha256: str
    index: tuple[dict[str, Any], ...]


class ShardWriter:
    """Writes the samples of one split, in the order given, into shards of about `shard_bytes`."""

    def __init__(self, out: Path, split: str, shard_bytes: int) -> None:
        self._out, self._split, self._shard_bytes = out, split, shard_bytes
        self._done: list[ShardFile] = []
        self._open: _OpenShard | None = None

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """One sample: suffix (`json`, `angry-3-t001.face.mjpg`) -> content."""
        size = sum(len(data) for data in members.values())
        if self._open is not None and self._open.size + size > self._shard_bytes:
            self._finish()
        if self._open is None:
            self._open = _OpenShard(self._out, self._split, len(self._done))
        self._open.add(key, members)

    def close(self) -> list[ShardFile]:
        """Finish the last shard. Returns all shards of the split."""
        self._finish()
        return self._done

    def abandon(self) -> None:
        """Leave no half-written shard behind."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _finish(self) -> None:
        if self._open is not None:
            self._done.append(self._open.close())
            self._open = None


class _OpenShard:
    """A tar being written under a temporary name, hashed as it grows."""

    def __init__(self, out: Path, split: str, number: int) -> None:
        self._name, self._split = shard_name(split, number), split
        self._stack = ExitStack()
        self._file = _Hashed(self._stack.enter_context(atomic_writer(out / self._name)))
        self._tar = tarfile.open(fileobj=self._file, mode="w|", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self._index: list[dict[str, Any]] = []
        self.size = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        places: dict[str, list[int]] = {}
        for suffix in sorted(members):
            data = members[suffix]
            header = tarfile.TarInfo(f"{key}.{suffix}")
            header.size, header.mode = len(data), 0o644
            self._tar.addfile(header, io.BytesIO(data))
            padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            places[suffix] = [self._tar.offset - padded, len(data)]
        self._index.append(
            {"key": key, "split": self._split, "shard": self._name, "members": places}
        )
        self.size += sum(len(data) for data in members.values())

    def close(self) -> ShardFile:
        self._tar.close()
        self._stack.close()
        digest = self._file.digest.hexdigest()
        return ShardFile(
            self._name, self._split, len(self._index), self._file.size, digest, tuple(self._index)
        )

    def abandon(self) -> None:
        self._file.release()
        self._stack.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


class _Hashed:
    """A file that is only written to, with its size and SHA-256."""

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO | None = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return len(data) if self._file is None else self._file.write(data)

    def release(self) -> None:
        """Write no more: what tarfile still holds when it is collected goes nowhere."""
        self._file = None


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One pair of an utterance as it goes into a shard. `source`, `target`: names of its clips. `scores`: the columns of
    pairs.parquet that the reader shows."""

    source: str
    target: str
    scores: Mapping[str, float | int | str | None]
    accepted: bool
    reason: str | None
    alignment: Alignment


def clip_members(
    track: Track | None, times: NDArray[np.float64], flac: bytes | None = None
) -> dict[str, bytes]:
    """The members of one clip, by suffix after the clip's name. track: None where the face was not followed; times: (N,) then says
    when its frames are shown."""
    members = {"npz": npz_bytes(track.tables() if track is not None else {"times": times})}
    if track is not None and track.face is not None and track.mouth is not None:
        members |= {"face.mjpg": track.face.data, "mouth.mjpg": track.mouth.data}
    if flac is not None:
        members["flac"] = flac
    return members


def sample_members(
    key: str,
    clips: Mapping[str, tuple[Clip, Mapping[str, float], Mapping[str, bytes]]],
    pairs: Sequence[PairRecord],
    part: int = 1,
    parts: int = 1,
) -> dict[str, bytes]:
    """All members of one sample, by suffix.

    clips: name -> (clip, scores, members as `clip_members` gives them). pairs: of these clips alone.
    """
    one = next(iter(clips.values()))[0]
    labels = {
        "schema": SCHEMA,
        "key": key,
        "corpus": one.corpus,
        "speaker": one.speaker,
        "view": one.view,
        "sentence": one.sentence,
        "text": next((clip.text for clip, _, _ in clips.values() if clip.text), None),
        "part": part,
        "parts": parts,
        "clips": {
            name: {
                **{label: getattr(clip, label) for label in _CLIP_LABELS},
                "fps": None if clip.fps is None else str(clip.fps),
                "scores": {score: _number(value) for score, value in sorted(scores.items())},
            }
            for name, (clip, scores, _) in sorted(clips.items())
        },
        "pairs": [
            {
                "source": pair.source,
                "target": pair.target,
                **{score: _number(value) for score, value in pair.scores.items()},
                "accepted": pair.accepted,
                "reason": pair.reason,
            }
            for pair in pairs
        ],
    }
    members = {"json": json.dumps(labels, ensure_ascii=False, allow_nan=False, indent=1).encode()}
    members["pairs.npz"] = npz_bytes(
        {
            f"{pair_name(pair.source, pair.target)}.{name}": getattr(pair.alignment, name)
            for pair in pairs
            for name in PAIR_ARRAYS
        }
    )
    for name, (_, _, parts_of_clip) in clips.items():
        members |= {f"{name}.{suffix}": data for suffix, data in parts_of_clip.items()}
    return members


def _number(value: Any) -> Any:
    """`value` for JSON: rounded to what is worth keeping, null for what is not a number."""
    if isinstance(value, float):
        return round(value, 6) if value == value and abs(value) != float("inf") else None
    return value


def parts_of(
    names: Sequence[str], pairs: Sequence[PairRecord], sizes: Mapping[str, int]
) -> list[tuple[list[str], list[PairRecord]]]:
    """One utterance in parts of at most MAX_CLIPS clips and MAX_BYTES: the clips and the pairs of each.

    Every pair stands in one part, with both its clips; a clip may stand in several. sizes: name -> bytes. A pair that is too
    large by itself makes a part of its own all the same.
    """
    parts: list[tuple[list[str], list[PairRecord]]] = [([], [])]
    paired = {name for pair in pairs for name in (pair.source, pair.target)}
    steps: list[tuple[tuple[str, ...], PairRecord | None]] = [
        ((name,), None) for name in names if name not in paired
    ]
    group = _groups(sorted({pair.source for pair in pairs}), sizes)
    in_order = sorted(pairs, key=lambda pair: (group[pair.source], pair.target, pair.source))
    steps += [((pair.source, pair.target), pair) for pair in in_order]
    for wanted, pair in steps:
        members, own = parts[-1]
        union = {*members, *wanted}
        if members and (len(union) > MAX_CLIPS or sum(sizes[name] for name in union) > MAX_BYTES):
            members, own = [], []
            parts.append((members, own))
        members += [name for name in wanted if name not in members]
        own += [pair] if pair is not None else []
    return [
        (sorted(members), sorted(own, key=lambda pair: (pair.source, pair.target)))
        for members, own in parts
    ]


def _groups(sources: Sequence[str], sizes: Mapping[str, int]) -> dict[str, int]:
    """The number of each source's group. A group fills half a part, so that targets share the other half and few clips repeat."""
    group: dict[str, int] = {}
    number = count = size = 0
    for name in sources:
        if count and (count == MAX_CLIPS // 2 or size + sizes[name] > MAX_BYTES // 2):
            number, count, size = number + 1, 0, 0
        group[name] = number
        count, size = count + 1, size + sizes[name]
    return group
