"""Intervals of means beside SciPy's, and how often they cover the truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from stccl_train.eval.intervals import Interval, mean_interval


def test_with_equally_many_values_it_is_students_t_over_the_means_of_units() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (4, 5))
    interval = mean_interval(values.ravel(), np.repeat(list("abcd"), 5).tolist())
    means = values.mean(axis=1)
    expected = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert interval.mean == pytest.approx(values.mean()) and interval.units == 4


def test_a_single_unit_has_no_width_and_proves_nothing() -> None:
    interval = mean_interval([0.25, 0.75], ["a", "a"])
    assert interval == Interval(0.5, 0.5, 0.5, 1)
    assert not interval.above_zero


def test_a_unit_with_one_value_weighs_as_one_value() -> None:
    """The mean is that of the values, whatever their units."""
    assert mean_interval([1, 1, 1, 5], ["a", "a", "a", "b"]).mean == 2


def skewed(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Mean 0, standard deviation 1, skewness 1."""
    return np.asarray((rng.gamma(4, size=size) - 4) / 2)


def normal(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    return rng.standard_normal(size)


@pytest.mark.parametrize("draw", [normal, skewed])
@pytest.mark.parametrize(
    "clips", [[1] * 4, [1] * 6, [1] * 30, [10, 10], [5, 5, 5], [2, 3, 5, 5], [3] * 10], ids=str
)
def test_clips_clustered_in_speakers_are_covered(draw, clips: list[int]) -> None:  # type: ignore[no-untyped-def]
    """A third of the variance is the speaker's."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(len(clips)), clips)
    covered = 0
    for _ in range(1000):
        speaker, clip = draw(rng, len(clips)), draw(rng, len(speakers))
        values = 0.3**0.5 * speaker[speakers] + 0.7**0.5 * clip
        interval = mean_interval(values, speakers.tolist())
        covered += interval.low <= 0 <= interval.high
    assert covered >= 920
