"""Dynamic time warping: the cheapest monotone path through a cost matrix, compiled with numba.

    >>> path, total = warping_path(cost)

A 4 s pair on a 10 ms grid (160,000 cells) takes about a millisecond.
Sakoe & Chiba, IEEE Trans. ASSP 26(1), 1978.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# How a cell is reached: which of the two sides advances.
_START, _DIAGONAL, _SOURCE, _TARGET = range(4)


@dataclass(frozen=True, slots=True)
class OpenEnds:
    """Where a path may end if one of the two sides is incomplete.

    Each value is a share of the mean cost of the complete path. A path may end in a cell if its
    mean cost, per cell, is below that share; 0 forbids the cell.
    """

    #: (M,) for the cells of the last row: the row side is incomplete, and ends first
    last_row: NDArray[np.float64]
    #: (N,) for the cells of the last column: the column side is incomplete, and ends first
    last_column: NDArray[np.float64]


def warping_path(
    cost: NDArray[np.float32], *, side_penalty: float = 0.0, ends: OpenEnds | None = None
) -> tuple[NDArray[np.int32], float]:
    """Find the cheapest path from the first cell to the last by steps (1,1), (1,0) and (0,1).

    Ties prefer the diagonal, then a step of the source alone. With open ends, the path ends in the
    allowed cell with the least mean cost; in the last cell if none is allowed.

    Args:
        cost: (N, M) float, finite, not negative.
        side_penalty: added to each step in which one side stands still.
        ends: where the path may end before the last cell; by default nowhere.

    Returns:
        The path, (K, 2) int32 of (row, column), both never falling, and its total: the sum of the
        costs of its cells and its penalties.

    Raises:
        ValueError: the matrix is empty or holds a value that is not finite.
    """
    cost = np.ascontiguousarray(cost, np.float32)
    if cost.ndim != 2 or cost.size == 0:
        raise ValueError(
            f"a cost matrix needs two sides of at least one frame each, not shape {cost.shape}"
        )
    if not np.isfinite(cost).all():
        raise ValueError("the cost matrix holds values that are not finite")
    reached = _Reached(*_accumulate(cost, side_penalty))
    row, column = _last_cell(reached, ends)
    total = reached.row_total[column] if row == len(cost) - 1 else reached.column_total[row]
    return _backtrack(reached.steps, row, column), float(total)


@dataclass(frozen=True, slots=True)
class _Reached:
    """What the cheapest paths to the cells of a matrix cost."""

    #: (N, M), the last step to each cell
    steps: NDArray[np.uint8]
    #: (M,) each, total and number of cells of the path to each cell of the last row
    row_total: NDArray[np.float64]
    row_length: NDArray[np.float64]
    #: (N,) each, the same for the last column
    column_total: NDArray[np.float64]
    column_length: NDArray[np.float64]


def _last_cell(reached: _Reached, ends: OpenEnds | None) -> tuple[int, int]:
    """Return (row, column) of the cell in which the path ends."""
    n, m = reached.steps.shape
    if ends is None:
        return n - 1, m - 1
    complete = reached.row_total[-1] / reached.row_length[-1]
    best, cell = np.inf, (n - 1, m - 1)
    for total, length, share, is_row in (
        (reached.row_total, reached.row_length, ends.last_row, True),
        (reached.column_total, reached.column_length, ends.last_column, False),
    ):
        mean = np.where(total / length < share * complete, total / length, np.inf)
        end = int(mean.argmin())
        if mean[end] < best:
            best, cell = mean[end], (n - 1, end) if is_row else (end, m - 1)
    return cell


def distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Euclidean distances (n, m) between the rows of (n, D) and (m, D).

    Compiled instead of a matrix product: as fast at this size, the same on every machine, and
    without the threads of a BLAS library, which compete with one process per core.
    """
    result: NDArray[np.float32] = _distances(
        np.ascontiguousarray(a, np.float32), np.ascontiguousarray(b.T, np.float32)
    )
    return result


def _distances_loop(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take b as (D, m), so that the inner loop runs along memory."""
    n, d = a.shape
    m = b.shape[1]
    out = np.zeros((n, m), np.float32)
    for i in range(n):
        for k in range(d):
            for j in range(m):
                difference = a[i, k] - b[k, j]
                out[i, j] += difference * difference
        for j in range(m):
            out[i, j] = np.sqrt(out[i, j])
    return out


def _accumulate_loop(cost: Any, penalty: float) -> tuple[Any, Any, Any, Any, Any]:
    """Accumulate row by row and keep the steps, one byte per cell, and what `_Reached` lists."""
    n, m = cost.shape
    steps = np.empty((n, m), np.uint8)
    above, above_length = np.full(m, np.inf), np.zeros(m)
    row, length = np.empty(m), np.empty(m)
    column_total, column_length = np.empty(n), np.empty(n)
    for i in range(n):
        for j in range(m):
            best, cells, step = np.inf, 0.0, _START
            if i > 0 and j > 0:
                best, cells, step = above[j - 1], above_length[j - 1], _DIAGONAL
            if i > 0 and above[j] + penalty < best:
                best, cells, step = above[j] + penalty, above_length[j], _SOURCE
            if j > 0 and row[j - 1] + penalty < best:
                best, cells, step = row[j - 1] + penalty, length[j - 1], _TARGET
            if step == _START:
                best = 0.0
            row[j], length[j] = best + cost[i, j], cells + 1
            steps[i, j] = step
        above[:], above_length[:] = row, length
        column_total[i], column_length[i] = row[m - 1], length[m - 1]
    return steps, above, above_length, column_total, column_length


def _backtrack_loop(steps: NDArray[np.uint8], i: int, j: int) -> NDArray[np.int32]:
    """Return the path to cell (i, j)."""
    path = np.empty((i + j + 2, 2), np.int32)
    k = i + j + 2
    while True:
        k -= 1
        path[k, 0], path[k, 1] = i, j
        step = steps[i, j]
        if step == _START:
            return path[k:].copy()
        if step != _TARGET:
            i -= 1
        if step != _SOURCE:
            j -= 1


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``loop``, cached on disk if numba finds a folder that it can write to."""
    try:
        return numba.njit(cache=True, nogil=True)(loop)  # type: ignore[no-any-return]
    except RuntimeError:  # "no locator available": a read-only installation without a home folder
        return numba.njit(nogil=True)(loop)  # type: ignore[no-any-return]


_distances = compiled(_distances_loop)
_accumulate = compiled(_accumulate_loop)
_backtrack = compiled(_backtrack_loop)
