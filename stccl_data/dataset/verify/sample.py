"""Verification of one sample: its key, its members, and what its KEY.json says about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stccl_data.clip import is_emotion_label, slug
from stccl_data.dataset.array_rules import Arrays, clip_faults, pair_faults
from stccl_data.dataset.flac import decode_flac
from stccl_data.dataset.index import ShardInfo
from stccl_data.dataset.layout import CROPS, PAIR_ARRAYS, pair_name, utterance_of
from stccl_data.dataset.members import (
    ByteRange,
    MemberRanges,
    ShardError,
    TarMembers,
    member_arrays,
)
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.tar import TarMember
from stccl_data.dataset.utterance import Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip
from stccl_data.dataset.verify.problem import problem_of
from stccl_data.media.jpeg import decode_jpeg

_MJPG = tuple(f"{crop}.mjpg" for crop in CROPS)


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
    indexed: MemberRanges | None,
    decode: bool,
) -> tuple[Sample, list[str]]:
    """Verify one sample.

    Args:
        members: the members of the sample.
        shard: the shard that holds it.
        headers: the tar headers of the members, in order.
        indexed: where the members lie according to index.jsonl, if it lists the sample.
        decode: decode frames and sound too.

    Returns:
        The sample, and what is wrong with it, one clause each.
    """
    key = headers[0].key
    faults = [f"{key}: {fault}" for fault in _name_faults(key, headers)]
    faults += _index_faults(key, members.ranges, indexed)
    try:
        utterance = parse_utterance(key, members)
    except ShardError as error:
        faults.append(problem_of(shard.path, error).what)
        return Sample(key, shard.path, shard.split, None), faults
    sample = Sample(key, shard.path, shard.split, utterance)
    labels = (utterance.corpus, utterance.speaker, utterance.view, utterance.sentence)
    if "/".join(slug(label) for label in labels) != sample.base:
        faults.append(f"{key}: its labels are {', '.join(labels)}")
    lengths: dict[str, int] = {}
    for clip in utterance.clips.values():
        clip_problems, lengths[clip.name] = _clip_faults(clip, members, decode)
        faults += [f"{key}.{clip.name}: {fault}" for fault in clip_problems]
    known = {"json", "pairs.npz"} | {
        f"{clip}.{suffix}" for clip in utterance.clips for suffix in ("npz", "flac", *_MJPG)
    }
    faults += [
        f"{key}.{suffix} belongs to no clip of {key}.json"
        for suffix in sorted(members.ranges.keys() - known)
    ]
    faults += [f"{key}.pairs.npz: {fault}" for fault in _pairs_faults(utterance, members, lengths)]
    return sample, faults


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


def _index_faults(key: str, ranges: MemberRanges, indexed: MemberRanges | None) -> list[str]:
    if indexed is None:
        return [f"{key} has no line in the index"]
    differing = [
        suffix
        for suffix in sorted({*indexed, *ranges})
        if indexed.get(suffix) != ranges.get(suffix)
    ]
    if not differing:
        return []
    suffix = differing[0]
    actual, listed = _place(ranges.get(suffix)), _place(indexed.get(suffix))
    return [f"{key}.{suffix} is {actual}, but the index says {listed}"]


def _place(byte_range: ByteRange | None) -> str:
    if byte_range is None:
        return "missing"
    return f"{byte_range.size:,} bytes at {byte_range.offset:,}"


def _clip_faults(clip: UtteranceClip, members: TarMembers, decode: bool) -> tuple[list[str], int]:
    """Return what is wrong with one clip, and its number of frames."""
    faults = [] if is_emotion_label(clip.emotion) else [f"its emotion is {clip.emotion}"]
    sizes = {crop: members.sizes[f"{clip.name}.{crop}.mjpg"] for crop in clip.crops}
    try:
        arrays = member_arrays(members.read(f"{clip.name}.npz"), "npz")
        faults += [f"npz: {fault}" for fault in clip_faults(arrays, clip.n_frames, sizes)]
        if len(sizes) == 1:
            faults.append(f"it has {next(iter(sizes))} crops only")
        if not faults:
            for crop in sizes:
                data = members.read(f"{clip.name}.{crop}.mjpg")
                faults += _frame_faults(data, arrays, crop, decode)
        if clip.has_audio:
            flac = members.read(f"{clip.name}.flac")
            if not flac.startswith(b"fLaC"):
                faults.append("the member flac does not begin as FLAC does")
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
    utterance: Utterance, members: TarMembers, lengths: Mapping[str, int]
) -> list[str]:
    try:
        arrays = member_arrays(members.read("pairs.npz"), "pairs.npz")
    except ShardError as error:
        return [problem_of(members.shard, error).what]
    faults: list[str] = []
    names: set[str] = set()
    for pair in utterance.pairs(accepted=None):
        name = pair_name(pair.source.name, pair.target.name)
        if name in names:
            faults.append(f"{name} is listed twice")
        names.add(name)
        own = {
            array: arrays[f"{name}.{array}"] for array in PAIR_ARRAYS if f"{name}.{array}" in arrays
        }
        faults += [
            f"{name}: {fault}"
            for fault in pair_faults(own, lengths[pair.source.name], lengths[pair.target.name])
        ]
        if pair.source.emotion == pair.target.emotion:
            faults.append(f"{name} joins two clips of one emotion")
        if pair.accepted != (pair.reason is None):
            decision = "accepted" if pair.accepted else "rejected"
            faults.append(f"{name} is {decision}, but its reason is {pair.reason}")
    stray = sorted(name for name in arrays if name.rpartition(".")[0] not in names)
    return faults + [f"{name} belongs to no pair of KEY.json" for name in stray]
