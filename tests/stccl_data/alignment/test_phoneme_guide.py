"""Phonemes as a guide of the path by cepstra."""

from dataclasses import replace

import numpy as np
import pytest

from stccl_data.alignment.align import align
from stccl_data.alignment.dtw import OpenEnds, warping_path
from stccl_data.alignment.phoneme_guide import guided_cost, phoneme_vectors
from stccl_data.features.phonemes import PhonemeFeatures
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from tests.testing import speech as voice

HOP = 0.01


def steps(lengths):
    """(n, K) vectors: phoneme k for lengths[k] steps."""
    return np.repeat(np.eye(len(lengths), dtype=np.float32), lengths, axis=0)


def test_where_cepstra_cannot_tell_the_phonemes_lead_the_path():
    source, target = steps([40, 20, 40]), steps([10, 20, 70])
    flat = np.full((100, 100), 0.5, np.float32)
    path, _ = warping_path(guided_cost(flat, source, target, HOP, 0.1, None), side_penalty=0.1)
    at_second_phoneme = path[np.searchsorted(path[:, 0], 50), 1]
    assert at_second_phoneme == pytest.approx(20, abs=10)
    unguided, _ = warping_path(flat, side_penalty=0.1)
    assert unguided[np.searchsorted(unguided[:, 0], 50), 1] == 50


def test_cost_near_the_path_by_phonemes_is_left_alone():
    source = steps([1] * 60)
    cost = 0.1 * np.random.default_rng(0).random((60, 60)).astype(np.float32)
    guided = guided_cost(cost, source, source, HOP, 0.1, None)
    away = np.abs(np.arange(60)[:, None] - np.arange(60))
    assert np.array_equal(guided[away <= 3], cost[away <= 3])
    assert (guided[away > 10] > cost[away > 10]).all()
    assert (guided >= cost).all()


def test_the_matrix_is_cut_off_at_the_end_that_the_phonemes_find():
    source, target = steps([20, 20, 20]), steps([20, 20, 20])[:40]
    ends = OpenEnds(last_row=np.zeros(40), last_column=np.ones(60))
    guided = guided_cost(np.full((60, 40), 0.1, np.float32), source, target, HOP, 0.1, ends)
    assert guided.shape == (40, 40)


def test_phoneme_vectors_hold_the_last_row_beyond_the_ends_and_leave_out_the_blank():
    levels = np.array([[0, 100, 0], [100, 0, 0], [100, 0, 0], [100, 0, 0]], np.uint8)
    vectors = phoneme_vectors(PhonemeFeatures(levels, 1.0), np.array([0.0, 1.03, 1.05, 9.0]))
    assert vectors.shape == (4, 2) and vectors.dtype == np.float32
    assert vectors[0, 0] > 0.6 and vectors[-1] == pytest.approx([0, 1], abs=0.05)


def test_phonemes_of_one_clip_alone_change_nothing():
    clips = []
    for seed, pace in enumerate((0.15, 0.2)):
        samples, _ = voice.say("aisouesai", np.full(9, pace), seed=seed)
        speech = speech_features(samples, voice.RATE)
        clips.append(Signals(speech, frame_times=np.arange(len(samples) // 640) / 25))
    levels = np.random.default_rng(0).integers(0, 255, (80, 10)).astype(np.uint8)
    with_phonemes = replace(clips[0], phonemes=PhonemeFeatures(levels, 0.0))
    plain, result = align(*clips), align(with_phonemes, clips[1])
    assert np.array_equal(plain.target_time, result.target_time)
