"""What a dataset of own recordings still lacks: takes, emotions, phonemes."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stccl_data.clip import emotion_order
from stccl_data.dataset.layout import FINDINGS
from stccl_data.dataset.tables import read_clips
from stccl_data.errors import Reason
from stccl_data.recordings.mouth_shapes import count_mouth_shapes
from stccl_data.recordings.pronunciation import (
    CLASSES,
    COLUMN,
    DictionaryError,
    PronunciationError,
    pronounce,
)

#: Why a take of a line is no clip; see `stccl_data.recordings.segments`.
_BROKEN = (Reason.INCOMPLETE_TAKE, Reason.OVERLAPPING, Reason.EMOTION_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Retake:
    """A sentence that a speaker should say again in an emotion."""

    speaker: str
    view: str
    sentence: str
    emotion: str
    #: why no take can be used; None if there is none
    reason: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a dataset has and lacks."""

    #: speaker -> emotion -> minutes of clips in an accepted pair
    minutes: Mapping[str, Mapping[str, float]]
    retakes: tuple[Retake, ...]
    #: English phonemes that no text of a used clip has; None if no clip has an English text
    missing_phonemes: tuple[str, ...] | None
    #: how often these texts have each mouth shape, the rarest first
    mouth_shapes: Mapping[str, int]
    #: takes of a recording that are no clips, with row of the manifest and reason
    broken_takes: tuple[str, ...]


def coverage(out: Path) -> Coverage:
    """Compare a dataset with a complete one: each speaker says each of their sentences in each of
    their emotions.

    Args:
        out: folder of the dataset.

    Raises:
        TableError: clips.parquet cannot be read.
    """
    rows = [row for row in read_clips(out) if row["sentence"] is not None]
    used = [row for row in rows if row["state"] == "paired"]
    minutes: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in used:
        minutes[row["speaker"]][row["emotion"]] += (row["duration_s"] or 0.0) / 60
    by_speaker: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_speaker[row["speaker"], row["view"]].append(row)
    retakes = [
        retake
        for speaker in sorted(by_speaker)
        for retake in _retakes(*speaker, by_speaker[speaker])
    ]
    spoken = Counter(column for row in used for column in _phonemes(row["text"]))
    missing = tuple(name for name in CLASSES if COLUMN[name] not in spoken) if spoken else None
    shapes = count_mouth_shapes(spoken)
    return Coverage(minutes, tuple(retakes), missing, shapes, _broken_takes(out))


def _broken_takes(out: Path) -> tuple[str, ...]:
    path = out / FINDINGS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    findings = [json.loads(line) for line in lines]
    return tuple(f"{f['reason']}: {f['detail']}" for f in findings if f["reason"] in _BROKEN)


def _retakes(speaker: str, view: str, rows: Sequence[Mapping[str, Any]]) -> list[Retake]:
    emotions = sorted({row["emotion"] for row in rows}, key=emotion_order)
    takes: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    texts: dict[str, str | None] = {}
    for row in rows:
        takes[row["sentence"], row["emotion"]].append(row)
        texts[row["sentence"]] = texts.get(row["sentence"]) or row["text"]
    retakes = []
    for sentence in sorted(texts):
        for emotion in emotions:
            recorded = takes.get((sentence, emotion), [])
            if any(row["state"] == "paired" for row in recorded):
                continue
            reason = next((row["reason"] for row in recorded if row["reason"]), None)
            if reason in (Reason.NO_PARTNER, Reason.PARTNER_FAILED):
                continue  # the take is good; another emotion is missing, which is listed
            retakes.append(Retake(speaker, view, sentence, emotion, reason, texts[sentence]))
    return retakes


@cache
def _phonemes(text: str | None) -> tuple[int, ...]:
    """Return the phonemes of an English text; none of another one."""
    try:
        words = pronounce(text or "")
    except (PronunciationError, DictionaryError):
        return ()
    return tuple(column for word in words for column in word.pronunciations[0])
