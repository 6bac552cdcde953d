"""The names in and around the shards: what docs/shards.md says, as code.

One sample is one utterance. Its members, for each clip by its name in the utterance (`angry-3-t001`):

    KEY.json            labels, clips, pairs
    KEY.CLIP.face.mjpg  KEY.CLIP.mouth.mjpg  KEY.CLIP.npz  KEY.CLIP.flac
    KEY.pairs.npz       SOURCE+TARGET.frame_map, .source_time, .target_time
"""

from pathlib import Path

SCHEMA = 1

INDEX = "index.jsonl"
SHARDS = "shards.json"
CLIPS = "clips.parquet"
PAIRS = "pairs.parquet"
FINDINGS = "findings.jsonl"
STATS = "stats.json"
PROVENANCE = "provenance.json"
CARD = "README.md"

#: The arrays of each pair in KEY.pairs.npz.
PAIR_ARRAYS = ("frame_map", "source_time", "target_time")


def shard_name(split: str, number: int) -> str:
    """The shard's path below OUT, such as `shards/train/stccl-train-000000.tar`."""
    return f"shards/{split}/stccl-{split}-{number:06d}.tar"


def shard_pattern(out: Path, split: str) -> list[str]:
    """The shards of a split that lie in `out`, in order."""
    return [str(path) for path in sorted((out / "shards" / split).glob("stccl-*.tar"))]


def pair_name(source: str, target: str) -> str:
    """The pair in KEY.pairs.npz, by the names of its clips. `+` occurs in no clip name."""
    return f"{source}+{target}"
