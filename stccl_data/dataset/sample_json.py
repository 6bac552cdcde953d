"""Parsing of KEY.json, the labels of a sample."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from stccl_data.dataset.members import Members, ShardError
from stccl_data.dataset.schemas import StoredSample, open_sample
from stccl_data.dataset.schemas.fields import optional, required
from stccl_data.dataset.utterance import Decisions, Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip


def parse_utterance(
    key: str, members: Members, decisions: Callable[[str], Decisions] | None = None
) -> Utterance:
    """Build an utterance from its KEY.json; other members are read on access.

    Args:
        key: key of the sample.
        members: the members of the sample.
        decisions: returns the decisions of pairs.parquet for a key; without it, those of KEY.json
            hold.

    Raises:
        ShardError: KEY.json is missing or invalid, or has a newer schema.
    """
    name = f"{members.shard}: {key}.json"
    try:
        sample = open_sample(key, members)
        record = sample.labels()
        clips = {
            name: _parse_clip(name, clip, sample)
            for name, clip in required(record, "clips", dict).items()
        }
        return Utterance(
            key=key,
            corpus=required(record, "corpus", str),
            speaker=required(record, "speaker", str),
            view=required(record, "view", str),
            sentence=required(record, "sentence", str),
            text=optional(record, "text", str),
            part=required(record, "part", int),
            parts=required(record, "parts", int),
            clips=MappingProxyType(clips),
            _pairs=[_checked_pair(pair, clips) for pair in required(record, "pairs", list)],
            stored=sample,
            _decisions=decisions,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ShardError(f"{name} is invalid: {error}; run `stccl verify`") from None


def _parse_clip(name: str, record: Mapping[str, Any], sample: StoredSample) -> UtteranceClip:
    fps = optional(record, "fps", str)
    return UtteranceClip(
        name=name,
        clip_id=required(record, "clip_id", str),
        emotion=required(record, "emotion", str),
        level=required(record, "level", int),
        take=required(record, "take", int),
        fps=None if fps is None else Fraction(fps),
        n_frames=optional(record, "n_frames", int),
        width=optional(record, "width", int),
        height=optional(record, "height", int),
        duration_s=optional(record, "duration_s", float),
        audio_rate=optional(record, "audio_rate", int),
        _sample=sample,
    )


def _checked_pair(
    record: Mapping[str, Any], clips: Mapping[str, UtteranceClip]
) -> Mapping[str, Any]:
    for side in ("source", "target"):
        if required(record, side, str) not in clips:
            raise ValueError(f"a pair names an unknown clip {record[side]}")
    required(record, "accepted", bool)
    optional(record, "reason", str)
    return record
