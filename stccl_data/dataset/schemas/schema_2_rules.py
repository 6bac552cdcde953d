"""Rules of a sample of schema 2 beyond those of its clips and pairs: its members and arrays."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.layout import (
    CLIP_ARRAYS,
    CROP_MEMBERS,
    CROPS,
    FRAME_ARRAYS,
    PAIR_ARRAYS,
    SOUND,
    member_suffixes,
)
from stccl_data.dataset.members import Members, member_arrays
from stccl_data.dataset.schemas.schema_2_columns import CLIP_COLUMNS, PAIR_COLUMNS, SCORE_TYPE

Arrays = Mapping[str, NDArray[Any]]


def sample_faults(key: str, members: Members, clips: int, pairs: int) -> Iterator[str]:
    """Yield what is wrong with the members of a sample and with the arrays that clips share.

    Args:
        key: key of the sample.
        members: the members.
        clips: number of clips in KEY.json.
        pairs: number of pairs in KEY.json.
    """
    sizes = members.sizes
    expected = member_suffixes(any(m in sizes for m in CROP_MEMBERS.values()), SOUND in sizes)
    for suffix in expected:
        if suffix not in sizes:
            yield f"{key}.{suffix} is missing"
    for suffix in sorted(sizes.keys() - set(expected)):
        yield f"{key}.{suffix} is no member of schema 2"
    if CLIP_ARRAYS in sizes:
        place = f"{key}.{CLIP_ARRAYS}"
        arrays = member_arrays(members.read(CLIP_ARRAYS), place)
        frames = {name: rule.dtype for name, rule in FRAME_ARRAYS.items()}
        for fault in _type_faults(arrays, {**frames, **CLIP_COLUMNS}):
            yield f"{place}: {fault}"
        for fault in _clip_length_faults(arrays, clips, sizes):
            yield f"{place}: {fault}"
    if PAIR_ARRAYS in sizes:
        place = f"{key}.{PAIR_ARRAYS}"
        arrays = member_arrays(members.read(PAIR_ARRAYS), place)
        for fault in _type_faults(arrays, PAIR_COLUMNS):
            yield f"{place}: {fault}"
        for fault in _pair_length_faults(arrays, pairs):
            yield f"{place}: {fault}"


def _type_faults(arrays: Arrays, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the arrays that are missing or of another type; others than `known` are scores."""
    for name in known:
        if name not in arrays:
            yield f"the array {name} is missing"
    for name, array in arrays.items():
        dtype = known.get(name, SCORE_TYPE)
        if array.dtype != dtype or array.ndim != 1:
            yield f"{name} is not a one-dimensional {dtype} array"


def _clip_length_faults(arrays: Arrays, clips: int, sizes: Mapping[str, int]) -> Iterator[str]:
    frames = len(arrays.get("times", ()))
    lengths = {"frame_offsets": clips + 1, "flac_offsets": clips + 1}
    lengths |= {f"{crop}_offsets": frames + 1 for crop in CROPS}
    for name, rule in FRAME_ARRAYS.items():
        known = [size for size in rule.shape if size is not None]
        if len(known) == len(rule.shape):
            lengths[name] = frames * math.prod(known)
        elif len(arrays.get(name, ())) % max(1, frames * math.prod(known)):
            yield f"{name} has {len(arrays[name]):,} values for {frames} frames"
    lengths |= {n: clips for n in arrays if n not in lengths and n not in FRAME_ARRAYS}
    ends = {"frame_offsets": frames}
    if SOUND not in sizes or max(arrays.get("flac_offsets", (0,))):
        ends["flac_offsets"] = sizes.get(SOUND, 0)  # else the member is silence of no clip
    ends |= {f"{crop}_offsets": sizes.get(CROP_MEMBERS[crop], 0) for crop in CROPS}
    yield from _length_faults(arrays, lengths, ends)


def _pair_length_faults(arrays: Arrays, pairs: int) -> Iterator[str]:
    frames, points = len(arrays.get("frame_map", ())), len(arrays.get("source_time", ()))
    lengths = {
        "frame_map_offsets": pairs + 1,
        "path_offsets": pairs + 1,
        "frame_map": frames,
        "source_time": points,
        "target_time": points,
    }
    lengths |= {name: pairs for name in arrays if name not in lengths}
    yield from _length_faults(
        arrays, lengths, {"frame_map_offsets": frames, "path_offsets": points}
    )


def _length_faults(
    arrays: Arrays, lengths: Mapping[str, int], ends: Mapping[str, int]
) -> Iterator[str]:
    """Compare arrays with their expected lengths, and offsets with the value that ends them."""
    for name, length in lengths.items():
        if name in arrays and len(arrays[name]) != length:
            yield f"{name} has {len(arrays[name]):,} values instead of {length:,}"
    for name, end in ends.items():
        offsets = arrays.get(name)
        if offsets is None or not 0 < len(offsets) == lengths[name]:
            continue
        if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] != end:
            yield f"{name} do not ascend from 0 to {end:,}"
