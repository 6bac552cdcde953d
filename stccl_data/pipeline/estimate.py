"""The disk of OUT: what a run will take of it, what is left, and the sentence for when that is nothing."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.pipeline.survey import frames_of, seconds_of

if TYPE_CHECKING:
    from stccl_data.pipeline.config import PrepareConfig

#: Bytes that a run leaves free: for the tables, the state and the log.
LEAST_FREE = 32 * 2**20


#: Bytes, measured on MEAD at 1920x1080. Of a frame: its landmarks, and the JPEGs of its crops at the default sizes and quality. Of
#: a second of sound: what it is aligned by, and its FLAC (RAVDESS: 12,500).
_LANDMARKS, _FACE, _MOUTH, _FEATURES, _FLAC = 4_000, 14_500, 3_400, 13_000, 40_000


def needed_bytes(config: "PrepareConfig", corpus: str, clips: Iterable[Clip]) -> int:
    """Roughly what extracting these clips adds to the disk: all of it in `work`, and pictures and sound again in the shards.

    A JPEG grows with its side to the power of 1.5 (measured from 224 to 1024 pixels), and halves from quality 95 to 80.
    """
    clips = list(clips)
    frame = 0.0
    if config.crops != "none":
        sides = _FACE * (config.face_size / 224) ** 1.5 + _MOUTH * (config.mouth_size / 96) ** 1.5
        frame = _LANDMARKS + sides * max(0.25, 0.5 ** ((95 - config.jpeg_quality) / 15))
    seconds = len(clips) * seconds_of(corpus)
    frames = sum(frames_of(corpus, clip) for clip in clips)
    return int(2 * frames * frame + seconds * (_FEATURES + (2 * _FLAC if config.audio else 0)))


def size_words(count: float) -> str:
    """Bytes as people say them, such as `1.2 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count:.0f} B"


def free_bytes(out: Path) -> int:
    """What is free on the disk where `out` is or will be."""
    return shutil.disk_usage(next(folder for folder in (out, *out.parents) if folder.exists())).free


def full_disk(place: Path, detail: str) -> str:
    """The sentence for a disk that is full."""
    return f"nothing more can be written to {place} ({detail}): {Reason.DISK_FULL.advice}"
