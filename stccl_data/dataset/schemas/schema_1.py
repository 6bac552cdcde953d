"""Schema 1: each clip has members of its own, `KEY.CLIP.npz` and others named after it."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from stccl_data.dataset.layout import CROP_MEMBERS, LABELS, PAIR_ARRAYS, PATH_ARRAYS, SOUND
from stccl_data.dataset.layout import pair_name as name_of_pair
from stccl_data.dataset.members import Members, member_arrays
from stccl_data.dataset.schemas.fields import optional, required
from stccl_data.dataset.schemas.stored_sample import SampleParts, Scores

#: The fields of a pair in KEY.json that are not scores.
_PAIR_LABELS = frozenset({"source", "target", "accepted", "reason"})


class Schema1Sample:
    """A `StoredSample` of schema 1."""

    def __init__(self, key: str, members: Members, record: Mapping[str, Any]) -> None:
        self.shard = members.shard
        self._key, self._members, self._record = key, members, record
        self._arrays: dict[str, dict[str, NDArray[Any]]] = {}

    def labels(self) -> Mapping[str, Any]:
        """See `StoredSample.labels`."""
        for clip in required(self._record, "clips", dict).values():
            scores = required(clip, "scores", dict)
            for score in scores:
                optional(scores, score, float)
        return self._record

    def clip_arrays(self, clip: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """See `StoredSample.clip_arrays`. The file is read as a whole, once."""
        if clip not in self._arrays:
            member = f"{clip}.npz"
            place = f"{self.shard}: {self._key}.{member}"
            self._arrays[clip] = member_arrays(self._members.read(member), place)
        return {name: array for name, array in self._arrays[clip].items() if name in names}

    def clip_scores(self, clip: str) -> Scores:
        """See `StoredSample.clip_scores`."""
        scores: Scores = required(self._record["clips"][clip], "scores", dict)
        return scores

    def crop_sizes(self, clip: str) -> Mapping[str, int]:
        """See `StoredSample.crop_sizes`."""
        sizes = self._members.sizes
        members = {crop: f"{clip}.{suffix}" for crop, suffix in CROP_MEMBERS.items()}
        return {crop: sizes[member] for crop, member in members.items() if member in sizes}

    def read_crop(self, clip: str, crop: str, start: int, stop: int) -> bytes:
        """See `StoredSample.read_crop`."""
        return self._members.read(f"{clip}.{CROP_MEMBERS[crop]}", start, stop)

    def has_sound(self, clip: str) -> bool:
        """See `StoredSample.has_sound`."""
        return f"{clip}.{SOUND}" in self._members.sizes

    def read_sound(self, clip: str) -> bytes:
        """See `StoredSample.read_sound`."""
        return self._members.read(f"{clip}.{SOUND}")

    @cached_property
    def _pairs_npz(self) -> bytes:
        return self._members.read(PAIR_ARRAYS)

    def pair_arrays(self, pair: int) -> dict[str, NDArray[Any]]:
        """See `StoredSample.pair_arrays`."""
        names = {f"{self._pair_name(pair)}.{name}": name for name in PATH_ARRAYS}
        member = f"{self.shard}: {self._key}.{PAIR_ARRAYS}"
        arrays = member_arrays(self._pairs_npz, member, names)
        return {names[full]: array for full, array in arrays.items()}

    def pair_scores(self, pair: int) -> Scores:
        """See `StoredSample.pair_scores`."""
        record = self._record["pairs"][pair]
        return {name: value for name, value in record.items() if name not in _PAIR_LABELS}

    def _pair_name(self, pair: int) -> str:
        record = self._record["pairs"][pair]
        return name_of_pair(record["source"], record["target"])

    def parts(self) -> SampleParts:
        """See `StoredSample.parts`."""
        return SampleParts()

    def place(self, clip: str, what: str) -> str:
        """See `StoredSample.place`."""
        return f"{clip}.{what}"

    def faults(self) -> Iterator[str]:
        """See `StoredSample.faults`: stray members, and stray arrays of pairs."""
        suffixes = ("npz", SOUND, *CROP_MEMBERS.values())
        known = {f"{clip}.{suffix}" for clip in self._record["clips"] for suffix in suffixes}
        for suffix in sorted(self._members.sizes.keys() - known - {LABELS, PAIR_ARRAYS}):
            yield f"{self._key}.{suffix} belongs to no clip of {self._key}.{LABELS}"
        names = {self._pair_name(i) for i in range(len(self._record["pairs"]))}
        place = f"{self._key}.{PAIR_ARRAYS}"
        for name in sorted(member_arrays(self._pairs_npz, place)):
            if name.rpartition(".")[0] not in names:
                yield f"{place}: {name} belongs to no pair of {self._key}.{LABELS}"
