"""Phonemes as a guide: they keep a path by cepstra from matching a sound with another one.

Phonemes tell sounds apart in any voice, but place them less exactly than cepstra do. So they find
a first path, and the path by cepstra may not stray far from it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import OpenEnds, compiled, distances, warping_path
from stccl_data.features.phonemes import LEVELS_PER_NAT, PhonemeFeatures

#: Weight of the phonemes beside the cepstra in the first path.
_WEIGHT = 1.5
#: Seconds that the second path may stray from the first, and the cost of each second beyond.
_BAND_S = 0.05
_COST_PER_S = 3.0


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
    rows, columns = path[-1] + 1
    return np.asarray(
        _raised(cost[:rows, :columns], path, _BAND_S / hop, np.float32(_COST_PER_S * hop)),
        np.float32,
    )


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


@compiled
def _raised(cost: Any, path: Any, band: float, slope: Any) -> Any:
    """Return the cost plus ``slope`` for each step beyond ``band`` steps from the path."""
    n, m = cost.shape
    column_of, row_of = np.zeros(n), np.zeros(m)
    in_row, in_column = np.zeros(n), np.zeros(m)
    for k in range(len(path)):
        i, j = path[k, 0], path[k, 1]
        column_of[i] += j
        in_row[i] += 1
        row_of[j] += i
        in_column[j] += 1
    column_of /= in_row
    row_of /= in_column
    out = np.empty((n, m), np.float32)
    for i in range(n):
        for j in range(m):
            away = min(abs(j - column_of[i]), abs(i - row_of[j]))
            out[i, j] = cost[i, j] + slope * np.float32(max(0.0, away - band))
    return out
