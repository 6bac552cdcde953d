"""The verdict on made-up evaluations."""

import math
from dataclasses import replace

import pytest

from stccl_train.eval.verdict import SHIFTED, verdict_line, verdicts
from tests.testing.evaluations import CONDITIONS, evaluation_with_gap


def test_a_metric_that_tells_shifted_from_aligned_hears_speech() -> None:
    (verdict,) = verdicts(evaluation_with_gap(gap=0.3, untrained=0.1))
    assert verdict.hears and verdict.term == "scc"
    assert math.isclose(verdict.gap.mean, 0.3, abs_tol=1e-9)
    assert verdict.untrained.low < 0.1 < verdict.untrained.high
    assert verdict.sentence.startswith("SCC hears speech:")


@pytest.mark.parametrize(
    "figures",
    [
        {"gap": 0.15, "untrained": 0.1, "bare": 0.1},
        {"gap": 0.3, "untrained": 0.1, "bare": 0.3},
        {"gap": 0.3, "untrained": 0.1, "pairs": 4},
        {"gap": 0.3, "untrained": 0.1, "noise": 0.024},
        {"gap": 0.3, "untrained": 0.1, "other": -0.1},
        {"gap": -0.1, "untrained": -0.2},
    ],
    ids=[
        "less than twice the untrained gap",
        "an untrained backbone does as well without heads",
        "too few pairs",
        "noise is found too",
        "another sentence is found better",
        "shifted is found better",
    ],
)
def test_a_metric_that_fails_a_control_does_not(figures: dict[str, float]) -> None:
    (verdict,) = verdicts(evaluation_with_gap(**figures))  # type: ignore[arg-type]
    assert not verdict.hears
    assert verdict.sentence.startswith("SCC does not prove")


def test_speakers_of_the_training_prove_nothing() -> None:
    evaluation = replace(evaluation_with_gap(gap=0.3, untrained=0.1), seen=("mead/M003",))
    (verdict,) = verdicts(evaluation)
    assert not verdict.hears and "mead/M003" in verdict.sentence


def test_without_another_sentence_the_verdict_rests_on_the_other_controls() -> None:
    evaluation = evaluation_with_gap(gap=0.3, untrained=0.1)
    evaluation.sums[:, :, CONDITIONS.index("other_sentence")] = 0
    (verdict,) = verdicts(evaluation)
    assert verdict.hears and verdict.other is None


def test_without_the_shift_of_the_verdict_there_is_none() -> None:
    evaluation = evaluation_with_gap(gap=0.3, untrained=0.1)
    renamed = tuple("shifted_3" if name == SHIFTED else name for name in CONDITIONS)
    evaluation = replace(evaluation, conditions=renamed)
    assert verdicts(evaluation) == []
    assert "--shifts" in verdict_line(evaluation)
