"""A prepared dataset in numbers: what it holds, what was refused and why, and how its scores are spread."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.clip import EMOTIONS
from stccl_data.corpora.splits import SPLITS
from stccl_data.dataset.index import ShardInfo, read_shard_list
from stccl_data.dataset.tables import Row, read_clips, read_pairs

#: The scores that are shown, of every pair that was aligned and of every clip that was read.
SHOWN_PAIR_SCORES = ("content_score", "cost", "duration_ratio", "longest_repeat", "local_slope")
SHOWN_CLIP_SCORES = ("face_rate", "eye_distance", "sharpness")
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
    """One split. Clips, frames and hours count the clips in an accepted pair; `pairs` the accepted ones; `bytes` the shards."""

    speakers: int
    utterances: int
    clips: int
    pairs: int
    frames: int
    hours: float
    shards: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How a score is spread over the `count` clips or pairs that have it. `values`: at QUANTILES; empty where count is 0."""

    count: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """The dataset in `path`.

    clips, pairs: how many there are by reason, `""` for those in use. emotions: emotion -> split -> clips in an accepted pair.
    joined: (source emotion, target emotion) -> (accepted, refused). scores: pairs' and clips' scores by name.
    """

    path: Path
    corpora: tuple[str, ...]
    splits: dict[str, SplitCounts]
    clips: dict[str, int]
    pairs: dict[str, int]
    emotions: dict[str, dict[str, int]]
    joined: dict[tuple[str, str], tuple[int, int]]
    scores: dict[str, Spread]

    def as_dict(self) -> dict[str, Any]:
        """Text and numbers only, as `stccl info --json` prints them."""
        values = asdict(self)
        values["path"] = str(self.path)
        values["joined"] = [
            {"source": source, "target": target, "accepted": accepted, "refused": refused}
            for (source, target), (accepted, refused) in self.joined.items()
        ]
        names = [f"p{100 * q:.0f}" for q in QUANTILES]
        values["scores"] = {
            score: {"count": spread.count, **dict(zip(names, spread.values, strict=False))}
            for score, spread in self.scores.items()
        }
        return values


def summarise(out: str | Path) -> DatasetSummary:
    """Read the tables of the dataset in `out`; no shard is opened. Raises ShardError where it is none."""
    out = Path(out)
    shards = read_shard_list(out)
    clips = read_clips(out, _CLIP_COLUMNS, optional=("n_frames", "duration_s", *SHOWN_CLIP_SCORES))
    pairs = read_pairs(out, _PAIR_COLUMNS, optional=SHOWN_PAIR_SCORES)
    emotions: dict[str, dict[str, int]] = {}
    for emotion in EMOTIONS:
        counts = Counter(
            clip["split"]
            for clip in clips
            if clip["emotion"] == emotion and clip["state"] == "paired"
        )
        if counts:
            emotions[emotion] = {split: counts[split] for split in SPLITS if counts[split]}
    joined: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for pair in pairs:
        joined[pair["source_emotion"], pair["target_emotion"]][not pair["accepted"]] += 1
    order = sorted(joined, key=lambda both: [EMOTIONS.index(emotion) for emotion in both])
    return DatasetSummary(
        path=out,
        corpora=tuple(sorted({clip["corpus"] for clip in clips})),
        splits={split: _split(split, shards, clips, pairs) for split in SPLITS},
        clips=_by_reason(clips),
        pairs=_by_reason(pairs),
        emotions=emotions,
        joined={both: (joined[both][0], joined[both][1]) for both in order},
        scores={
            **{score: _spread(pair[score] for pair in pairs) for score in SHOWN_PAIR_SCORES},
            **{score: _spread(clip[score] for clip in clips) for score in SHOWN_CLIP_SCORES},
        },
    )


def _split(
    split: str, shards: Sequence[ShardInfo], clips: Sequence[Row], pairs: Sequence[Row]
) -> SplitCounts:
    used = [clip for clip in clips if clip["split"] == split and clip["state"] == "paired"]
    mine = [shard for shard in shards if shard.split == split]
    return SplitCounts(
        speakers=len({(clip["corpus"], clip["speaker"]) for clip in used}),
        utterances=len({clip["utterance"] for clip in used}),
        clips=len(used),
        pairs=sum(pair["split"] == split and pair["accepted"] for pair in pairs),
        frames=sum(clip["n_frames"] or 0 for clip in used),
        hours=sum(clip["duration_s"] or 0.0 for clip in used) / 3600,
        shards=len(mine),
        bytes=sum(shard.bytes for shard in mine),
    )


def _by_reason(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows by reason, most first, those in use before all."""
    counts = Counter(row["reason"] or "" for row in rows)
    return dict(sorted(counts.items(), key=lambda item: (item[0] != "", -item[1], item[0])))


def _spread(values: Iterable[float | None]) -> Spread:
    known = np.array(
        [value for value in values if value is not None and np.isfinite(value)], np.float64
    )
    return Spread(
        len(known),
        tuple(float(value) for value in np.quantile(known, QUANTILES)) if len(known) else (),
    )
