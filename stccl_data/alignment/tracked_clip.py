"""Two videos ready to be compared frame by frame: their face crops, and which frames match."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.modes import MATCHINGS, Matching
from stccl_data.alignment.warping_path import nearest_frame
from stccl_data.errors import UsageError
from stccl_data.face.track import Track
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals, read_signals
from stccl_data.landmarks import Landmarker, open_landmarker

#: Side of the mouth crop, which nobody looks at: the smallest there is.
_NO_MOUTH = 16


@dataclass(frozen=True, slots=True)
class TrackedClip:
    """A video whose face was tracked."""

    #: with face crops
    track: Track
    #: what the clip is aligned by
    signals: Signals


def read_tracked_clip(path: str | Path, *, sound: bool = True) -> TrackedClip:
    """Track the face of a video and read the signals that it is aligned by.

    Args:
        path: a video file.
        sound: whether to read its sound too; matching frames by time needs none.

    Raises:
        ClipError: the video cannot be read, is too short, or shows no face.
    """
    from stccl_data.face.crop_config import CropConfig
    from stccl_data.face.tracking import track_video

    signals = read_signals(path) if sound else Signals(name=str(path))
    config = CropConfig(mouth_size=_NO_MOUTH)
    video = track_video(str(path), _landmarker(), config, speech=signals.speech)
    track = video.track
    mouth = mouth_features(track.landmarks, track.times, track.valid)
    return TrackedClip(track, replace(signals, mouth=mouth, frame_times=track.times))


@lru_cache(1)
def _landmarker() -> Landmarker:
    """Load the landmark networks once in a process."""
    return open_landmarker()


def match_frames(source: TrackedClip, target: TrackedClip, matching: Matching) -> NDArray[np.int32]:
    """Find the target frame that belongs to each source frame.

    Args:
        source: first clip.
        target: second clip.
        matching: a mode of `align`, or ``time``: the frame at the same time after the clip's start,
            for a clip that was made from the other frame by frame.

    Returns:
        (n_source,) int32, -1 if there is none.

    Raises:
        ClipError: the clips cannot be aligned.
        UsageError: unknown matching.
    """
    if matching not in MATCHINGS:
        raise UsageError(f"unknown alignment {matching!r}; choose one of {', '.join(MATCHINGS)}")
    if matching != "time":
        from stccl_data.alignment.align import AlignConfig, align  # loads numba

        return align(source.signals, target.signals, AlignConfig(mode=matching)).frame_map
    times, target_times = (clip.track.times - clip.track.times[0] for clip in (source, target))
    step = float(np.median(np.diff(target_times)))
    exists = times <= target_times[-1] + step / 2
    return np.where(exists, nearest_frame(target_times, times), -1).astype(np.int32)
