"""The verdict on made-up evaluations."""

import math
from dataclasses import replace

import pytest

from stccl_train.eval.verdict import SHIFTED, verdict_line, verdicts
from tests.testing.evaluations import CONDITIONS, evaluation_with_gap


def test_a_metric_that_tells_shifted_from_aligned_hears_speech() -> None:
    (verdict,) = verdicts(evaluation_with_gap(gap=0.3, untrained=0.1))
    assert verdict.hears and verdict.name == "SCC-VD"
    assert math.isclose(verdict.gap.mean, 0.3, abs_tol=1e-9)
    assert verdict.untrained.low < 0.1 < verdict.untrained.high
    assert verdict.sentence.startswith("SCC-VD hears speech, for this speaker:")


@pytest.mark.parametrize(
    "figures",
    [
        {"gap": 0.15, "untrained": 0.1, "bare": 0.1},
        {"gap": 0.3, "untrained": 0.1, "bare": 0.3},
        {"gap": 0.3, "untrained": 0.1, "pairs": 4},
        {"gap": 0.3, "untrained": 0.1, "noise": 0.024},
        {"gap": 0.3, "untrained": 0.1, "other": -0.1},
        {"gap": 0.3, "untrained": 0.1, "other": 0.08},
        {"gap": 0.3, "untrained": 0.1, "same_time": 0.01},
        {"gap": 0.3, "untrained": 0.1, "same_time": 0.12},
        {"gap": 0.3, "untrained": 0.1, "sentences": 1},
        {"gap": -0.1, "untrained": -0.2},
    ],
    ids=[
        "less than twice the untrained gap",
        "an untrained backbone does as well without heads",
        "too few pairs",
        "noise is found too",
        "another sentence is found better",
        "most of the gap is explained by openings that fall on openings",
        "another sentence at the same relative time may be found as well",
        "most of the gap is explained by the relative time",
        "a single sentence shows no spread",
        "shifted is found better",
    ],
)
def test_a_metric_that_fails_a_control_does_not(figures: dict[str, float]) -> None:
    (verdict,) = verdicts(evaluation_with_gap(**figures))  # type: ignore[arg-type]
    assert not verdict.hears
    assert verdict.sentence.startswith("SCC-VD does not prove")


def test_speakers_of_the_training_prove_nothing() -> None:
    evaluation = replace(evaluation_with_gap(gap=0.3, untrained=0.1), seen=("mead/M003",))
    (verdict,) = verdicts(evaluation)
    assert not verdict.hears and "mead/M003" in verdict.sentence


def test_one_untrained_metric_that_does_as_well_is_enough_to_doubt() -> None:
    evaluation = evaluation_with_gap(gap=0.3, untrained=0.1)
    draws = evaluation.untrained_draws.copy()
    draws[1, ..., 1, 1] *= 0.6
    (verdict,) = verdicts(replace(evaluation, untrained_draws=draws))
    assert not verdict.hears and max(verdict.untrained_draws) > 0.25


def test_without_another_sentence_a_clock_cannot_be_excluded() -> None:
    evaluation = evaluation_with_gap(gap=0.3, untrained=0.1)
    for condition in ("other_sentence", "other_same_time"):
        evaluation.sums[:, :, CONDITIONS.index(condition)] = 0
    (verdict,) = verdicts(evaluation)
    assert not verdict.hears and verdict.other is None and verdict.same_time is None


@pytest.mark.parametrize(
    ("speakers", "scope"), [(1, ", for this speaker"), (3, ", for these 3 speakers"), (8, "")]
)
def test_few_speakers_do_not_stand_for_all(speakers: int, scope: str) -> None:
    (verdict,) = verdicts(evaluation_with_gap(0.3, 0.1, pairs=9 * speakers, speakers=speakers))
    assert verdict.sentence.startswith(f"SCC-VD hears speech{scope}:")


def test_without_the_shift_of_the_verdict_there_is_none() -> None:
    evaluation = evaluation_with_gap(gap=0.3, untrained=0.1)
    renamed = tuple("shifted_0.12" if name == SHIFTED else name for name in CONDITIONS)
    evaluation = replace(evaluation, conditions=renamed)
    assert verdicts(evaluation) == []
    assert "--shifts" in verdict_line(evaluation)
