"""Means and bootstrap intervals of made-up evaluations."""

import math

import pytest

from stccl_train.eval.statistics import MEASURES, Interval, Selection
from tests.testing.evaluations import evaluation_with, evaluation_with_gap

SCC = Selection("scc")


@pytest.mark.parametrize(("speakers", "unit"), [(3, "pairs"), (12, "speakers")])
def test_the_bootstrap_resamples_speakers_if_there_are_many(speakers: int, unit: str) -> None:
    evaluation = evaluation_with_gap(0.3, 0.1, pairs=24, speakers=speakers)
    assert evaluation.unit == unit
    interval = evaluation.interval("recall", SCC)
    assert interval is not None and math.isclose(interval.mean, 0.7)
    assert interval.low < interval.mean < interval.high


def test_a_difference_is_of_the_same_pairs_in_each_resample() -> None:
    gap = evaluation_with_gap(0.3, 0.1).gap(SCC, "shifted_10")
    assert gap is not None
    assert math.isclose(gap.mean, 0.3) and math.isclose(gap.low, 0.3)  # no spread is left


def test_nothing_counted_gives_no_figure() -> None:
    evaluation = evaluation_with_gap(0.3, 0.1)
    sad = Selection("scc", emotion="sad")
    assert evaluation.interval("recall", sad) is None
    assert math.isnan(evaluation.mean("recall", sad))


def test_a_condition_that_was_not_evaluated_gives_no_gap() -> None:
    assert evaluation_with_gap(0.3, 0.1).gap(SCC, "shifted_7") is None


def test_the_interval_of_a_single_pair_has_no_width_and_is_not_shown() -> None:
    single = evaluation_with_gap(0.3, 0.1, pairs=1).interval("recall", SCC)
    assert single is not None and single.low == single.high
    assert str(single) == "0.680"
    assert str(Interval(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"


def test_layers_weigh_alike_however_many_tokens_they_have() -> None:
    evaluation = evaluation_with({("after", "aligned"): [0.5, 0.5]}, 2)
    second_layer = evaluation.sums[:, :, :, :, :, 1]
    second_layer *= 100
    second_layer[..., 1 + MEASURES.index("recall")] = 0
    interval = evaluation.interval("recall", SCC)
    assert interval is not None and math.isclose(interval.mean, 0.25)
    assert math.isclose(evaluation.mean("recall", SCC), 0.25)
    assert math.isclose(evaluation.mean("recall", Selection("scc", layer=1)), 0.5)
