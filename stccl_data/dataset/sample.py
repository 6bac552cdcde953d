"""The members of a sample, made from the clips and pairs of an utterance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.dataset.layout import PAIR_ARRAYS, SCHEMA, pair_name
from stccl_data.face.track import Track
from stccl_data.files.npz import npz_bytes

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
class ClipRecord:
    """One clip of an utterance as it is written into a shard."""

    clip: Clip
    scores: Mapping[str, float]
    #: suffix after the clip's name (`npz`, `face.mjpg`) -> content, from `clip_members`
    members: Mapping[str, bytes]


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
    alignment: Alignment


def clip_members(
    track: Track | None, times: NDArray[np.float64], flac: bytes | None = None
) -> dict[str, bytes]:
    """Return the members of one clip by the suffix after its name.

    Args:
        track: the tracked face; None if the face was not tracked.
        times: (N,) seconds, the presentation times if there is no track.
        flac: the sound, if it is stored.
    """
    members = {"npz": npz_bytes(track.tables() if track is not None else {"times": times})}
    if track is not None and track.face is not None and track.mouth is not None:
        members |= {"face.mjpg": track.face.data, "mouth.mjpg": track.mouth.data}
    if flac is not None:
        members["flac"] = flac
    return members


def sample_members(
    key: str,
    clips: Mapping[str, ClipRecord],
    pairs: Sequence[PairRecord],
    part: int = 1,
    parts: int = 1,
) -> dict[str, bytes]:
    """Return all members of one sample by suffix.

    Args:
        key: key of the sample.
        clips: the clips by name.
        pairs: pairs of these clips.
        part: number of this part of the utterance, from 1.
        parts: number of parts.
    """
    members = {
        "json": json.dumps(
            _labels(key, clips, pairs, part, parts), ensure_ascii=False, allow_nan=False, indent=1
        ).encode()
    }
    members["pairs.npz"] = npz_bytes(
        {
            f"{pair_name(pair.source, pair.target)}.{name}": getattr(pair.alignment, name)
            for pair in pairs
            for name in PAIR_ARRAYS
        }
    )
    for name, record in clips.items():
        members |= {f"{name}.{suffix}": data for suffix, data in record.members.items()}
    return members


def _labels(
    key: str,
    clips: Mapping[str, ClipRecord],
    pairs: Sequence[PairRecord],
    part: int,
    parts: int,
) -> dict[str, Any]:
    """Return the content of KEY.json."""
    first = next(iter(clips.values())).clip
    return {
        "schema": SCHEMA,
        "key": key,
        "corpus": first.corpus,
        "speaker": first.speaker,
        "view": first.view,
        "sentence": first.sentence,
        "text": next((record.clip.text for record in clips.values() if record.clip.text), None),
        "part": part,
        "parts": parts,
        "clips": {name: _clip_labels(record) for name, record in sorted(clips.items())},
        "pairs": [
            {
                "source": pair.source,
                "target": pair.target,
                **{score: _json_number(value) for score, value in pair.scores.items()},
                "accepted": pair.accepted,
                "reason": pair.reason,
            }
            for pair in pairs
        ],
    }


def _clip_labels(record: ClipRecord) -> dict[str, Any]:
    clip = record.clip
    return {
        **{label: getattr(clip, label) for label in _CLIP_LABELS},
        "fps": None if clip.fps is None else str(clip.fps),
        "scores": {score: _json_number(value) for score, value in sorted(record.scores.items())},
    }


def _json_number(value: Any) -> Any:
    """Round a float to six digits; None if it is not finite. Other values are returned as is."""
    if isinstance(value, float):
        return round(value, 6) if value == value and abs(value) != float("inf") else None
    return value
