"""Parsing of KEY.json, the labels of a sample."""

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeVar

from stccl_data.dataset.layout import SCHEMA
from stccl_data.dataset.members import MAX_JSON_BYTES, Members, ShardError
from stccl_data.dataset.utterance import Decisions, Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip

T = TypeVar("T")


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
    size = members.sizes.get("json")
    if size is None:
        raise ShardError(f"{name} is missing; run `stccl verify`")
    if size > MAX_JSON_BYTES:
        raise ShardError(f"{name} has {size:,} bytes, more than stccl ever writes")
    try:
        record = json.loads(members.read("json"))
        schema = _required(record, "schema", int)
        if schema > SCHEMA:
            raise ShardError(
                f"{name} has schema {schema}, but this version of stccl reads up to {SCHEMA}; "
                "install a newer stccl"
            )
        if _required(record, "key", str) != key:
            raise ValueError(f"its key is {record['key']}")
        clips = {
            name: _parse_clip(name, clip, members)
            for name, clip in _required(record, "clips", dict).items()
        }
        return Utterance(
            key=key,
            corpus=_required(record, "corpus", str),
            speaker=_required(record, "speaker", str),
            view=_required(record, "view", str),
            sentence=_required(record, "sentence", str),
            text=_optional(record, "text", str),
            part=_required(record, "part", int),
            parts=_required(record, "parts", int),
            clips=MappingProxyType(clips),
            _pairs=[_checked_pair(pair, clips) for pair in _required(record, "pairs", list)],
            _members=members,
            _decisions=decisions,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ShardError(f"{name} is invalid: {error}; run `stccl verify`") from None


def _parse_clip(name: str, record: Mapping[str, Any], members: Members) -> UtteranceClip:
    fps = _optional(record, "fps", str)
    scores = _required(record, "scores", dict)
    return UtteranceClip(
        name=name,
        clip_id=_required(record, "clip_id", str),
        emotion=_required(record, "emotion", str),
        level=_required(record, "level", int),
        take=_required(record, "take", int),
        fps=None if fps is None else Fraction(fps),
        n_frames=_optional(record, "n_frames", int),
        width=_optional(record, "width", int),
        height=_optional(record, "height", int),
        duration_s=_optional(record, "duration_s", float),
        audio_rate=_optional(record, "audio_rate", int),
        scores=MappingProxyType({score: _optional(scores, score, float) for score in scores}),
        _members=members,
    )


def _checked_pair(
    record: Mapping[str, Any], clips: Mapping[str, UtteranceClip]
) -> Mapping[str, Any]:
    for side in ("source", "target"):
        if _required(record, side, str) not in clips:
            raise ValueError(f"a pair names an unknown clip {record[side]}")
    _required(record, "accepted", bool)
    _optional(record, "reason", str)
    return record


def _required(record: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """Return a field that must have this type; an int is accepted for a float."""
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"{name} is missing")
    value = record[name]
    if kind is float and type(value) is int:
        return float(value)  # type: ignore[return-value]
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}")
    return value


def _optional(record: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    return None if record.get(name) is None else _required(record, name, kind)
