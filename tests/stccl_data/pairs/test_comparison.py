"""Comparing two clips: against slow loops, and with clips that end early."""

import numpy as np
import pytest

from stccl_data.alignment.dtw import distances, warping_path
from stccl_data.features.phonemes import LEVELS_PER_NAT, PhonemeFeatures
from stccl_data.pairs.comparison import _excess, open_ended_cost, phoneme_cost, spell


def make_features(phonemes, k=6, rows=3, confidence=0.9):
    """A clip that says these phonemes (below k - 1), each for some rows, a blank row between."""
    symbols = [s for phoneme in phonemes for s in [phoneme] * rows + [k - 1]]
    p = np.full((len(symbols), k), (1 - confidence) / (k - 1))
    p[np.arange(len(symbols)), symbols] = confidence
    levels = np.minimum(255, np.round(-LEVELS_PER_NAT * np.log(p))).astype(np.uint8)
    return PhonemeFeatures(levels, 0.0)


def slow_nats(levels, phonemes):
    """-ln p(phonemes | levels) by the sum over all paths, in the log domain."""
    blank = levels.shape[1] - 1
    states = [blank]
    for phoneme in phonemes:
        states += [phoneme, blank]
    log_p = -levels.astype(float) / LEVELS_PER_NAT
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = log_p[0, states[:2]]
    for row in log_p[1:]:
        new = np.full(len(states), -np.inf)
        for k, symbol in enumerate(states):
            reach = [alpha[k]]
            if k:
                reach.append(alpha[k - 1])
            if k > 1 and symbol != blank and symbol != states[k - 2]:
                reach.append(alpha[k - 2])
            new[k] = np.logaddexp.reduce(reach) + row[symbol]
        alpha = new
    return -np.logaddexp(alpha[-1], alpha[-2])


def test_the_most_probable_phonemes_are_decoded():
    spelling = spell(make_features([0, 3, 3, 1]))
    assert spelling.phonemes.tolist() == [0, 3, 3, 1]
    assert spelling.counts[-1] == 4


def test_the_cost_equals_the_forward_algorithm_in_the_log_domain():
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 90, (25, 7)).astype(np.uint8)
    clip, other = spell(PhonemeFeatures(levels, 0.0)), spell(make_features([0, 2, 2], k=7))
    n = max(clip.counts[-1], 3)
    whole = (slow_nats(levels, [0, 2, 2]) - clip.path_cost[-1]) / n
    candidates = [whole]
    for t in range(1, 26):  # the string ends first
        if clip.counts[t - 1] >= 0.5 * clip.counts[-1]:
            nats = slow_nats(levels[:t], [0, 2, 2])
            candidates.append((nats - clip.path_cost[t - 1]) / max(clip.counts[t - 1], 3))
    for k in (2, 3):  # the sound ends first
        nats = slow_nats(levels, [0, 2, 2][:k])
        candidates.append((nats - clip.path_cost[-1]) / max(clip.counts[-1], k))
    assert _excess(clip, other.phonemes) == pytest.approx(min(8.0, min(candidates)), abs=1e-9)


def test_the_same_phonemes_cost_nothing_and_others_much():
    one = spell(make_features([0, 1, 2, 3, 4, 0]))
    slower = spell(make_features([0, 1, 2, 3, 4, 0], rows=6))
    other = spell(make_features([4, 3, 1, 0, 2, 2]))
    assert phoneme_cost(one, slower) < 0.1 < 1 < phoneme_cost(one, other)
    assert phoneme_cost(one, other) == pytest.approx(phoneme_cost(other, one))


def test_a_clip_that_ends_early_still_says_the_sentence():
    whole = spell(make_features([0, 1, 2, 3, 4, 0, 2, 1]))
    cut = spell(make_features([0, 1, 2, 3, 4]))
    tail = spell(make_features([4, 0, 2, 1]))
    assert phoneme_cost(whole, cut) < 0.1
    assert phoneme_cost(whole, tail) > 1  # only the end is open


def test_a_fragment_of_less_than_half_does_not_pass_for_the_sentence():
    whole = spell(make_features([0, 1, 2, 3, 4, 0, 2, 1]))
    assert phoneme_cost(whole, spell(make_features([0, 1]))) > 0.5


def test_silence_costs_the_most():
    nothing = spell(PhonemeFeatures(np.array([[90, 90, 0]] * 5, np.uint8), 0.0))
    assert len(nothing.phonemes) == 0
    assert phoneme_cost(nothing, spell(make_features([0], k=3))) == 8.0


def test_the_open_ended_cost_is_the_mean_along_the_path_when_both_end_together():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    cost = distances(vectors, vectors + 0.1)
    path, total = warping_path(cost, side_penalty=0.1)
    assert open_ended_cost(cost, 0.1) <= total / len(path) + 1e-6


def test_a_sequence_that_ends_early_costs_no_more_than_its_part():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(40, 4)).astype(np.float32)
    noisy = vectors + rng.normal(size=(40, 4)).astype(np.float32) * 0.05
    part = open_ended_cost(distances(vectors, noisy[:26]), 0.1)
    whole = open_ended_cost(distances(vectors, noisy), 0.1)
    path, total = warping_path(distances(vectors, noisy[:26]), side_penalty=0.1)
    assert part == pytest.approx(whole, abs=0.02)
    assert total / len(path) > 3 * part
