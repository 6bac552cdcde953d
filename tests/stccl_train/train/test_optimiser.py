"""The learning-rate schedule."""

from itertools import pairwise

import pytest

from stccl_train.train.optimiser import learning_rate
from tests.testing.training import micro


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine():
    config = micro("warmup=2", "lr=0.5", "last_lr=0.1")
    rates = [learning_rate(step, 40, 4, config) for step in range(40)]
    assert rates[:8] == pytest.approx([0.5 * k / 8 for k in range(1, 9)]) and rates[8] == 0.5
    assert all(a > b for a, b in pairwise(rates[8:])) and rates[-1] == pytest.approx(0.05)


def test_a_short_run_does_more_than_warm_up():
    config = micro("warmup=1", "epochs=1", "lr=0.5")
    rates = [learning_rate(step, 40, 40, config) for step in range(40)]
    assert rates.index(max(rates)) == 7


def test_a_single_step_without_warmup_has_the_full_learning_rate():
    assert learning_rate(0, 1, 1, micro("warmup=0")) == micro().lr
