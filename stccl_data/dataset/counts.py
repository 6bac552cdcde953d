"""The counts of a dataset that stats.json holds and the dataset card shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stccl_data.corpora.splits import SPLITS


def dataset_counts(
    clips: Sequence[Mapping[str, Any]],
    pairs: Sequence[Mapping[str, Any]],
    shards: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Count clips, pairs and shards: the content of stats.json.

    Speakers, emotions, frames and hours count the clips that are in an accepted pair.

    Args:
        clips: rows of clips.parquet.
        pairs: rows of pairs.parquet.
        shards: records of shards.json.
    """
    used = [clip for clip in clips if clip["state"] == "paired"]
    return {
        "clips": len(clips),
        "clips_by_state": dict(Counter(clip["state"] for clip in clips)),
        "clips_by_reason": dict(Counter(clip["reason"] for clip in clips if clip["reason"])),
        "pairs": len(pairs),
        "pairs_accepted": sum(pair["accepted"] for pair in pairs),
        "pairs_by_reason": dict(Counter(pair["reason"] for pair in pairs if pair["reason"])),
        "speakers": {
            split: len({clip["speaker"] for clip in used if clip["split"] == split})
            for split in SPLITS
        },
        "emotions": dict(sorted(Counter(clip["emotion"] for clip in used).items())),
        "consenting_speakers": len({clip["speaker"] for clip in used if clip.get("consent")}),
        "frames": sum(clip["n_frames"] or 0 for clip in used),
        "hours": round(sum(clip["duration_s"] or 0 for clip in used) / 3600, 4),
        "utterances": {
            split: sum(s["utterances"] for s in shards if s["split"] == split) for split in SPLITS
        },
        "shards": {split: sum(s["split"] == split for s in shards) for split in SPLITS},
        "bytes": sum(shard["bytes"] for shard in shards),
    }
