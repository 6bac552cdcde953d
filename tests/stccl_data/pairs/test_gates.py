"""Gates: the first score beyond its threshold refuses a pair, with a sentence; what is not known passes."""

import pytest

from stccl_data.errors import Reason
from stccl_data.pairs.gates import GateConfig, judge

CLIP = {"face_rate": 1.0, "eye_distance": 80.0}
PAIR = {"duration_ratio": 1.1, "longest_repeat": 4, "local_slope": 1.0}


def test_a_pair_within_every_threshold_is_accepted():
    assert judge(PAIR, CLIP, CLIP, GateConfig()) is None


def test_scores_that_are_missing_pass():
    assert judge({}, {}, {}, GateConfig()) is None
    assert (
        judge(dict.fromkeys(PAIR), dict.fromkeys(CLIP), dict.fromkeys(CLIP), GateConfig()) is None
    )


@pytest.mark.parametrize(
    ("pair", "source", "target", "reason", "words"),
    [
        (
            {"content_score": 0.49},
            {},
            {},
            Reason.CONTENT_MISMATCH,
            "one sentence with probability 0.49",
        ),
        ({}, {"face_rate": 0.5}, {}, Reason.FEW_FACES, "the source shows a face in 50 %"),
        ({}, {}, {"face_rate": 0.89}, Reason.FEW_FACES, "the target shows a face in 89 %"),
        ({}, {}, {"eye_distance": 20.0}, Reason.SMALL_FACE, "20 pixels"),
        ({"duration_ratio": 2.6}, {}, {}, Reason.DURATION_RATIO, "2.60 times"),
        ({"duration_ratio": 0.39}, {}, {}, Reason.DURATION_RATIO, "0.39 times"),
        ({"longest_repeat": 46}, {}, {}, Reason.LONGEST_REPEAT, "46 frames"),
        ({"local_slope": 4.0}, {}, {}, Reason.LOCAL_SLOPE, "16.0 times"),
    ],
)
def test_a_score_beyond_its_threshold_refuses_with_a_sentence(pair, source, target, reason, words):
    refused = judge(PAIR | pair, CLIP | source, CLIP | target, GateConfig())
    assert refused is not None and refused.reason is reason and words in refused.detail


def test_a_score_at_its_threshold_passes():
    at = {"content_score": 0.5, "duration_ratio": 2.5, "longest_repeat": 45, "local_slope": 3.5}
    clip = {"face_rate": 0.9, "eye_distance": 24.0}
    assert judge(at, clip, clip, GateConfig()) is None
    assert judge(at | {"duration_ratio": 0.4}, clip, clip, GateConfig()) is None


def test_the_first_gate_in_order_gives_the_one_reason():
    bad = judge({"duration_ratio": 9.0, "local_slope": 9.0}, {"face_rate": 0.1}, CLIP, GateConfig())
    assert bad is not None and bad.reason is Reason.FEW_FACES


def test_a_threshold_can_be_moved():
    loose = GateConfig(max_duration_ratio=10.0, min_face_rate=0.0)
    assert judge({"duration_ratio": 9.0}, {"face_rate": 0.1}, CLIP, loose) is None
    assert judge(PAIR, CLIP, CLIP, GateConfig(max_longest_repeat=3)) is not None
