"""Mouth features: how far the mouth is open, how wide and rounded it is, and how fast that changes.

All measures are lengths on the face divided by the distance of the outer eye corners, so they do
not depend on the frame size. They are taken along the face's own axes, so they do not depend on the
head's roll.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.features.speech import slope
from stccl_data.landmarks import ibug68

#: Fewer frames with a face than this show no movement.
MIN_VALID = 5
#: Half-width of the window in which a velocity is measured, seconds.
SLOPE_S = 0.07
MEASURES = (
    "inner opening",
    "outer opening",
    "width",
    "inner width",
    "jaw",
    "upper lip",
    "lower lip",
)
#: Weight of each measure: a smile changes widths and lips more than speech does; the opening and
#: the jaw follow speech.
WEIGHTS = np.array([1.0, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5])
#: Weight of a measure relative to its velocity, which no emotion offsets.
SHAPE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class MouthFeatures:
    """Mouth features of N frames."""

    #: (N, 7) float32, the MEASURES of each frame, in units of the outer eye corners' distance.
    shape: NDArray[np.float32]
    #: (N, 7) float32, change of `shape` per second.
    velocity: NDArray[np.float32]
    #: (N,) float64, seconds.
    times: NDArray[np.float64]
    #: (N,) bool, False where the values were interpolated from the neighbours.
    valid: NDArray[np.bool_]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, 14): shape and velocity, standardised over the clip, weighted to mean variance 1."""
        both = np.hstack([self.shape, self.velocity])
        seen = both[self.valid]
        weights = np.concatenate([SHAPE_WEIGHT * WEIGHTS, WEIGHTS])
        weights /= np.sqrt(np.mean(weights**2))
        return np.asarray(
            (both - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-6) * weights, np.float32
        )

    @property
    def start(self) -> float:
        """Time of the first frame, seconds."""
        return float(self.times[0])

    @property
    def end(self) -> float:
        """Time of the last frame, seconds."""
        return float(self.times[-1])


def mouth_features(
    landmarks: NDArray[np.floating], times: NDArray[np.floating], valid: NDArray[np.bool_]
) -> MouthFeatures | None:
    """Compute the mouth features of a clip.

    A frame whose landmarks are not finite counts as invalid; the measures of invalid frames are
    interpolated in time from their neighbours.

    Args:
        landmarks: (N, 478, 2) or (N, 68, 2) pixels.
        times: (N,) seconds, ascending.
        valid: (N,) bool.

    Returns:
        None if fewer than MIN_VALID frames show a face.
    """
    points = np.asarray(ibug68(np.asarray(landmarks, np.float64)))
    clock: NDArray[np.float64] = np.asarray(times, np.float64)
    corners = points[:, 45] - points[:, 36]
    scale = np.linalg.norm(corners, axis=1)
    seen = np.asarray(valid, bool) & np.isfinite(points).all(axis=(1, 2)) & (scale > 1e-6)
    if seen.sum() < MIN_VALID:
        return None
    with np.errstate(all="ignore"):
        right = corners / scale[:, None]
        down = np.stack([-right[:, 1], right[:, 0]], axis=1)
        raw = (
            np.stack(
                [
                    _along(points, (61, 62, 63), (67, 66, 65), down),
                    _along(points, (50, 51, 52), (58, 57, 56), down),
                    _along(points, (48,), (54,), right),
                    _along(points, (60,), (64,), right),
                    _along(points, (33,), (8,), down),
                    _along(points, (50, 51, 52), (61, 62, 63), down),
                    _along(points, (67, 66, 65), (58, 57, 56), down),
                ],
                axis=1,
            )
            / scale[:, None]
        )
    shape = np.stack([np.interp(clock, clock[seen], column[seen]) for column in raw.T], axis=1)
    half = max(1, round(SLOPE_S / float(np.median(np.diff(clock)))))
    velocity = slope(shape, half) / slope(clock[:, None], half)
    return MouthFeatures(shape.astype(np.float32), velocity.astype(np.float32), clock, seen)


def _along(
    points: NDArray[np.float64],
    first: tuple[int, ...],
    second: tuple[int, ...],
    axis: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure from the mean of `first` to the mean of `second`, along `axis` (N, 2); (N,)."""
    return np.asarray(
        ((points[:, second].mean(axis=1) - points[:, first].mean(axis=1)) * axis).sum(axis=1)
    )
