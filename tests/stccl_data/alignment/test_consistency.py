"""Consistency: paths between takes of one sentence agree, and the path of an odd pair does not."""

from dataclasses import replace

import numpy as np
import pytest

from stccl_data.alignment import consistency as consistency_module
from stccl_data.alignment.align import align
from stccl_data.alignment.consistency import align_takes, consistency, disagreement
from stccl_data.alignment.guide import path_cells
from stccl_data.errors import ClipError, Reason
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from tests.testing import speech as voice

SENTENCE = "aisouesai"


def take(seed):
    lengths = 0.15 * np.random.default_rng(seed).uniform(0.7, 1.4, len(SENTENCE))
    samples, _ = voice.say(SENTENCE, lengths, pitch=110 + 15 * seed, noise=2e-3, seed=seed)
    return Signals(speech_features(samples, voice.RATE), name=f"take {seed}")


@pytest.fixture(scope="module")
def takes():
    return {name: take(seed) for seed, name in enumerate("abcde")}


def everyone(takes):
    return [(a, b) for a in takes for b in takes if a < b]


def test_takes_of_one_sentence_agree(takes):
    aligned = align_takes(takes, everyone(takes))
    assert all(len(one.disagreements) == 3 for one in aligned)
    assert max(consistency(one.disagreements, {}) for one in aligned) < 0.1


def test_results_are_those_of_align(takes):
    (one,) = align_takes(takes, [("a", "b")])
    expected = align(takes["a"], takes["b"])
    assert np.array_equal(one.result.target_time, expected.target_time)


def test_with_one_reference_further_paths_are_computed(takes):
    star = align_takes(takes, [("a", b) for b in "bcde"])
    assert all(len(one.disagreements) >= 2 for one in star)
    assert max(consistency(one.disagreements, {}) for one in star) < 0.1


def test_the_order_of_takes_and_pairs_makes_no_difference(takes):
    pairs = [("a", b) for b in "bcde"]
    forward = align_takes(takes, pairs)
    backward = align_takes(dict(reversed(takes.items())), pairs[::-1])[::-1]
    assert [one.disagreements for one in forward] == [one.disagreements for one in backward]


def test_two_takes_have_no_third(takes):
    (one,) = align_takes({name: takes[name] for name in "ab"}, [("a", "b")])
    assert one.disagreements == {}
    assert consistency(one.disagreements, {}) is None


def test_a_take_whose_label_is_doubted_is_no_witness(takes):
    three = {name: takes[name] for name in "abc"}
    one = align_takes(three, everyone(three))[0]
    assert consistency(one.disagreements, {"c": True}) == one.disagreements["c"]
    assert consistency(one.disagreements, {"c": False}) is None


def test_a_path_that_is_off_disagrees_by_as_much(takes):
    alignment = align(takes["a"], takes["b"])
    path = alignment.source_time, alignment.target_time
    late = alignment.source_time, alignment.target_time + 0.3
    assert disagreement(takes["a"], takes["b"], path, path) == 0.0
    assert disagreement(takes["a"], takes["b"], late, path) == pytest.approx(0.3, abs=1e-6)


def test_a_path_that_ends_early_says_nothing(takes):
    alignment = align(takes["a"], takes["b"])
    path = alignment.source_time, alignment.target_time
    beginning = tuple(times[: len(times) // 4] for times in path)
    assert disagreement(takes["a"], takes["b"], path, beginning) is None


def test_a_path_that_stands_still_in_a_clip_says_nothing_of_that_time(takes):
    alignment = align(takes["a"], takes["b"])
    source, target = alignment.source_time, alignment.target_time
    stuck = source, np.minimum(target, 0.6 * target[-1])
    assert np.abs(stuck[1] - target)[: int(0.9 * len(target))].max() > 0.3
    assert disagreement(takes["a"], takes["b"], (source, target), stuck) < 0.05


def test_a_pair_that_cannot_be_aligned_has_its_reason(takes):
    silent = {"a": takes["a"], "b": takes["b"], "silent": Signals(name="silent")}
    aligned = align_takes(silent, [("a", "silent"), ("a", "b")])
    assert isinstance(aligned[0].result, ClipError)
    assert aligned[0].result.reason is Reason.NO_SIGNAL
    assert aligned[1].disagreements == {}


def test_the_middle_disagreement_counts_the_lower_of_two():
    values = {"a": 0.1, "b": 0.5, "c": 0.2, "d": 0.9}
    assert consistency(values, {}) == 0.2
    assert consistency(values, {"a": False}) == 0.5
    assert consistency(values, {"a": False, "c": False}) == 0.5


def test_a_path_that_all_third_takes_contradict_is_found_again(takes, monkeypatch):
    def misled(source, target, config=None, guide=None):
        result = align(source, target, config, guide)
        if guide is None and source is takes["a"] and target is takes["b"]:
            end = result.target_time[-1]
            off = np.minimum(result.target_time + 0.3, end)
            return replace(result, target_time=off)
        return result

    monkeypatch.setattr(consistency_module, "align", misled)
    aligned = align_takes(takes, everyone(takes))
    expected = align(takes["a"], takes["b"])
    found = np.interp(
        expected.source_time, aligned[0].result.source_time, aligned[0].result.target_time
    )
    assert np.abs(found - expected.target_time).max() < 0.1
    assert consistency(aligned[0].disagreements, {}) < 0.1


def test_a_path_is_kept_if_the_one_through_third_takes_costs_more(takes, monkeypatch):
    def misled(source, target, config=None, guide=None):
        result = align(source, target, config, guide)
        if guide is None and source is takes["a"] and target is takes["b"]:
            return replace(result, target_time=result.target_time + 0.3, cost=result.cost / 2)
        return result

    monkeypatch.setattr(consistency_module, "align", misled)
    first = align_takes(takes, everyone(takes))[0]
    assert consistency(first.disagreements, {}) == pytest.approx(0.3, abs=0.05)


def test_the_cells_of_a_path_leave_out_no_row_and_no_column():
    source, target = np.arange(0.005, 1, 0.01), np.arange(0.005, 2, 0.01)
    path = np.array([0.2, 0.5, 0.6]), np.array([0.1, 0.1, 1.4])
    cells = path_cells(path, source, target)
    assert cells[0].tolist() == [0, 0]
    assert cells[-1] == pytest.approx([60, 140], abs=1)
    assert np.isin(np.diff(cells, axis=0), (0, 1)).all()
