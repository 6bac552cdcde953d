"""Which clips are paired, and their frame maps."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from stccl_data.alignment.warping_path import frame_map
from stccl_data.pairs.gates import GATE_REASONS
from stccl_train.config import WindowConfig
from stccl_train.data.pairings import list_pairings
from tests.testing.windows import ALL, KEY, draw


def test_an_alignment_is_used_in_both_directions(dataset):
    forward, backward = list_pairings(dataset[KEY])
    assert (forward.via, forward.source.emotion, forward.target.emotion) == (
        "direct",
        "neutral",
        "angry",
    )
    assert (backward.via, backward.source.emotion, backward.target.emotion) == (
        "reversed",
        "angry",
        "neutral",
    )
    assert np.abs(backward.frame_map[forward.frame_map] - np.arange(12)).max() <= 1


def test_one_direction_can_be_left_out(dataset):
    assert [p.via for p in list_pairings(dataset[KEY], both_directions=False)] == ["direct"]


def test_two_emotions_are_composed_through_the_neutral_clip(dataset):
    composed = [p for p in list_pairings(dataset[KEY], ALL.gates) if p.via == "neutral"]
    assert [(p.source.emotion, p.target.emotion) for p in composed] == [
        ("angry", "happy"),
        ("happy", "angry"),
    ]
    # every path of the small dataset is a straight line from end to end
    line = np.arange(15) / 25 * (9 / 25 + 0.08) / (14 / 25 + 0.08)
    truth = np.abs((np.arange(10) / 25 + 0.04)[None] - (line[:, None] + 0.04 * 0.6875)).argmin(1)
    assert np.abs(composed[0].frame_map - truth).max() <= 1
    assert (np.diff(composed[0].frame_map) >= 0).all()


def test_two_emotions_are_composed_through_any_reference_emotion(dataset):
    utterance = dataset[KEY]
    clips = {
        name: replace(clip, emotion="boredom") if clip.emotion == "neutral" else clip
        for name, clip in utterance.clips.items()
    }
    changed = replace(utterance, clips=clips)
    composed = [p for p in list_pairings(changed, ALL.gates) if p.via == "neutral"]
    assert [(p.source.emotion, p.target.emotion) for p in composed] == [
        ("angry", "happy"),
        ("happy", "angry"),
    ]


def cut_short(pair, source_end, target_end):
    """The same pair with a path that ends at these times, seconds."""
    source_time, target_time = np.array([0.0, source_end]), np.array([0.0, target_end])
    arrays = {
        "frame_map": frame_map(pair.source.times, pair.target.times, source_time, target_time),
        "source_time": source_time,
        "target_time": target_time,
    }
    cut = replace(pair, accepted=True)
    vars(cut)["_arrays"] = arrays  # the cached property that is read from the shard
    return cut


def test_frames_after_the_end_of_a_path_have_no_counterpart_in_any_direction(dataset):
    first, second = dataset[KEY].pairs(accepted=None)
    assert first.source is second.source
    angry_end, happy_end = first.target.times[-4] + 0.01, second.target.times[-2] + 0.01
    pairs = [
        cut_short(first, first.source.times[-1] + 0.04, angry_end),
        cut_short(second, second.source.times[-3] + 0.01, happy_end),
    ]
    utterance = SimpleNamespace(pairs=lambda accepted: pairs)
    maps = {(p.source.emotion, p.target.emotion): p.frame_map for p in list_pairings(utterance)}
    assert (maps["neutral", "angry"] >= 0).all()
    assert (maps["angry", "neutral"][-3:] == -1).all()
    assert (maps["angry", "neutral"][:-3] >= 0).all()
    assert (maps["neutral", "happy"][-2:] == -1).all()
    assert maps["happy", "neutral"][-1] == -1 and (maps["happy", "neutral"][:-1] >= 0).all()
    for name in (("angry", "happy"), ("happy", "angry")):
        composed = maps[name]
        covered = np.flatnonzero(composed >= 0)
        assert np.array_equal(covered, np.arange(len(covered)))
        assert 0 < len(covered) < len(composed)


def test_without_a_common_reference_nothing_is_composed(dataset):
    utterance = dataset[KEY]
    clips = {
        name: replace(clip, emotion="boredom") if clip.emotion == "neutral" else clip
        for name, clip in utterance.clips.items()
    }
    other = {
        "source": "angry-3-t001",
        "target": "neutral-1-t001",
        "accepted": False,
        "reason": "no_signal",
    }
    changed = replace(utterance, clips=clips, _pairs=[*utterance._pairs, other])
    assert {p.via for p in list_pairings(changed, ALL.gates)} == {"direct", "reversed"}


def test_composed_pairings_can_be_left_out(dataset):
    pairings = list_pairings(dataset[KEY], ALL.gates, through_neutral=False)
    assert {p.via for p in pairings} == {"direct", "reversed"}


def test_a_pair_that_was_aligned_and_rejected_is_not_composed(dataset):
    utterance = dataset[KEY]
    rejected = {
        "source": "angry-3-t001",
        "target": "happy-2-t001",
        "accepted": False,
        "reason": "no_signal",
    }
    changed = replace(utterance, _pairs=[*utterance._pairs, rejected])
    assert {p.via for p in list_pairings(changed, ALL.gates)} == {"direct", "reversed"}


def test_the_tables_decide_unless_gates_are_set(dataset):
    def targets(config):
        return {window.target.emotion for window in draw(dataset, 60, config)}

    assert targets(WindowConfig()) == {"neutral", "angry"}
    assert targets(ALL) == {"neutral", "angry", "happy"}
    # angry is 1.25 times as long as neutral
    strict = WindowConfig(gates={"max_duration_ratio": 1.22, "max_longest_repeat": 99})
    assert targets(strict) == {"neutral", "happy"}
    assert targets(WindowConfig(gates={"min_face_rate": 0.99})) == set()


@pytest.mark.parametrize("name", GATE_REASONS)
def test_every_gate_of_prepare_can_be_set(name):
    assert WindowConfig(gates={name: 1}).gates == {name: 1}


def test_an_unknown_gate_is_rejected():
    with pytest.raises(ValueError, match="max_cost"):
        WindowConfig(gates={"max_cost": 1.0})
