"""Paired differences beside SciPy's."""

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from stccl_train.measures.statistics import paired_difference, sign_test


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 1), (3, 3), (12, 2), (0, 9)])
def test_the_sign_test_is_the_exact_binomial_test(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_the_interval_is_a_percentile_bootstrap_over_clips() -> None:
    gains = np.random.default_rng(0).normal(0.3, 1, 25)
    result = paired_difference(list(gains))
    assert result is not None
    options = {"n_resamples": 20_000, "method": "percentile"}
    scipys = bootstrap((gains,), np.mean, rng=np.random.default_rng(1), **options)
    assert (result.low, result.high) == pytest.approx(tuple(scipys.confidence_interval), abs=0.02)
    assert result.wins == (gains > 0).sum() and result.n == 25 and result.ties == 0


def test_equal_clips_are_neither_won_nor_lost() -> None:
    result = paired_difference([0.0, 0.0, 1.0])
    assert result is not None and (result.wins, result.ties, result.p) == (1, 2, 1.0)


def test_one_clip_has_no_interval() -> None:
    result = paired_difference([0.3])
    assert result is not None and (result.low, result.high) == (None, None)


def test_without_clips_there_is_no_difference() -> None:
    assert paired_difference([]) is None
