"""One shard checked: its checksum, its end, the names in it, and each sample's members against what its KEY.json promises."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.clip import EMOTIONS, slug
from stccl_data.dataset.layout import PAIR_ARRAYS, SHARDS, pair_name
from stccl_data.dataset.members import ShardError, TarMembers, member_arrays
from stccl_data.dataset.reader import Places, ShardInfo
from stccl_data.dataset.tar import TarMember, read_headers
from stccl_data.dataset.utterance import Utterance, UtteranceClip, decode_flac, parse_utterance
from stccl_data.dataset.verify.rules import CROPS, Arrays, clip_faults, pair_faults
from stccl_data.media.jpeg import decode_jpeg

COPY = "copy it again, or delete it and run `stccl prepare` again"
AGAIN = "run `stccl prepare` again"

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `file`: relative to the dataset. `what`: what is wrong with it. `advice`: what to do."""

    file: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}; {self.advice}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample as it was found. `utterance`: None where its KEY.json cannot be read. `base`: its key without the part."""

    key: str
    shard: str
    split: str
    utterance: Utterance | None

    @property
    def base(self) -> str:
        return re.sub(r"\+p\d+$", "", self.key)


@dataclass(slots=True)
class ShardFindings:
    """`walked`: the tar could be read to its end."""

    problems: list[Problem] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    walked: bool = False


def check_shard(
    out: Path,
    shard: ShardInfo,
    places: Mapping[str, Places],
    decode: bool,
    tick: Callable[[int], None],
) -> ShardFindings:
    """All that is wrong with one shard by itself.

    places: what the index says of it, by key. decode: decode pictures and sound. tick: told how many of twice its bytes are done.
    """
    found = ShardFindings()
    path = out / shard.path
    try:
        size, digest = _checksum(path, tick)
    except OSError as error:
        found.problems.append(Problem(shard.path, f"cannot be read ({error.strerror})", COPY))
        return found
    if size != shard.bytes:
        found.problems.append(
            Problem(shard.path, f"has {size:,} bytes, and {SHARDS} says {shard.bytes:,}", COPY)
        )
    elif digest != shard.sha256:
        what = (
            f"is not what was written: its SHA-256 begins {digest[:12]} and not {shard.sha256[:12]}"
        )
        found.problems.append(Problem(shard.path, what, COPY))
    if not shard.path.startswith(f"shards/{shard.split}/"):
        found.problems.append(Problem(SHARDS, f"{shard.path} is said to be {shard.split}", AGAIN))
    try:
        for key, members in groupby(read_headers(path, shard.path), key=lambda member: member.key):
            listed = list(members)
            sample, problems = _check_sample(
                path, shard, size, key, listed, places.get(key), decode
            )
            found.samples.append(sample)
            found.problems += [Problem(shard.path, what, AGAIN) for what in problems]
            tick(size + listed[-1].offset)
        found.walked = True
    except ShardError as error:
        found.problems.append(from_error(shard.path, error))
    if found.walked and len(found.samples) != shard.utterances:
        what = f"holds {len(found.samples)} utterances, and {SHARDS} says {shard.utterances}"
        found.problems.append(Problem(shard.path, what, AGAIN))
    return found


def from_error(file: str, error: ShardError) -> Problem:
    """A reader's error as a problem of `file`."""
    text = str(error).removeprefix(file).lstrip(" :")
    what, _, advice = text.partition("; ")
    return Problem(file, what, COPY if not advice or "stccl verify" in advice else advice)


def _checksum(path: Path, tick: Callable[[int], None]) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            tick(size)
    return size, digest.hexdigest()


def _check_sample(
    path: Path,
    shard: ShardInfo,
    size: int,
    key: str,
    listed: list[TarMember],
    indexed: Places | None,
    decode: bool,
) -> tuple[Sample, list[str]]:
    """The sample and all that is wrong with it, a sentence each."""
    places = {member.suffix: (member.offset, member.size) for member in listed}
    problems = [f"{key}: {fault}" for fault in _name_faults(key, listed)]
    if indexed is None:
        problems.append(f"{key} has no line in the index")
    elif dict(indexed) != places:
        odd = sorted(
            suffix for suffix in {*indexed, *places} if indexed.get(suffix) != places.get(suffix)
        )
        problems.append(
            f"{key}.{odd[0]} lies at {places.get(odd[0])}, and the index says {indexed.get(odd[0])}"
        )
    members = TarMembers(path, shard.path, size, places)
    try:
        utterance = parse_utterance(key, members)
    except ShardError as error:
        problems.append(from_error(shard.path, error).what)
        return Sample(key, shard.path, shard.split, None), problems
    sample = Sample(key, shard.path, shard.split, utterance)
    labels = (utterance.corpus, utterance.speaker, utterance.view, utterance.sentence)
    if "/".join(slug(label) for label in labels) != sample.base:
        problems.append(f"{key}: its labels say {', '.join(labels)}")
    lengths: dict[str, int] = {}
    for clip in utterance.clips.values():
        faults, lengths[clip.name] = _clip_faults(clip, members, decode)
        problems += [f"{key}.{clip.name}: {fault}" for fault in faults]
    known = {"json", "pairs.npz"} | {
        f"{clip}.{part}" for clip in utterance.clips for part in ("npz", "flac", *_MJPG)
    }
    problems += [
        f"{key}.{suffix} belongs to no clip of {key}.json"
        for suffix in sorted(places.keys() - known)
    ]
    problems += [
        f"{key}.pairs.npz: {fault}" for fault in _pairs_faults(utterance, members, lengths)
    ]
    return sample, problems


_MJPG = tuple(f"{crop}.mjpg" for crop in CROPS)


def _name_faults(key: str, listed: list[TarMember]) -> Iterator[str]:
    if not key.isascii() or "." in key or not key.isprintable() or " " in key:
        yield "a key is ASCII without dots and spaces; webdataset takes a dot for the end of it"
    if key.startswith("__"):
        yield "webdataset passes over keys that begin with __"
    suffixes = [member.suffix for member in listed]
    for suffix in sorted({suffix for suffix in suffixes if suffixes.count(suffix) > 1}):
        yield f"the member {suffix} occurs twice"
    for suffix in suffixes:
        if suffix != suffix.lower():
            yield f"webdataset makes the member {suffix} lower case"


def _clip_faults(clip: UtteranceClip, members: TarMembers, decode: bool) -> tuple[list[str], int]:
    """What is wrong with one clip, and its length in frames."""
    faults = [] if clip.emotion in EMOTIONS else [f"its emotion is {clip.emotion}"]
    sizes = {crop: members.places[f"{clip.name}.{crop}.mjpg"][1] for crop in clip.crops}
    try:
        arrays = member_arrays(members.read(f"{clip.name}.npz"), "npz")
        faults += [f"npz: {fault}" for fault in clip_faults(arrays, clip.n_frames, sizes)]
        if len(sizes) == 1:
            faults.append(f"it has {next(iter(sizes))} crops alone")
        if not faults:
            for crop in sizes:
                faults += _picture_faults(
                    members.read(f"{clip.name}.{crop}.mjpg"), arrays, crop, decode
                )
        if clip.has_audio:
            flac = members.read(f"{clip.name}.flac")
            if not flac.startswith(b"fLaC"):
                faults.append("flac does not begin as FLAC does")
            elif decode:
                decode_flac(flac, "flac")
    except ShardError as error:
        faults.append(from_error(members.where, error).what)
        return faults, 0
    return faults, len(arrays.get("times", ()))


def _picture_faults(data: bytes, arrays: Arrays, crop: str, decode: bool) -> Iterator[str]:
    """Each picture begins and ends as a JPEG file does; with `decode`, each can be decoded, and all have one size."""
    offsets = arrays[f"{crop}_offsets"].tolist()
    bounds = list(pairwise(offsets))
    odd = [
        i
        for i, (a, b) in enumerate(bounds)
        if data[a : a + 2] != b"\xff\xd8" or data[b - 2 : b] != b"\xff\xd9"
    ]
    if odd:
        yield f"{crop}.mjpg: {len(odd)} of {len(bounds)} frames are no JPEG pictures, the first is frame {odd[0]}"
        return
    shapes: set[Any] = set()
    for i, (a, b) in enumerate(bounds if decode else ()):
        try:
            shapes.add(decode_jpeg(data[a:b]).shape)
        except ValueError:
            yield f"{crop}.mjpg: frame {i} cannot be decoded"
            return
    if len(shapes) > 1:
        yield f"{crop}.mjpg: its frames have different sizes: {', '.join(map(str, sorted(shapes)))}"


def _pairs_faults(
    utterance: Utterance, members: TarMembers, lengths: Mapping[str, int]
) -> list[str]:
    try:
        arrays = member_arrays(members.read("pairs.npz"), "pairs.npz")
    except ShardError as error:
        return [from_error(members.where, error).what]
    faults: list[str] = []
    names: set[str] = set()
    for pair in utterance.pairs(accepted=None):
        name = pair_name(pair.source.name, pair.target.name)
        if name in names:
            faults.append(f"{name} is listed twice")
        names.add(name)
        own: dict[str, np.ndarray[Any, Any]] = {
            part: arrays[f"{name}.{part}"] for part in PAIR_ARRAYS if f"{name}.{part}" in arrays
        }
        faults += [
            f"{name}: {fault}"
            for fault in pair_faults(own, lengths[pair.source.name], lengths[pair.target.name])
        ]
        if pair.source.emotion == pair.target.emotion:
            faults.append(f"{name} joins two clips of one emotion")
        if pair.accepted != (pair.reason is None):
            faults.append(
                f"{name} is {'accepted' if pair.accepted else 'refused'}, and its reason is {pair.reason}"
            )
    stray = sorted(name for name in arrays if name.rpartition(".")[0] not in names)
    return faults + [f"{name} belongs to no pair of KEY.json" for name in stray]
