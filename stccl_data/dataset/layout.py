"""Names of the files of a prepared dataset and of the members of its samples; see docs/shards.md.

One sample is one utterance. Its members have the same names whatever clips it holds:

    KEY.json                        labels, clips, pairs
    KEY.face.mjpg  KEY.mouth.mjpg   the crops of all clips
    KEY.clips.npz                   the arrays of all clips
    KEY.flac                        the sound of all clips
    KEY.pairs.npz                   the arrays of all pairs
"""

import re
from typing import NamedTuple

#: Version of the format. Readers refuse a dataset of a newer one.
SCHEMA = 2

INDEX = "index.jsonl"
SHARDS = "shards.json"
CLIPS = "clips.parquet"
PAIRS = "pairs.parquet"
FINDINGS = "findings.jsonl"
STATS = "stats.json"
PROVENANCE = "provenance.json"
CARD = "README.md"
#: The picture of the card; missing if the shards hold no crops.
CARD_PICTURE = "pairs.webp"

#: The folder in OUT that `stccl report` writes by default.
REPORT = "report"

#: The folder in OUT that new shards are written into while the old ones are in use.
STAGED = "shards.new"

#: The crops that a clip can have.
CROPS = ("face", "mouth")

#: Suffixes of the members of a sample.
LABELS, CLIP_ARRAYS, PAIR_ARRAYS, SOUND = "json", "clips.npz", "pairs.npz", "flac"
CROP_MEMBERS = {crop: f"{crop}.mjpg" for crop in CROPS}


class FrameArray(NamedTuple):
    """What an array of a clip holds for each frame."""

    dtype: str
    #: after the frame axis; None: any number of landmarks
    shape: tuple[int | None, ...] = ()
    #: whether a tracked clip always has it; the others are NaN if the landmarks bring none
    required: bool = True


#: The arrays of a clip that have a row per frame, as `Track.tables` names them.
FRAME_ARRAYS = {
    "times": FrameArray("float64"),
    "valid": FrameArray("bool"),
    "presence": FrameArray("float32", required=False),
    "face_transforms": FrameArray("float64", (2, 3)),
    "mouth_transforms": FrameArray("float64", (2, 3)),
    "blendshapes": FrameArray("float16", (52,), required=False),
    "landmarks": FrameArray("float32", (None, 2)),
}

#: The arrays of a pair.
PATH_ARRAYS = ("frame_map", "source_time", "target_time")


def member_suffixes(crops: bool, audio: bool) -> tuple[str, ...]:
    """Return the suffixes of the members of every sample of a dataset, sorted.

    Args:
        crops: the dataset has crops.
        audio: the dataset has sound.
    """
    optional = [*(CROP_MEMBERS.values() if crops else ()), *((SOUND,) if audio else ())]
    return tuple(sorted([LABELS, CLIP_ARRAYS, PAIR_ARRAYS, *optional]))


def shard_name(split: str, number: int) -> str:
    """Return the path of a shard relative to OUT: `shards/train/stccl-train-000000.tar`."""
    return f"shards/{split}/stccl-{split}-{number:06d}.tar"


def pair_name(source: str, target: str) -> str:
    """Return the name of a pair from its clips' names, which contain no `+`."""
    return f"{source}+{target}"


def part_key(utterance: str, part: int) -> str:
    """Return the key of the sample that holds this part of an utterance; parts count from 1."""
    return utterance if part == 1 else f"{utterance}+p{part}"


def utterance_of(key: str) -> str:
    """Return the utterance that a sample belongs to: its key without the suffix of a part."""
    return re.sub(r"\+p\d+$", "", key)


def sentence_of(key: str) -> str:
    """Return the sentence of a sample, whoever says it: ``mead/s009``."""
    words = utterance_of(key).split("/")
    return f"{words[0]}/{words[-1]}"
