"""Gates: the first score beyond its threshold refuses a pair; missing scores pass."""

from dataclasses import fields

import pytest

from stccl_data.errors import Reason
from stccl_data.pairs.gates import GATE_REASONS, GateConfig, Refusal, judge

CLIP = {"face_rate": 1.0, "eye_distance": 80.0}
PAIR = {
    "mode": "audio",
    "duration_ratio": 1.1,
    "longest_repeat": 4,
    "local_slope": 1.0,
    "consistency_s": 0.02,
}


def test_a_pair_within_every_threshold_is_accepted():
    assert judge(PAIR, CLIP, CLIP, GateConfig()) is None


def test_missing_scores_pass():
    assert judge({}, {}, {}, GateConfig()) is None
    no_scores = dict.fromkeys(PAIR), dict.fromkeys(CLIP), dict.fromkeys(CLIP)
    assert judge(*no_scores, GateConfig()) is None


@pytest.mark.parametrize(
    ("pair", "source", "target", "reason", "values"),
    [
        ({"content_score": 0.09}, {}, {}, Reason.CONTENT_MISMATCH, ["0.09"]),
        ({"content_score": 0.49}, {}, {}, Reason.CONTENT_DOUBTFUL, ["0.49"]),
        ({}, {"face_rate": 0.5}, {}, Reason.FEW_FACES, ["source", "50 %"]),
        ({}, {}, {"face_rate": 0.89}, Reason.FEW_FACES, ["target", "89 %"]),
        ({}, {}, {"eye_distance": 20.0}, Reason.SMALL_FACE, ["target", "20 pixels"]),
        ({}, {}, {"speaker_margin": 0.1}, Reason.SPEAKER_UNCLEAR, ["target", "0.10"]),
        ({}, {}, {"mouth_visible": 0.79}, Reason.MOUTH_HIDDEN, ["target", "79 %"]),
        ({}, {"mouth_range": 0.01}, {}, Reason.MOUTH_STILL, ["source", "0.010"]),
        ({"duration_ratio": 2.6}, {}, {}, Reason.DURATION_RATIO, ["2.60"]),
        ({"duration_ratio": 0.39}, {}, {}, Reason.DURATION_RATIO, ["0.39"]),
        ({"longest_repeat": 46}, {}, {}, Reason.LONGEST_REPEAT, ["46 frames"]),
        ({"local_slope": 4.0}, {}, {}, Reason.LOCAL_SLOPE, ["16.0"]),
        ({"consistency_s": 0.61}, {}, {}, Reason.INCONSISTENT_PATH, ["0.61 s"]),
    ],
)
def test_a_score_beyond_its_threshold_refuses_with_its_value(pair, source, target, reason, values):
    refusal = judge(PAIR | pair, CLIP | source, CLIP | target, GateConfig())
    assert refusal is not None
    assert refusal.reason is reason
    assert all(value in refusal.detail for value in values)


def test_a_score_at_its_threshold_passes():
    pair = {"content_score": 0.5, "duration_ratio": 2.5, "longest_repeat": 45, "local_slope": 3.5}
    clip = {"face_rate": 0.9, "eye_distance": 24.0}
    assert judge(pair, clip, clip, GateConfig()) is None
    assert judge(pair | {"duration_ratio": 0.4}, clip, clip, GateConfig()) is None


def test_the_first_failing_gate_gives_the_reason_and_those_of_the_clips_come_first():
    pair = {"content_score": 0.05, "duration_ratio": 9.0, "local_slope": 9.0}
    refusal = judge(pair, {"face_rate": 0.1}, CLIP, GateConfig())
    assert refusal is not None and refusal.reason is Reason.FEW_FACES


def test_thresholds_can_be_changed():
    loose = GateConfig(max_duration_ratio=10.0, min_face_rate=0.0)
    assert judge({"duration_ratio": 9.0}, {"face_rate": 0.1}, CLIP, loose) is None
    assert judge(PAIR, CLIP, CLIP, GateConfig(max_longest_repeat=3)) is not None


def test_every_threshold_has_its_reason():
    assert list(GATE_REASONS) == [field.name for field in fields(GateConfig)]


def test_an_earlier_refusal_by_a_gate_is_overruled():
    earlier = Refusal(Reason.DURATION_RATIO, "")
    assert judge(PAIR, CLIP, CLIP, GateConfig(), earlier) is None


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (PAIR, Reason.CONTENT_UNCHECKED),
        (PAIR, Reason.BAD_PATH),
        (PAIR | {"mode": None}, Reason.DURATION_RATIO),
        ({}, Reason.CONTENT_MISMATCH),
    ],
    ids=["not by a gate", "bad path", "never aligned", "no scores"],
)
def test_any_other_earlier_refusal_stands(pair, reason):
    earlier = Refusal(reason, "as before")
    assert judge(pair, CLIP, CLIP, GateConfig(), earlier) is earlier


def test_some_thresholds_alone_leave_the_verdicts_of_the_other_gates():
    steep = PAIR | {"local_slope": 9.0}
    assert judge(steep, CLIP, CLIP, {"min_face_rate": 0.5}) is None
    refusal = judge(steep, CLIP | {"face_rate": 0.4}, CLIP, {"min_face_rate": 0.5})
    assert refusal is not None and refusal.reason is Reason.FEW_FACES
    earlier = Refusal(Reason.LOCAL_SLOPE, "as before")
    assert judge(steep, CLIP, CLIP, {"min_face_rate": 0.5}, earlier) is earlier


def test_a_pair_that_some_thresholds_readmit_must_pass_the_defaults_of_the_others():
    earlier = Refusal(Reason.FEW_FACES, "")
    clip = CLIP | {"face_rate": 0.6}
    assert judge(PAIR, clip, CLIP, {"min_face_rate": 0.5}, earlier) is None
    steep = PAIR | {"local_slope": 9.0}
    refusal = judge(steep, clip, CLIP, {"min_face_rate": 0.5}, earlier)
    assert refusal is not None and refusal.reason is Reason.LOCAL_SLOPE
