"""Clips of a prepared dataset as arrays, and what a landmark network measures on frames.

Shared by the benchmarks of what the loss does: `descend.py`, `plugin.py`, `renderer.py`.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.dataset import Dataset
from stccl_data.dataset.layout import utterance_of
from stccl_data.landmarks import LIPS_68, ibug68, open_landmarker

#: iBUG's points of brows and eyes.
BROWS_EYES_68 = np.array([*range(17, 27), *range(36, 48)])
#: The landmark network sees frames enlarged to this size.
_SEEN = 256


def as_frames(images: Tensor) -> NDArray[np.uint8]:
    """Map (..., 3, S, S) in [-1, 1] to (N, S, S, 3) uint8."""
    flat = images.detach().flatten(0, -4)
    return ((flat + 1) * 127.5).round().clamp(0, 255).byte().movedim(1, -1).cpu().numpy()


def as_tensor(frames: NDArray[np.uint8], device: str | torch.device = "cpu") -> Tensor:
    """Map (..., S, S, 3) uint8 to (..., 3, S, S) in [-1, 1]."""
    return torch.from_numpy(frames).to(device).movedim(-1, -3).float() / 127.5 - 1


@dataclass(frozen=True, slots=True, eq=False)
class TalkingClip:
    """The face crops of one clip."""

    clip_id: str
    #: key of its utterance
    utterance: str
    speaker: str
    emotion: str
    sentence: str
    #: (N,) seconds
    times: NDArray[np.float64]
    #: (N, size, size, 3) uint8 RGB
    frames: NDArray[np.uint8]
    #: (N, 68, 2) pixels of `frames`, NaN without a face
    points: NDArray[np.float32]
    #: (N, 2, 3) pixels of the source frame to pixels of `frames`
    transforms: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each frame has a face, (N,)."""
        return ~np.isnan(self.points).any((1, 2))

    @property
    def known_frames(self) -> NDArray[np.intp]:
        """The numbers of the frames with a face."""
        return np.flatnonzero(self.known)

    def windows(self, frames: int, interval: float) -> NDArray[np.intp]:
        """Return all windows of this many frames, so many seconds apart, (n, frames)."""
        step = round(interval / float(np.median(np.diff(self.times))))
        starts = np.arange(len(self.times) - step * (frames - 1))
        windows = starts[:, None] + step * np.arange(frames)
        return windows[self.known[windows].all(1)]


def load_clips(dataset: Dataset, split: str, size: int) -> list[TalkingClip]:
    """Read the clips of a split that are in an accepted pair, in the order of their ids."""
    clips = {}
    for key in dataset.keys(split):
        utterance = dataset[key]
        used = {clip.name for pair in utterance.pairs() for clip in (pair.source, pair.target)}
        for name in used:
            clip = utterance.clips[name]
            stored = clip.frames("face")
            scale = size / stored.shape[1]
            clips[clip.clip_id] = TalkingClip(
                clip.clip_id,
                utterance_of(key),
                utterance.speaker,
                clip.emotion,
                utterance.sentence,
                clip.times,
                np.stack(
                    [cv2.resize(f, (size, size), interpolation=cv2.INTER_AREA) for f in stored]
                ),
                clip.points("face", size=size),
                scale * clip.face_transforms,
            )
    return [clips[clip_id] for clip_id in sorted(clips)]


def cut(frames: NDArray[np.uint8], clip: TalkingClip) -> NDArray[np.uint8]:
    """Cut source frames (N, H, W, 3) as the clip's crops were cut."""
    size = clip.frames.shape[1]
    large = 2  # as fine as the stored crops, then averaged
    return np.stack([
        cv2.resize(
            cv2.warpAffine(frame, large * transform, (large * size, large * size)),
            (size, size), interpolation=cv2.INTER_AREA,
        )
        for frame, transform in zip(frames, clip.transforms, strict=True)
    ])  # fmt: skip


class PointFinder:
    """Finds the 68 points of faces in frames that nobody tracked."""

    def __init__(self) -> None:
        self._landmarker = open_landmarker()

    def find(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (N, 68, 2) pixels of `frames`, (N, S, S, 3); NaN where no face is found."""
        scale = _SEEN / frames.shape[1]
        large = [cv2.resize(f, (_SEEN, _SEEN), interpolation=cv2.INTER_CUBIC) for f in frames]
        points = np.full((len(frames), 68, 2), np.nan)
        for i, faces in enumerate(self._landmarker.detect(large)):
            if faces:
                points[i] = ibug68(faces[0].points) / scale
        return points


def eye_distance(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the distance of the outer eye corners, (N,), of points (N, 68, 2)."""
    return np.linalg.norm(points[:, 45] - points[:, 36], axis=-1)


def opening(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the gap between the lips as a share of the eye distance, (N,)."""
    return np.linalg.norm(points[:, 66] - points[:, 62], axis=-1) / eye_distance(points)


def distance(
    points: NDArray[np.floating], truth: NDArray[np.floating], which: NDArray[np.integer]
) -> NDArray[np.floating]:
    """Return the mean distance of some points from the truth, in % of its eye distance, (N,)."""
    apart = np.linalg.norm(points[:, which] - truth[:, which], axis=-1).mean(1)
    return 100 * apart / eye_distance(truth)


def lips_distance(
    points: NDArray[np.floating], truth: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the mean distance of the lips, as `distance`."""
    return distance(points, truth, LIPS_68)


def correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return Pearson's r over frames where both are known; NaN below three."""
    known = ~(np.isnan(one) | np.isnan(other))
    return float(np.corrcoef(one[known], other[known])[0, 1]) if known.sum() > 2 else float("nan")
