"""The landmarks of a video in one call, for trainers that work on frames of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import UsageError
from stccl_data.landmarks import LandmarkConfig, ibug68, open_landmarker
from stccl_data.media.reduced import Picture
from stccl_data.media.video import Frame, read_frames


def face_points(
    video: str | Path | NDArray[np.uint8],
    fps: float = 25.0,
    landmarks: LandmarkConfig | None = None,
) -> NDArray[np.float32]:
    """Find the 68 landmarks of the speaker's face in each frame of a video.

    They are found as by `stccl prepare`: the face is followed, and its points are smoothed over
    time.

    Args:
        video: a video file, or its frames in order, (N, H, W, 3) uint8 RGB.
        fps: frames per second of an array.
        landmarks: the landmark backend.

    Returns:
        (N, 68, 2) float32, iBUG order, pixels of the frame (pixel (i, j) covers
        [j, j+1) x [i, i+1)), NaN where a frame has no face.

    Raises:
        ClipError: the file cannot be read, or no frame shows a face.
        UsageError: an array of another shape or type.
    """
    from stccl_data.face.crop_config import CropConfig
    from stccl_data.face.tracking import track_frames

    landmarker, config = open_landmarker(landmarks), CropConfig(crops="none")
    if isinstance(video, str | Path):
        path = str(video)
        track = track_frames(path, lambda: read_frames(path), landmarker, config).track
        return ibug68(track.landmarks).astype(np.float32)
    frames = _checked(video)
    count = len(frames)
    if count == 1:
        frames = np.repeat(frames, 2, axis=0)  # a clip has at least two
    track = track_frames("frames", lambda: _as_clip(frames, fps), landmarker, config).track
    return ibug68(track.landmarks[:count]).astype(np.float32)


def _checked(frames: Any) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.asarray(frames)
    if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8 or not len(array):
        raise UsageError(
            f"frames of shape {array.shape} and type {array.dtype}; give (N, H, W, 3) uint8 RGB"
        )
    return array


def _as_clip(frames: NDArray[np.uint8], fps: float) -> Iterator[Frame]:
    for number, image in enumerate(frames):
        yield Frame(number / fps, Picture.of_image(image), corrupt=False)
