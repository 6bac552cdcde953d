"""Feature sequences: the sides of a cost matrix, made from a clip's speech and mouth features."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.features.signals import Signals


@dataclass(frozen=True, slots=True)
class FeatureSequence:
    """One side of a cost matrix; the local cost is the distance between two vectors."""

    #: (n,) float64 seconds
    grid: NDArray[np.float64]
    #: (n, D) float32
    vectors: NDArray[np.float32]


def feature_sequence(
    clip: Signals, mode: str, hop: float, mouth_weight: float, lag: float = 0.0
) -> FeatureSequence:
    """Sample a clip's features on a regular grid.

    Args:
        clip: has the features that ``mode`` needs.
        mode: audio, visual or both.
        hop: seconds between grid points.
        mouth_weight: weight of the mouth features beside the speech features in mode `both`.
        lag: seconds by which the clip's frames lag its sound.
    """
    grid = time_grid(clip, mode, hop)
    blocks: list[tuple[float, NDArray[np.float32], NDArray[np.float64]]] = []
    if mode != "visual":
        assert clip.speech is not None
        blocks.append((1.0, clip.speech.vectors, clip.speech.times))
    if mode != "audio":
        assert clip.mouth is not None
        weight = 1.0 if mode == "visual" else mouth_weight
        blocks.append((weight, clip.mouth.vectors, clip.mouth.times - lag))
    scaled = [
        weight / np.sqrt(vectors.shape[1]) * _interpolated(grid, times, vectors)
        for weight, vectors, times in blocks
    ]
    return FeatureSequence(grid, np.hstack(scaled).astype(np.float32))


def time_grid(clip: Signals, mode: str, hop: float) -> NDArray[np.float64]:
    """Return (n,) float64 seconds, every ``hop`` over the mouth track (visual) or the sound."""
    part = clip.mouth if mode == "visual" else clip.speech
    assert part is not None
    points = np.arange(max(1, int((part.end - part.start) / hop + 1e-6)), dtype=np.float64)
    return part.start + (points + 0.5) * hop


def _interpolated(
    grid: NDArray[np.float64], times: NDArray[np.float64], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate vectors (N, D) at ``times`` onto the grid."""
    if len(times) == len(grid) and np.abs(times - grid).max() < 1e-6:
        return vectors
    columns = [np.interp(grid, times, column) for column in vectors.T]
    return np.stack(columns, axis=1).astype(np.float32)
