"""Paired differences beside SciPy's."""

import pytest
from scipy.stats import binomtest

from stccl_train.eval.intervals import mean_interval
from stccl_train.measures.statistics import paired_difference, sign_test


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 1), (3, 3), (12, 2), (0, 9)])
def test_the_sign_test_is_the_exact_binomial_test(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_the_interval_is_over_speakers_and_wins_are_over_clips() -> None:
    gains, speakers = [0.1, 0.3, -0.2, 0.4, 0.5, 0.1], list("aabbcc")
    result = paired_difference(gains, speakers)
    interval = mean_interval(gains, speakers)
    assert result is not None and interval.units == 3
    assert (result.mean, result.low, result.high) == (interval.mean, interval.low, interval.high)
    assert (result.n, result.wins, result.ties) == (6, 5, 0)


def test_equal_clips_are_neither_won_nor_lost() -> None:
    result = paired_difference([0.0, 0.0, 1.0], list("abc"))
    assert result is not None and (result.wins, result.ties, result.p) == (1, 2, 1.0)


def test_one_speaker_has_no_interval() -> None:
    result = paired_difference([0.3, 0.4], ["a", "a"])
    assert result is not None and (result.low, result.high) == (None, None)


def test_without_clips_there_is_no_difference() -> None:
    assert paired_difference([], []) is None
