"""Landmarks of a video file, and of an array of frames, in one call."""

from pathlib import Path

import numpy as np
import pytest

from stccl_data import face_points
from stccl_data.errors import ClipError, UsageError
from stccl_data.media.video import read_frames


def test_an_array_has_the_points_of_its_file(video: Path) -> None:
    from_file = face_points(video)
    frames = np.stack([frame.image for frame in read_frames(video)])
    from_array = face_points(frames, fps=10)
    assert from_file.shape == (len(frames), 68, 2) and from_file.dtype == np.float32
    np.testing.assert_allclose(from_array, from_file, atol=0.05)
    lips = from_file[:, 48:].mean(axis=(0, 1))
    assert (from_file[:, :27, 1].mean() < lips[1]) and (lips > 0).all() and (lips < 192).all()
    assert np.isfinite(face_points(frames[:1])).all()


def test_frames_without_a_face_or_of_another_type_are_errors() -> None:
    with pytest.raises(ClipError, match="no face"):
        face_points(np.zeros((3, 64, 64, 3), np.uint8))
    with pytest.raises(UsageError, match=r"\(3, 64, 64, 3\) and type float64; give.*uint8 RGB"):
        face_points(np.zeros((3, 64, 64, 3)))
