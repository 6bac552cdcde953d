"""The members of a sample, made from the clips and pairs of an utterance."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip
from stccl_data.dataset.layout import (
    CLIP_ARRAYS,
    CROP_MEMBERS,
    CROPS,
    FRAME_ARRAYS,
    LABELS,
    PAIR_ARRAYS,
    PATH_ARRAYS,
    SCHEMA,
    SOUND,
    member_suffixes,
)
from stccl_data.dataset.members import ByteRange
from stccl_data.dataset.schemas.schema_2_columns import CLIP_LABELS, PAIR_COLUMNS, SCORE_TYPE
from stccl_data.dataset.schemas.stored_sample import SampleParts
from stccl_data.dataset.tables import CLIP_SCORES, PAIR_SCORES
from stccl_data.face.track import Track
from stccl_data.files.npz import array_places, npz_bytes

#: The scores of a pair that have an array; `mode` is text, so KEY.json has it.
_PAIR_SCORES = tuple(name for name in PAIR_SCORES if name != "mode")


class PathArrays(Protocol):
    """The arrays of an aligned pair: an `Alignment`, or a `Pair` that was read."""

    @property
    def frame_map(self) -> NDArray[np.int32]: ...
    @property
    def source_time(self) -> NDArray[np.float64]: ...
    @property
    def target_time(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One clip of an utterance as it is written into a shard."""

    clip: Clip
    scores: Mapping[str, float | None]
    #: the arrays of the tracked face by name (`Track.tables`); `times` alone if it was not tracked
    tables: Mapping[str, NDArray[Any]]
    #: crop -> Motion-JPEG; empty without crops
    crops: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    #: the sound as a FLAC file; empty if it is not stored
    flac: bytes = field(default=b"", repr=False)

    @property
    def size(self) -> int:
        """Bytes of the arrays, the crops and the sound."""
        arrays = sum(array.nbytes for array in self.tables.values())
        return arrays + sum(map(len, self.crops.values())) + len(self.flac)


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One aligned pair of an utterance as it is written into a shard."""

    #: name of the source clip within the utterance
    source: str
    #: name of the target clip within the utterance
    target: str
    #: the score columns of pairs.parquet
    scores: Mapping[str, float | int | str | None]
    accepted: bool
    #: reason code, None if accepted
    reason: str | None
    alignment: PathArrays


@dataclass(frozen=True, slots=True)
class SampleContent:
    """The members of a sample, and where the parts of its clips lie in them."""

    #: suffix -> content, in pieces that are written one after another
    members: Mapping[str, Sequence[bytes]]
    parts: SampleParts = field(default_factory=SampleParts)


def clip_record(
    clip: Clip,
    scores: Mapping[str, float],
    track: Track | None,
    times: NDArray[np.float64],
    flac: bytes | None = None,
) -> ClipRecord:
    """Return what a shard holds of a clip.

    Args:
        clip: the clip.
        scores: its scores.
        track: the tracked face; None if the face was not tracked.
        times: (N,) seconds, the presentation times if there is no track.
        flac: the sound, if it is stored.
    """
    tables = {"times": times} if track is None else track.tables()
    crops = {}
    if track is not None and track.face is not None and track.mouth is not None:
        crops = {"face": track.face.data, "mouth": track.mouth.data}
    return ClipRecord(clip, scores, tables, crops, flac or b"")


def sample_content(
    key: str,
    clips: Mapping[str, ClipRecord],
    pairs: Sequence[PairRecord],
    *,
    part: int = 1,
    parts: int = 1,
    crops: bool = True,
    audio: bool = False,
) -> SampleContent:
    """Return the members of one sample. Which members it has depends on the options alone.

    Args:
        key: key of the sample.
        clips: the clips by name.
        pairs: pairs of these clips.
        part: number of this part of the utterance, from 1.
        parts: number of parts.
        crops: the dataset has crops.
        audio: the dataset has sound.
    """
    names = sorted(clips)
    records = [clips[name] for name in names]
    labels = _labels(key, names, records, pairs, part, parts)
    text = json.dumps(labels, ensure_ascii=False, allow_nan=False, indent=1)
    arrays = npz_bytes(_clip_arrays(records))
    content = {
        LABELS: [text.encode()],
        CLIP_ARRAYS: [arrays],
        PAIR_ARRAYS: [npz_bytes(_pair_arrays(pairs))],
        SOUND: [record.flac for record in records] if audio else [],
        **{
            CROP_MEMBERS[crop]: [record.crops.get(crop, b"") for record in records]
            for crop in CROPS
        },
    }
    if audio and not any(content[SOUND]):
        content[SOUND] = [*content[SOUND], _silence()]
    suffixes = member_suffixes(crops, audio)
    shared = [suffix for suffix in (*CROP_MEMBERS.values(), SOUND) if suffix in suffixes]
    places = {suffix: _places(content[suffix]) for suffix in shared}
    return SampleContent(
        members={suffix: content[suffix] for suffix in suffixes},
        parts=SampleParts(
            {name: ByteRange(*place) for name, place in array_places(arrays).items()},
            {name: {s: places[s][i] for s in shared} for i, name in enumerate(names)},
        ),
    )


def _silence() -> bytes:
    """Return a tenth of a second of silence for a sample without sound; it belongs to no clip.

    Hugging Face `datasets` opens the sound of every sample, and fails on an empty file.
    """
    from stccl_data.media.audio import Audio, encode_flac

    return encode_flac(Audio(np.zeros(1600, np.float32), 16_000, 0.0))


def _places(pieces: Sequence[bytes]) -> list[ByteRange]:
    """Return where each piece lies when they are joined."""
    ends = _offsets(map(len, pieces)).tolist()
    return [ByteRange(start, len(piece)) for start, piece in zip(ends, pieces, strict=False)]


def _offsets(counts: Iterable[int]) -> NDArray[np.int64]:
    """Return where each of some adjacent ranges begins, and the end of the last."""
    return np.cumsum([0, *counts], dtype=np.int64)


def _clip_arrays(records: Sequence[ClipRecord]) -> dict[str, NDArray[Any]]:
    """Return the arrays of clips.npz, each of one dimension."""
    landmarks = max((r.tables["landmarks"].shape[1] for r in records if _is_tracked(r)), default=0)
    arrays: dict[str, NDArray[Any]] = {
        "frame_offsets": _offsets(len(record.tables["times"]) for record in records),
        "flac_offsets": _offsets(len(record.flac) for record in records),
        "tracked": np.array([_is_tracked(record) for record in records], np.bool_),
    }
    for crop in CROPS:
        arrays[f"{crop}_offsets"] = _crop_offsets(crop, records)
    for score in CLIP_SCORES:
        arrays[score] = _scores(record.scores.get(score) for record in records)
    for name in FRAME_ARRAYS:
        arrays[name] = np.concatenate([_flat(name, record, landmarks) for record in records])
    return arrays


def _is_tracked(record: ClipRecord) -> bool:
    return "valid" in record.tables


def _flat(name: str, record: ClipRecord, landmarks: int) -> NDArray[Any]:
    """Return the values of an array of a clip; NaN (or False) if the clip does not have it."""
    dtype, shape, _ = FRAME_ARRAYS[name]
    full = (len(record.tables["times"]), *(landmarks if n is None else n for n in shape))
    array = record.tables.get(name)
    if array is None:
        return np.full(full, False if dtype == "bool" else np.nan, dtype).reshape(-1)
    if array.shape != full:
        raise ValueError(f"{record.clip.clip_id}: {name} has the shape {array.shape}, not {full}")
    return np.ascontiguousarray(array, dtype).reshape(-1)


def _crop_offsets(crop: str, records: Sequence[ClipRecord]) -> NDArray[np.int64]:
    """Return where each frame begins in the member of a crop; frames without a crop are empty."""
    sizes = [
        np.diff(record.tables[f"{crop}_offsets"])
        if crop in record.crops
        else np.zeros(len(record.tables["times"]), np.int64)
        for record in records
    ]
    return _offsets(np.concatenate(sizes).tolist())


def _pair_arrays(pairs: Sequence[PairRecord]) -> dict[str, NDArray[Any]]:
    """Return the arrays of pairs.npz, each of one dimension."""
    arrays: dict[str, NDArray[Any]] = {
        "frame_map_offsets": _offsets(len(pair.alignment.frame_map) for pair in pairs),
        "path_offsets": _offsets(len(pair.alignment.source_time) for pair in pairs),
    }
    for score in _PAIR_SCORES:
        arrays[score] = _scores(pair.scores.get(score) for pair in pairs)
    for name in PATH_ARRAYS:
        dtype = np.dtype(PAIR_COLUMNS[name])
        values = [getattr(pair.alignment, name).astype(dtype) for pair in pairs]
        arrays[name] = np.concatenate([np.empty(0, dtype), *values])
    return arrays


def _scores(values: Iterable[float | int | str | None]) -> NDArray[np.float64]:
    """Round scores to six digits, as schema 1 did; NaN if unknown or not finite."""
    rounded = [np.nan if value is None else round(float(value), 6) for value in values]
    column = np.array(rounded, SCORE_TYPE)
    column[~np.isfinite(column)] = np.nan
    return column


def _labels(
    key: str,
    names: Sequence[str],
    clips: Sequence[ClipRecord],
    pairs: Sequence[PairRecord],
    part: int,
    parts: int,
) -> dict[str, Any]:
    """Return the content of KEY.json.

    No value is null and no name depends on a clip, so that every sample has the same types: Arrow
    readers infer them from the first samples.
    """
    first = clips[0].clip
    return {
        "schema": SCHEMA,
        "key": key,
        "corpus": first.corpus,
        "speaker": first.speaker,
        "view": first.view,
        "sentence": first.sentence,
        "text": next((record.clip.text for record in clips if record.clip.text), ""),
        "part": part,
        "parts": parts,
        "clips": [
            _clip_labels(name, record.clip) for name, record in zip(names, clips, strict=True)
        ],
        "pairs": [
            {
                "source": pair.source,
                "target": pair.target,
                "mode": pair.scores.get("mode") or "",
                "accepted": pair.accepted,
                "reason": pair.reason or "",
            }
            for pair in pairs
        ],
    }


def _clip_labels(name: str, clip: Clip) -> dict[str, Any]:
    """Return the labels of a clip; `""` or 0 for each that is unknown."""
    labels = {"name": name, **clip.row()}
    return {
        label: kind() if labels[label] is None else kind(labels[label])
        for label, kind in CLIP_LABELS.items()
    }
