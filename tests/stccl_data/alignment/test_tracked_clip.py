"""Matching the frames of two tracked clips."""

import numpy as np
import pytest

from stccl_data.alignment.tracked_clip import TrackedClip, match_frames
from stccl_data.errors import UsageError
from stccl_data.face.track import Track
from stccl_data.features.signals import Signals


def clip(times: list[float]) -> TrackedClip:
    """A clip without crops and signals."""
    n = len(times)
    transforms = np.full((n, 2, 3), np.nan)
    landmarks = np.full((n, 68, 2), np.nan, np.float32)
    track = Track(np.array(times), np.ones(n, bool), landmarks, transforms, transforms, np.ones(n))
    return TrackedClip(track, Signals())


def test_by_time_frames_match_at_equal_times_after_the_start() -> None:
    source, target = clip([0.0, 0.04, 0.08, 0.12]), clip([1.0, 1.04, 1.08])
    assert match_frames(source, target, "time").tolist() == [0, 1, 2, -1]


def test_by_time_frames_of_another_rate_match_the_nearest() -> None:
    source, target = clip([0.0, 0.02, 0.04, 0.06]), clip([0.0, 0.04])
    frame_map = match_frames(source, target, "time")
    assert frame_map[[0, 2]].tolist() == [0, 1] and frame_map.dtype == np.int32


def test_an_unknown_matching_is_an_error() -> None:
    with pytest.raises(UsageError, match="lips"):
        match_frames(clip([0.0, 0.1]), clip([0.0, 0.1]), "lips")  # type: ignore[arg-type]
