"""The DTW kernel against an independent slow recursion and against dtaidistance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stccl_data.alignment.dtw import OpenEnds, distances, warping_path

matrices = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 10, width=32))
)


def slow_total(cost: np.ndarray, penalty: float) -> float:
    """Compute the cheapest total by recursion from the last cell."""
    n, m = cost.shape
    known: dict[tuple[int, int], float] = {}

    def best(i: int, j: int) -> float:
        if (i, j) == (0, 0):
            return float(cost[0, 0])
        if (i, j) not in known:
            ways = []
            if i and j:
                ways.append(best(i - 1, j - 1))
            if i:
                ways.append(best(i - 1, j) + penalty)
            if j:
                ways.append(best(i, j - 1) + penalty)
            known[i, j] = min(ways) + float(cost[i, j])
        return known[i, j]

    return best(n - 1, m - 1)


@settings(deadline=None)  # the first call compiles
@given(matrices, st.sampled_from([0.0, 0.25, 2.0]))
def test_the_total_is_minimal_and_is_that_of_the_path(cost, penalty):
    path, total = warping_path(cost, side_penalty=penalty)
    assert total == pytest.approx(slow_total(cost, penalty), rel=1e-5, abs=1e-5)
    assert tuple(path[0]) == (0, 0)
    assert tuple(path[-1]) == (cost.shape[0] - 1, cost.shape[1] - 1)
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all()
    assert (steps.sum(axis=1) >= 1).all()
    walked = cost[path[:, 0], path[:, 1]].sum() + penalty * (steps.sum(axis=1) == 1).sum()
    assert total == pytest.approx(float(walked), rel=1e-5, abs=1e-5)


def test_the_total_equals_that_of_dtaidistance():
    dtw_ndim = pytest.importorskip("dtaidistance.dtw_ndim")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(size=(75, 5))
    squares = np.square(a[:, None] - b[None]).sum(axis=2).astype(np.float32)
    _, total = warping_path(squares)
    assert np.sqrt(total) == pytest.approx(dtw_ndim.distance(a, b), rel=1e-5)


def test_distances_are_euclidean():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(7, 4)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    assert np.allclose(distances(a, b), np.linalg.norm(a[:, None] - b[None], axis=2), atol=1e-6)


def test_equal_costs_give_the_diagonal():
    path, _ = warping_path(np.ones((5, 5), np.float32))
    assert np.array_equal(path, np.repeat(np.arange(5)[:, None], 2, axis=1))


@pytest.mark.parametrize(
    "cost", [np.empty((0, 3)), np.full((2, 2), np.nan), np.array([[0.0, np.inf]]), np.zeros(3)]
)
def test_an_empty_or_non_finite_matrix_is_an_error(cost):
    with pytest.raises(ValueError):
        warping_path(cost)


def diagonal_cost(rows, columns):
    """A matrix whose diagonal is cheap."""
    return 1 - 0.9 * np.eye(rows, columns, dtype=np.float32)


def test_a_path_with_an_open_end_stops_where_the_shorter_side_ends():
    ends = OpenEnds(last_row=np.ones(9), last_column=np.ones(6))
    path, total = warping_path(diagonal_cost(6, 9), side_penalty=0.1, ends=ends)
    assert path.tolist() == [[k, k] for k in range(6)]
    assert total == pytest.approx(0.6)
    transposed, _ = warping_path(
        diagonal_cost(9, 6), ends=OpenEnds(last_row=np.ones(6), last_column=np.ones(9))
    )
    assert transposed.tolist() == path.tolist()


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_an_end_that_is_forbidden_or_not_cheap_enough_leaves_the_path_complete(share):
    cost = diagonal_cost(6, 9)
    ends = OpenEnds(last_row=np.full(9, share), last_column=np.zeros(6))
    path, total = warping_path(cost, side_penalty=0.1, ends=ends)
    complete, complete_total = warping_path(cost, side_penalty=0.1)
    assert np.array_equal(path, complete) and total == complete_total
