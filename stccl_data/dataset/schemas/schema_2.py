"""Schema 2: every sample has the same members and arrays, whatever clips it holds.

Each array has one dimension and holds the values of all clips (or pairs) of the sample one after
another, in the order of KEY.json. Hugging Face `datasets` makes columns of the arrays, so neither
their names nor their types depend on the clips.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
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
)
from stccl_data.dataset.members import ByteRange, Members, ShardError
from stccl_data.dataset.schemas.array_table import ArrayTable
from stccl_data.dataset.schemas.fields import required
from stccl_data.dataset.schemas.schema_2_columns import (
    CLIP_COLUMNS,
    PAIR_COLUMNS,
    SCORE_TYPE,
    UNKNOWN_LABELS,
)
from stccl_data.dataset.schemas.schema_2_rules import sample_faults
from stccl_data.dataset.schemas.stored_sample import SampleParts, Scores
from stccl_data.dataset.tables import PAIR_SCORE_TYPES
from stccl_data.files.npz import array_places


class Schema2Sample:
    """A `StoredSample` of schema 2."""

    def __init__(self, key: str, members: Members, record: Mapping[str, Any]) -> None:
        """Take KEY.json as `record`. Raises ValueError if its clips have no names."""
        self.shard = members.shard
        self._key, self._members, self._record = key, members, record
        names = [required(clip, "name", str) for clip in required(record, "clips", list)]
        self._numbers = {name: number for number, name in enumerate(names)}
        if len(self._numbers) != len(names):
            raise ValueError("two clips have one name")
        self._clips = ArrayTable(
            members, CLIP_ARRAYS, self._member(CLIP_ARRAYS), members.array_places
        )
        self._pairs = ArrayTable(members, PAIR_ARRAYS, self._member(PAIR_ARRAYS), None)

    def labels(self) -> Mapping[str, Any]:
        """See `StoredSample.labels`."""
        clips = {
            clip["name"]: {
                label: None if label in UNKNOWN_LABELS and not value else value
                for label, value in clip.items()
            }
            for clip in self._record["clips"]
        }
        pairs = [
            {**pair, "reason": required(pair, "reason", str) or None}
            for pair in required(self._record, "pairs", list)
        ]
        text = required(self._record, "text", str) or None
        return {**self._record, "text": text, "clips": clips, "pairs": pairs}

    # --- clips ---------------------------------------------------------------------------------

    def clip_arrays(self, clip: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `StoredSample.clip_arrays`."""
        start, stop = self._frames(clip)
        tracked = self._clips.column("tracked", "bool", len(self._numbers))[self._numbers[clip]]
        arrays: dict[str, NDArray[Any]] = {}
        for name in names:
            if name in FRAME_ARRAYS and (tracked or name == "times"):
                arrays[name] = self._frame_array(name, start, stop)
        for crop in self.crop_sizes(clip):
            if (name := f"{crop}_offsets") in names:
                offsets = self._clips.values(name, "int64")[start : stop + 1]
                arrays[name] = offsets - offsets[0]
        return arrays

    def _frame_array(self, name: str, start: int, stop: int) -> NDArray[Any]:
        dtype, sizes, _ = FRAME_ARRAYS[name]
        landmarks = 0
        if None in sizes:
            frames = max(1, int(self._frame_offsets[-1]))
            landmarks = self._clips.count(name, dtype) // (2 * frames)
        shape = [landmarks if size is None else size for size in sizes]
        width = math.prod(shape)
        flat = self._clips.values(name, dtype, start * width, stop * width)
        return flat.reshape(stop - start, *shape)

    @cached_property
    def _frame_offsets(self) -> NDArray[np.int64]:
        return self._offsets(self._clips, CLIP_ARRAYS, "frame_offsets", len(self._numbers))

    def _frames(self, clip: str) -> tuple[int, int]:
        """Return the first frame of a clip among those of the sample, and the end."""
        number = self._numbers[clip]
        return int(self._frame_offsets[number]), int(self._frame_offsets[number + 1])

    def clip_scores(self, clip: str) -> Scores:
        """See `StoredSample.clip_scores`."""
        number, count = self._numbers[clip], len(self._numbers)
        names = [n for n in self._clips.names() if n not in FRAME_ARRAYS and n not in CLIP_COLUMNS]
        columns = {name: self._clips.column(name, SCORE_TYPE, count) for name in names}
        return {name: _known(float(column[number])) for name, column in columns.items()}

    def _crop_range(self, clip: str, crop: str) -> tuple[int, int]:
        frames = int(self._frame_offsets[-1])
        offsets = self._clips.column(f"{crop}_offsets", "int64", frames + 1)
        start, stop = self._frames(clip)
        return int(offsets[start]), int(offsets[stop])

    def crop_sizes(self, clip: str) -> Mapping[str, int]:
        """See `StoredSample.crop_sizes`."""
        ranges = {crop: self._crop_range(clip, crop) for crop in CROPS}
        return {crop: stop - start for crop, (start, stop) in ranges.items() if stop > start}

    def read_crop(self, clip: str, crop: str, start: int, stop: int) -> bytes:
        """See `StoredSample.read_crop`."""
        first, _ = self._crop_range(clip, crop)
        return self._members.read(CROP_MEMBERS[crop], first + start, first + stop)

    @cached_property
    def _sound_offsets(self) -> NDArray[np.int64]:
        return self._offsets(self._clips, CLIP_ARRAYS, "flac_offsets", len(self._numbers))

    def has_sound(self, clip: str) -> bool:
        """See `StoredSample.has_sound`."""
        number = self._numbers[clip]
        return bool(self._sound_offsets[number + 1] > self._sound_offsets[number])

    def read_sound(self, clip: str) -> bytes:
        """See `StoredSample.read_sound`."""
        number = self._numbers[clip]
        start, stop = self._sound_offsets[number : number + 2].tolist()
        return self._members.read(SOUND, start, stop)

    # --- pairs ---------------------------------------------------------------------------------

    def pair_arrays(self, pair: int) -> dict[str, NDArray[Any]]:
        """See `StoredSample.pair_arrays`."""
        count = len(self._record["pairs"])
        frames = self._offsets(self._pairs, PAIR_ARRAYS, "frame_map_offsets", count)
        points = self._offsets(self._pairs, PAIR_ARRAYS, "path_offsets", count)
        bounds = {
            "frame_map": frames[pair : pair + 2],
            "source_time": points[pair : pair + 2],
            "target_time": points[pair : pair + 2],
        }
        return {
            name: self._pairs.values(name, PAIR_COLUMNS[name], *bound.tolist())
            for name, bound in bounds.items()
        }

    def pair_scores(self, pair: int) -> Scores:
        """See `StoredSample.pair_scores`."""
        scores: dict[str, float | int | bool | str | None] = {
            "mode": required(self._record["pairs"][pair], "mode", str) or None
        }
        for name in self._pairs.names():
            if name not in PAIR_COLUMNS:
                column = self._pairs.column(name, SCORE_TYPE, len(self._record["pairs"]))
                value = _known(float(column[pair]))
                kind = {"int64": int, "bool": bool}.get(PAIR_SCORE_TYPES.get(name, ""), float)
                scores[name] = None if value is None else kind(value)
        return scores

    def parts(self) -> SampleParts:
        """See `StoredSample.parts`."""
        clips: dict[str, dict[str, ByteRange]] = {}
        for name, number in self._numbers.items():
            ranges = {
                suffix: self._crop_range(name, crop)
                for crop, suffix in CROP_MEMBERS.items()
                if suffix in self._members.sizes
            }
            if SOUND in self._members.sizes:
                ranges[SOUND] = (
                    int(self._sound_offsets[number]),
                    int(self._sound_offsets[number + 1]),
                )
            clips[name] = {s: ByteRange(start, stop - start) for s, (start, stop) in ranges.items()}
        places = array_places(self._members.read(CLIP_ARRAYS))
        return SampleParts({name: ByteRange(*place) for name, place in places.items()}, clips)

    # --- messages and rules --------------------------------------------------------------------

    def place(self, clip: str, what: str) -> str:
        """See `StoredSample.place`."""
        return f"{self._key}.{CLIP_ARRAYS if what == 'npz' else what}: {clip}"

    def _member(self, suffix: str) -> str:
        return f"{self.shard}: {self._key}.{suffix}"

    def _offsets(self, table: ArrayTable, suffix: str, name: str, count: int) -> NDArray[np.int64]:
        offsets = table.column(name, "int64", count + 1)
        if offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise ShardError(
                f"{self._member(suffix)}: {name} do not ascend from 0; run `stccl verify`"
            )
        return offsets

    def faults(self) -> Iterator[str]:
        """See `StoredSample.faults`: the set of members, and the arrays that all clips share."""
        return sample_faults(
            self._key, self._members, len(self._numbers), len(self._record["pairs"])
        )


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
