"""Phonemes as a guide: they keep a path by cepstra from matching a sound with another one.

Phonemes tell sounds apart in any voice, but place them less exactly than cepstra do. So they find
a first path, and the path by cepstra may not stray far from it.
"""

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import OpenEnds, distances, warping_path
from stccl_data.alignment.guide import cost_near
from stccl_data.features.phonemes import LEVELS_PER_NAT, PhonemeFeatures

#: Weight of the phonemes beside the cepstra in the first path.
_WEIGHT = 1.5


def guided_cost(
    cost: NDArray[np.float32],
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    hop: float,
    side_penalty: float,
    ends: OpenEnds | None,
) -> NDArray[np.float32]:
    """Return the cost matrix up to the end of the path by phonemes, raised far from that path.

    Args:
        cost: (N, M) local costs by cepstra.
        source: (N, P), phonemes of the source on the grid of the matrix, see `phoneme_vectors`.
        target: (M, P), those of the target.
        hop: seconds between grid points.
        side_penalty: as for `warping_path`.
        ends: as for `warping_path`.
    """
    both = np.hypot(cost, np.float32(_WEIGHT) * distances(source, target))
    path, _ = warping_path(both, side_penalty=side_penalty, ends=ends)
    return cost_near(cost, path, hop)


def phoneme_vectors(phonemes: PhonemeFeatures, grid: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the square roots of the phonemes' probabilities at the times of the grid.

    Their Euclidean distance is Hellinger's. The blank is left out and the rest normalised again,
    because the network is sure of a phoneme for one or two rows only.

    Returns:
        (n, P) float32.
    """
    levels = phonemes.levels[:, :-1].astype(np.float32)
    weights = np.exp((levels.min(axis=1, keepdims=True) - levels) / LEVELS_PER_NAT)
    roots = np.sqrt(weights / weights.sum(axis=1, keepdims=True))
    padded = np.pad(roots, ((1, 1), (0, 0)), mode="edge")
    smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    # All columns at once; np.interp, column by column, takes ten times as long.
    position = np.interp(grid, phonemes.times, np.arange(len(smooth)))
    row = np.minimum(position.astype(np.intp), max(0, len(smooth) - 2))
    part = (position - row).astype(np.float32)[:, None]
    following = smooth[np.minimum(row + 1, len(smooth) - 1)]
    return np.asarray(smooth[row] * (1 - part) + following * part, np.float32)
