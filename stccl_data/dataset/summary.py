"""A prepared dataset in numbers: its content, the reasons of rejections, and its scores."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.clip import emotion_order
from stccl_data.corpora.splits import SPLITS
from stccl_data.dataset.index import ShardInfo, read_shard_list
from stccl_data.dataset.tables import Row, count_notes, read_clips, read_pairs

#: The scores that are summarised, of aligned pairs and of clips that could be read.
SUMMARY_PAIR_SCORES = ("content_score", "cost", "duration_ratio", "longest_repeat", "local_slope")
SUMMARY_CLIP_SCORES = ("face_rate", "eye_distance", "sharpness")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_CLIP_COLUMNS = (
    "clip_id",
    "corpus",
    "speaker",
    "emotion",
    "split",
    "state",
    "reason",
    "utterance",
)
_PAIR_COLUMNS = ("split", "utterance", "source_emotion", "target_emotion", "accepted", "reason")


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """One split. Speakers, utterances, clips, frames and hours are those of accepted pairs."""

    speakers: int
    utterances: int
    clips: int
    #: accepted pairs
    pairs: int
    frames: int
    hours: float
    shards: int
    #: of the shards
    bytes: int


@dataclass(frozen=True, slots=True)
class EmotionPairCounts:
    """The pairs of two emotions."""

    source: str
    target: str
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class ScoreQuantiles:
    """The distribution of one score."""

    #: number of clips or pairs that have the score
    count: int
    #: at QUANTILES; empty if the count is 0
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset in numbers."""

    path: Path
    corpora: tuple[str, ...]
    splits: dict[str, SplitCounts]
    #: reason code -> clips; an empty string for clips in an accepted pair
    clips: dict[str, int]
    #: reason code -> pairs; an empty string for accepted pairs
    pairs: dict[str, int]
    #: emotion -> split -> clips in an accepted pair
    emotions: dict[str, dict[str, int]]
    emotion_pairs: tuple[EmotionPairCounts, ...]
    #: by the name of the score
    scores: dict[str, ScoreQuantiles]
    #: what was done with unusual footage -> clips
    footage: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return text and numbers only, as `stccl info --json` prints them."""
        values = asdict(self)
        values["path"] = str(self.path)
        values["joined"] = list(values.pop("emotion_pairs"))
        names = [f"p{100 * q:.0f}" for q in QUANTILES]
        values["scores"] = {
            score: {"count": quantiles.count, **dict(zip(names, quantiles.values, strict=False))}
            for score, quantiles in self.scores.items()
        }
        return values


def summarise(out: str | Path) -> DatasetSummary:
    """Summarise the tables of the dataset in `out`, without opening a shard.

    Raises:
        ShardError: the folder holds no dataset, or a table cannot be read.
    """
    out = Path(out)
    shards = read_shard_list(out)
    numbers = ("n_frames", "duration_s", *SUMMARY_CLIP_SCORES)
    clips = read_clips(out, _CLIP_COLUMNS, optional=(*numbers, "notes"))
    pairs = read_pairs(out, _PAIR_COLUMNS, optional=SUMMARY_PAIR_SCORES)
    return DatasetSummary(
        path=out,
        corpora=tuple(sorted({clip["corpus"] for clip in clips})),
        splits={split: _split_counts(split, shards, clips, pairs) for split in SPLITS},
        clips=_count_reasons(clips),
        pairs=_count_reasons(pairs),
        emotions=_count_emotions(clips),
        emotion_pairs=_count_emotion_pairs(pairs),
        scores={
            **{score: _quantiles(pair[score] for pair in pairs) for score in SUMMARY_PAIR_SCORES},
            **{score: _quantiles(clip[score] for clip in clips) for score in SUMMARY_CLIP_SCORES},
        },
        footage=count_notes(clip["notes"] for clip in clips),
    )


def _split_counts(
    split: str, shards: Sequence[ShardInfo], clips: Sequence[Row], pairs: Sequence[Row]
) -> SplitCounts:
    used = [clip for clip in clips if clip["split"] == split and clip["state"] == "paired"]
    own = [shard for shard in shards if shard.split == split]
    return SplitCounts(
        speakers=len({(clip["corpus"], clip["speaker"]) for clip in used}),
        utterances=len({clip["utterance"] for clip in used}),
        clips=len(used),
        pairs=sum(pair["split"] == split and pair["accepted"] for pair in pairs),
        frames=sum(clip["n_frames"] or 0 for clip in used),
        hours=sum(clip["duration_s"] or 0.0 for clip in used) / 3600,
        shards=len(own),
        bytes=sum(shard.bytes for shard in own),
    )


def _count_reasons(rows: Iterable[Row]) -> dict[str, int]:
    """Count rows by reason: those in use first, then by frequency."""
    counts = Counter(row["reason"] or "" for row in rows)
    return dict(sorted(counts.items(), key=lambda item: (item[0] != "", -item[1], item[0])))


def _count_emotions(clips: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Count the clips in accepted pairs by emotion and split, in the order of the vocabularies."""
    emotions: dict[str, dict[str, int]] = {}
    for emotion in sorted({clip["emotion"] for clip in clips}, key=emotion_order):
        counts = Counter(
            clip["split"]
            for clip in clips
            if clip["emotion"] == emotion and clip["state"] == "paired"
        )
        if counts:
            emotions[emotion] = {split: counts[split] for split in SPLITS if counts[split]}
    return emotions


def _count_emotion_pairs(pairs: Sequence[Row]) -> tuple[EmotionPairCounts, ...]:
    """Count the pairs of each two emotions, in the order of the vocabulary."""
    counts: defaultdict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for pair in pairs:
        counts[pair["source_emotion"], pair["target_emotion"]][bool(pair["accepted"])] += 1
    order = sorted(counts, key=lambda emotions: [emotion_order(emotion) for emotion in emotions])
    return tuple(
        EmotionPairCounts(*emotions, counts[emotions][True], counts[emotions][False])
        for emotions in order
    )


def _quantiles(values: Iterable[float | None]) -> ScoreQuantiles:
    known = np.array(
        [value for value in values if value is not None and np.isfinite(value)], np.float64
    )
    if not len(known):
        return ScoreQuantiles(0, ())
    return ScoreQuantiles(len(known), tuple(np.quantile(known, QUANTILES).tolist()))
