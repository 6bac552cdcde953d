"""Estimate what preparing clips costs (frames, core hours, disk), before any file is opened."""

import math
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stccl_data.clip import Clip
from stccl_data.corpora.tree import VIDEO_SUFFIXES, suffix_of
from stccl_data.errors import Reason

if TYPE_CHECKING:
    from stccl_data.pipeline.config import PrepareConfig

#: Frames per second that one core tracks and crops, measured at 1920x1080.
FRAMES_PER_CORE_SECOND = 32

#: Frames of a clip. MEAD: 4.0 million in 31,060. RAVDESS: 4 s at 30 fps. CREMA-D: 2.5 s at 30 fps,
#: not verified.
FRAMES_PER_CLIP = {"mead": 129, "ravdess": 120, "cremad": 75}
FRAMES_PER_OWN_CLIP = 120  # a guess: nothing is known before the files are opened
FRAME_RATE = 30  # frames per second of these corpora

#: Bytes of a stored frame at the default options: face crop, mouth crop and landmarks. Measured on
#: MEAD at 1920x1080 (22,400) and at 256x256 (20,800).
BYTES_PER_FRAME = 22_000

#: Bytes of a frame's landmarks, and of its crops as JPEG at the default sizes and quality. Measured
#: on MEAD at 1920x1080.
_LANDMARKS, _FACE, _MOUTH = 4_000, 14_500, 3_400
#: Bytes of one second of sound: its alignment features, and its FLAC (RAVDESS: 12,500).
_FEATURES, _FLAC = 13_000, 40_000

#: Bytes that a run leaves free, for the tables, the state and the log.
LEAST_FREE = 32 * 2**20


def seconds_of(corpus: str) -> float:
    """Return the average duration of a clip of the corpus, in seconds."""
    return FRAMES_PER_CLIP.get(corpus, FRAMES_PER_OWN_CLIP) / FRAME_RATE


def total_frames(corpus: str, clips: Iterable[Clip]) -> int:
    """Return about how many frames the clips have. Clips of sound alone have none."""
    seconds = sum(
        _seconds(corpus, clip) for clip in clips if suffix_of(clip.path) in VIDEO_SUFFIXES
    )
    return round(seconds * FRAME_RATE)


def _seconds(corpus: str, clip: Clip) -> float:
    """Return how long a clip is: as its cut says, or as the clips of its corpus are."""
    if clip.cut is None or math.isinf(clip.cut.end):
        return seconds_of(corpus)
    return clip.cut.end - clip.cut.start


def core_hours(frames: int) -> float:
    """Return about how long one core takes to extract this many frames, in hours."""
    return frames / FRAMES_PER_CORE_SECOND / 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """What extracting some clips costs."""

    clips: int
    #: estimated
    frames: int
    #: estimated
    core_hours: float
    #: estimated growth of OUT
    bytes: int


def needed_bytes(
    config: "PrepareConfig", corpus: str, clips: Iterable[Clip], unpaired: Collection[str] = ()
) -> int:
    """Return about how much disk space extracting the clips takes.

    Crops and sound are stored twice, in `work` and in the shards, or once with `drop_work`;
    landmarks twice; alignment features, and clips that are in no pair, in `work` only. The size of
    a JPEG grows with its side to the power of 1.5 (measured from 224 to 1024 pixels) and halves
    from quality 95 to 80.

    Args:
        config: the options of the run.
        corpus: the name of the corpus.
        clips: the clips to extract.
        unpaired: ids of clips that are in no pair.
    """
    clips = list(clips)
    in_shards = [clip for clip in clips if clip.clip_id not in unpaired]
    landmarks = crops = 0.0
    if config.crops != "none":
        sides = _FACE * (config.face_size / 224) ** 1.5 + _MOUTH * (config.mouth_size / 96) ** 1.5
        landmarks, crops = _LANDMARKS, sides * max(0.25, 0.5 ** ((95 - config.jpeg_quality) / 15))
    twice = [] if config.drop_work else in_shards
    frames = total_frames(corpus, clips)
    needed = (frames + total_frames(corpus, in_shards)) * landmarks
    needed += (frames + total_frames(corpus, twice)) * crops
    flac = _FLAC * (len(clips) + len(twice)) if config.audio else 0
    return int(needed + (_FEATURES * len(clips) + flac) * seconds_of(corpus))


def free_bytes(out: Path) -> int:
    """Return the free space of the disk that `out` is on, or will be on."""
    return shutil.disk_usage(next(folder for folder in (out, *out.parents) if folder.exists())).free


def disk_full_message(folder: Path, detail: str) -> str:
    """Return the error message for a full disk."""
    return f"cannot write to {folder} ({detail}): {Reason.DISK_FULL.advice}"
