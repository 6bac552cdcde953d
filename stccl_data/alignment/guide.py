"""Guides: a first path that tells roughly where the path by cepstra has to lead."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import compiled
from stccl_data.alignment.warping_path import TimePath, Times

#: Seconds that a path may stray from its guide, and the cost of each second beyond.
_BAND_S = 0.05
_COST_PER_S = 3.0


def cost_near(
    cost: NDArray[np.float32], guide: NDArray[np.integer], hop: float
) -> NDArray[np.float32]:
    """Return the cost matrix up to the end of the guide, raised far from it.

    Args:
        cost: (N, M) local costs.
        guide: (K, 2) row and column of each cell of the guide; no row or column before its end may
            be missing.
        hop: seconds between grid points.
    """
    rows, columns = guide[-1] + 1
    raised = _raised(cost[:rows, :columns], guide, _BAND_S / hop, np.float32(_COST_PER_S * hop))
    return np.asarray(raised, np.float32)


def path_cells(path: TimePath, source_grid: Times, target_grid: Times) -> NDArray[np.int32]:
    """Convert a path in seconds to the cells (K, 2) of a grid that it passes.

    It starts in the first cell, so that it misses no row and no column before its end.
    """
    source, target = path
    hop = float(source_grid[1] - source_grid[0]) if len(source_grid) > 1 else 1.0
    along = np.concatenate([[0.0], np.cumsum(np.diff(source) + np.diff(target))])
    steps = np.arange(0.0, along[-1] + hop / 2, hop / 2)
    cells = []
    for times, grid in ((source, source_grid), (target, target_grid)):
        index = np.interp(np.interp(steps, along, times), grid, np.arange(len(grid)))
        last = round(float(index[-1]))
        inner = np.rint(index).astype(np.int32)
        cells.append(np.concatenate([np.arange(inner[0]), inner, [last]]))
    length = max(len(side) for side in cells)
    # Until both sides have reached the start of the path, the shorter one waits in its first cell.
    padded = [np.concatenate([np.full(length - len(side), side[0]), side]) for side in cells]
    return np.stack(padded, axis=1).astype(np.int32)


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
