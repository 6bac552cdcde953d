"""Names of the files of a prepared dataset and of the members of its samples; see docs/shards.md.

One sample is one utterance. ``CLIP`` is the name of a clip within it, such as ``angry-3-t001``:

    KEY.json            labels, clips, pairs
    KEY.CLIP.face.mjpg  KEY.CLIP.mouth.mjpg  KEY.CLIP.npz  KEY.CLIP.flac
    KEY.pairs.npz       SOURCE+TARGET.frame_map, .source_time, .target_time
"""

import re

#: Version of the format. Readers refuse a dataset of a newer one.
SCHEMA = 1

INDEX = "index.jsonl"
SHARDS = "shards.json"
CLIPS = "clips.parquet"
PAIRS = "pairs.parquet"
FINDINGS = "findings.jsonl"
STATS = "stats.json"
PROVENANCE = "provenance.json"
CARD = "README.md"

#: The crops that a clip can have.
CROPS = ("face", "mouth")

#: The arrays of each pair in KEY.pairs.npz.
PAIR_ARRAYS = ("frame_map", "source_time", "target_time")


def shard_name(split: str, number: int) -> str:
    """Return the path of a shard relative to OUT: `shards/train/stccl-train-000000.tar`."""
    return f"shards/{split}/stccl-{split}-{number:06d}.tar"


def pair_name(source: str, target: str) -> str:
    """Return the name of a pair in KEY.pairs.npz from its clips' names, which contain no `+`."""
    return f"{source}+{target}"


def part_key(utterance: str, part: int) -> str:
    """Return the key of the sample that holds this part of an utterance; parts count from 1."""
    return utterance if part == 1 else f"{utterance}+p{part}"


def utterance_of(key: str) -> str:
    """Return the utterance that a sample belongs to: its key without the suffix of a part."""
    return re.sub(r"\+p\d+$", "", key)
