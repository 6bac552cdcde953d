"""Means and intervals of made-up evaluations."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from stccl_train.eval.intervals import Interval
from stccl_train.eval.statistics import MEASURES, PairKey, Selection
from tests.testing.evaluations import evaluation_with, evaluation_with_gap

SCC = Selection("scc")
SHIFTED = replace(SCC, condition="shifted_0.4")


@pytest.mark.parametrize(("speakers", "unit"), [(1, "sentences"), (2, "speakers")])
def test_independent_are_speakers_or_the_sentences_of_one(speakers: int, unit: str) -> None:
    evaluation = evaluation_with_gap(0.3, 0.1, pairs=24, speakers=speakers)
    assert evaluation.unit == unit
    interval = evaluation.interval("recall", SCC)
    assert interval is not None and math.isclose(interval.mean, 0.7)
    assert interval.units == (3 if speakers == 1 else 2)


def test_an_interval_is_students_t_over_the_means_of_sentences() -> None:
    recalls = np.random.default_rng(0).uniform(0.4, 0.8, 12)
    evaluation = evaluation_with({("after", "aligned"): recalls.tolist()}, 12, sentences=4)
    means = recalls.reshape(3, 4).mean(axis=0)  # sentences take turns
    low, high = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    interval = evaluation.interval("recall", SCC)
    assert interval is not None
    assert np.allclose([interval.mean, interval.low, interval.high], [means.mean(), low, high])


def test_a_difference_is_of_the_same_pairs() -> None:
    gap = evaluation_with_gap(0.3, 0.1).gap(SCC, "shifted_0.4")
    assert gap is not None
    assert math.isclose(gap.mean, 0.3) and math.isclose(gap.low, 0.3)  # no spread is left


@pytest.mark.parametrize(
    ("speakers", "sentences"), [(1, 3), (1, 12), (2, 3), (4, 3), (12, 4)], ids=str
)
def test_the_intervals_of_clustered_pairs_cover_the_truth(speakers: int, sentences: int) -> None:
    """Speakers, sentences and pairs differ at random; three pairs share a sentence.

    With one speaker the truth is that speaker's, otherwise that of all speakers.
    """
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        speaker_effect = rng.normal(0, 0.05 if speakers > 1 else 0, speakers)
        sentence_effect = rng.normal(0, 0.1, (speakers, sentences))
        pairs = 0.3 + speaker_effect[:, None, None] + sentence_effect[..., None]
        gaps = (pairs + rng.normal(0, 0.05, (speakers, sentences, 3))).ravel()
        evaluation = evaluation_with(
            {("after", "aligned"): gaps.tolist()}, gaps.size, speakers, sentences
        )
        keys = [
            PairKey(f"s{i}", f"t{i}", f"speaker{s}", "happy", f"speaker{s}/{k}")
            for i, (s, k, _) in enumerate(np.ndindex(speakers, sentences, 3))
        ]
        gap = replace(evaluation, pairs=tuple(keys)).gap(SCC, "shifted_0.4")
        assert gap is not None
        covered += gap.low <= 0.3 <= gap.high
    assert covered >= 0.92 * 400


def test_nothing_counted_gives_no_figure() -> None:
    evaluation = evaluation_with_gap(0.3, 0.1)
    sad = Selection("scc", emotion="sad")
    assert evaluation.interval("recall", sad) is None
    assert math.isnan(evaluation.mean("recall", sad))


def test_a_condition_that_was_not_evaluated_gives_no_gap() -> None:
    assert evaluation_with_gap(0.3, 0.1).gap(SCC, "shifted_0.28") is None


def test_the_interval_of_a_single_sentence_has_no_width_and_is_not_shown() -> None:
    single = evaluation_with_gap(0.3, 0.1, sentences=1).interval("recall", SCC)
    assert single is not None and single.low == single.high
    assert str(single) == "0.700" and not single.above_zero
    assert str(Interval(0.5, 0.25, 0.75, 4)) == "0.500 [0.250, 0.750]"


def test_the_gap_of_an_untrained_metric_is_given_for_each_draw() -> None:
    evaluation = evaluation_with_gap(0.3, 0.1)
    draws = evaluation.untrained_draws.copy()
    draws[1, ..., 1, 1] = 0  # nothing is found once the target is shifted
    gaps = replace(evaluation, untrained_draws=draws).untrained_gaps(evaluation.kinds[0])
    assert np.allclose(gaps, [0.1, 0.5, 0.1])


def test_layers_weigh_alike_however_many_tokens_they_have() -> None:
    evaluation = evaluation_with({("after", "aligned"): [0.5, 0.5]}, 2)
    second_layer = evaluation.sums[:, :, :, :, :, 1]
    second_layer *= 100
    second_layer[..., 1 + MEASURES.index("recall")] = 0
    interval = evaluation.interval("recall", SCC)
    assert interval is not None and math.isclose(interval.mean, 0.25)
    assert math.isclose(evaluation.mean("recall", SCC), 0.25)
    assert math.isclose(evaluation.mean("recall", Selection("scc", layer=1)), 0.5)
