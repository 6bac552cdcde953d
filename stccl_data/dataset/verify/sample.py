"""Verification of one sample: its key, its members, and what its KEY.json says about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stccl_data.clip import is_emotion_label, slug
from stccl_data.dataset.array_rules import CLOCK_ARRAYS, Arrays, clip_faults, pair_faults
from stccl_data.dataset.flac import decode_flac
from stccl_data.dataset.index import IndexEntry, ShardInfo
from stccl_data.dataset.layout import (
    CLIP_ARRAYS,
    FRAME_ARRAYS,
    PAIR_ARRAYS,
    pair_name,
    utterance_of,
)
from stccl_data.dataset.members import ByteRange, MemberRanges, ShardError, TarMembers
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.schemas import StoredSample, open_sample
from stccl_data.dataset.tar import TarMember
from stccl_data.dataset.utterance import Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip
from stccl_data.dataset.verify.problem import problem_of
from stccl_data.media.jpeg import decode_jpeg


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that a shard holds."""

    key: str
    #: path of the shard, relative to the dataset's folder
    shard: str
    split: str
    #: None if KEY.json cannot be read
    utterance: Utterance | None

    @property
    def base(self) -> str:
        """The key of its utterance, without the suffix of a part."""
        return utterance_of(self.key)


def check_sample(
    members: TarMembers,
    shard: ShardInfo,
    headers: Sequence[TarMember],
    indexed: IndexEntry | None,
    decode: bool,
) -> tuple[Sample, list[str]]:
    """Verify one sample.

    Args:
        members: the members of the sample.
        shard: the shard that holds it.
        headers: the tar headers of the members, in order.
        indexed: the sample's line of index.jsonl, if there is one.
        decode: decode frames and sound too.

    Returns:
        The sample, and what is wrong with it, one clause each.
    """
    key = headers[0].key
    faults = [f"{key}: {fault}" for fault in _name_faults(key, headers)]
    if indexed is None:
        faults.append(f"{key} has no line in the index")
    else:
        faults += _range_faults(f"{key}.", members.ranges, indexed.ranges)
    try:
        utterance = parse_utterance(key, members)
    except ShardError as error:
        faults.append(problem_of(shard.path, error).what)
        return Sample(key, shard.path, shard.split, None), faults
    sample = Sample(key, shard.path, shard.split, utterance)
    stored = open_sample(key, members)
    labels = (utterance.corpus, utterance.speaker, utterance.view, utterance.sentence)
    if "/".join(slug(label) for label in labels) != sample.base:
        faults.append(f"{key}: its labels are {', '.join(labels)}")
    layout = _caught(members, stored.faults())
    faults += layout
    if indexed is not None and not layout and indexed.ranges == members.ranges:
        faults += _caught(members, _part_faults(key, stored, indexed))
    lengths: dict[str, int] = {}
    for clip in utterance.clips.values():
        clip_problems, lengths[clip.name] = _clip_faults(clip, stored, members, decode)
        faults += [f"{key}: {clip.name}: {fault}" for fault in clip_problems]
    if not layout:
        of_pairs = _pairs_faults(utterance, stored, lengths)
        faults += [f"{key}.{PAIR_ARRAYS}: {fault}" for fault in of_pairs]
    return sample, faults


def _caught(members: TarMembers, faults: Iterator[str]) -> list[str]:
    """Return the faults, and what keeps the rest of them from being looked for."""
    caught: list[str] = []
    try:
        caught.extend(faults)
    except ShardError as error:
        caught.append(problem_of(members.shard, error).what)
    return caught


def _name_faults(key: str, headers: Sequence[TarMember]) -> Iterator[str]:
    if not key.isascii() or "." in key or not key.isprintable() or " " in key:
        yield "the key is not ASCII without dots and spaces; webdataset ends a key at its first dot"
    if key.startswith("__"):
        yield "webdataset skips keys that begin with __"
    suffixes = [member.suffix for member in headers]
    for suffix in sorted({suffix for suffix in suffixes if suffixes.count(suffix) > 1}):
        yield f"the member {suffix} occurs twice"
    for suffix in suffixes:
        if suffix != suffix.lower():
            yield f"the member {suffix} has capitals, which webdataset changes to lower case"


def _part_faults(key: str, stored: StoredSample, indexed: IndexEntry) -> Iterator[str]:
    """Compare the places of arrays and clips in the index with those in the sample."""
    parts = stored.parts()
    start = indexed.ranges[CLIP_ARRAYS].offset if parts.arrays else 0
    arrays = {name: ByteRange(start + offset, n) for name, (offset, n) in parts.arrays.items()}
    yield from _range_faults(f"{key}: the array ", arrays, indexed.arrays)
    for clip in sorted({*parts.clips, *indexed.clips}):
        actual = {
            suffix: ByteRange(indexed.ranges[suffix].offset + offset, n)
            for suffix, (offset, n) in parts.clips.get(clip, {}).items()
        }
        yield from _range_faults(f"{key}: {clip}.", actual, indexed.clips.get(clip, {}))


def _range_faults(name: str, actual: MemberRanges, indexed: MemberRanges) -> list[str]:
    """Compare where something lies with where the index says; the first difference is named."""
    for part in sorted({*indexed, *actual}):
        if indexed.get(part) != actual.get(part):
            where, listed = _place(actual.get(part)), _place(indexed.get(part))
            return [f"{name}{part} is {where}, but the index says {listed}"]
    return []


def _place(byte_range: ByteRange | None) -> str:
    if byte_range is None:
        return "missing"
    return f"{byte_range.size:,} bytes at {byte_range.offset:,}"


def _clip_faults(
    clip: UtteranceClip, stored: StoredSample, members: TarMembers, decode: bool
) -> tuple[list[str], int]:
    """Return what is wrong with one clip, and its number of frames."""
    faults = [] if is_emotion_label(clip.emotion) else [f"its emotion is {clip.emotion}"]
    try:
        sizes = stored.crop_sizes(clip.name)
        arrays = stored.clip_arrays(clip.name, {*FRAME_ARRAYS, *CLOCK_ARRAYS})
        faults += clip_faults(arrays, clip.n_frames, sizes)
        if len(sizes) == 1:
            faults.append(f"it has {next(iter(sizes))} crops only")
        if not faults:
            for crop, size in sizes.items():
                data = stored.read_crop(clip.name, crop, 0, size)
                faults += _frame_faults(data, arrays, crop, decode)
        if stored.has_sound(clip.name):
            flac = stored.read_sound(clip.name)
            if not flac.startswith(b"fLaC"):
                faults.append("the sound does not begin as FLAC does")
            elif decode:
                decode_flac(flac, "flac")
    except ShardError as error:
        faults.append(problem_of(members.shard, error).what)
        return faults, 0
    return faults, len(arrays.get("times", ()))


def _frame_faults(data: bytes, arrays: Arrays, crop: str, decode: bool) -> Iterator[str]:
    """Check that each frame begins and ends as JPEG does; with `decode`, also its content."""
    bounds = list(pairwise(arrays[f"{crop}_offsets"].tolist()))
    wrong = [
        i
        for i, (start, end) in enumerate(bounds)
        if data[start : start + 2] != b"\xff\xd8" or data[end - 2 : end] != b"\xff\xd9"
    ]
    if wrong:
        yield (
            f"{crop}.mjpg: {len(wrong)} of {len(bounds)} frames are not JPEG, "
            f"the first is frame {wrong[0]}"
        )
        return
    shapes: set[tuple[int, ...]] = set()
    for i, (start, end) in enumerate(bounds if decode else ()):
        try:
            shapes.add(decode_jpeg(data[start:end]).shape)
        except ValueError:
            yield f"{crop}.mjpg: frame {i} cannot be decoded"
            return
    if len(shapes) > 1:
        sizes = ", ".join(map(str, sorted(shapes)))
        yield f"{crop}.mjpg: its frames have different sizes: {sizes}"


def _pairs_faults(
    utterance: Utterance, stored: StoredSample, lengths: Mapping[str, int]
) -> list[str]:
    faults: list[str] = []
    names: set[str] = set()
    for number, pair in enumerate(utterance.pairs(accepted=None)):
        name = pair_name(pair.source.name, pair.target.name)
        if name in names:
            faults.append(f"{name} is listed twice")
        names.add(name)
        try:
            arrays = stored.pair_arrays(number)
        except ShardError as error:
            return [*faults, problem_of(stored.shard, error).what]
        faults += [
            f"{name}: {fault}"
            for fault in pair_faults(arrays, lengths[pair.source.name], lengths[pair.target.name])
        ]
        if pair.source.emotion == pair.target.emotion:
            faults.append(f"{name} joins two clips of one emotion")
        if pair.accepted != (pair.reason is None):
            decision = "accepted" if pair.accepted else "rejected"
            faults.append(f"{name} is {decision}, but its reason is {pair.reason}")
    return faults
