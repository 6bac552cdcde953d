"""Phoneme features: rows on the clip's clock, and long sound in pieces."""

import numpy as np
import pytest

from stccl_data.features.phonemes import LEVELS_PER_NAT, phoneme_features
from stccl_data.features.speech import speech_features
from tests.testing import speech as voice


def features(sounds="aisouesai", start=0.0, **options):
    samples, _ = voice.say(sounds, [0.15] * len(sounds), **options)
    speech = speech_features(samples, voice.RATE, start)
    return phoneme_features(samples, voice.RATE, speech), speech


def test_the_rows_are_probabilities_that_cover_the_speech():
    result, speech = features()
    probabilities = np.exp(-result.levels.astype(float) / LEVELS_PER_NAT)
    assert result.levels.dtype == np.uint8 and result.levels.shape[1] == 190
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=0.05)
    first, last = speech.span
    assert result.times[0] < first and result.times[-1] > last
    assert result.times[-1] - result.times[0] < last - first + 0.5


def test_silence_before_the_speech_changes_nothing_but_the_clock():
    near, _ = features(lead=0.3, noise=0.0)
    far, _ = features(lead=2.3, noise=0.0)
    n = min(len(near.levels), len(far.levels))
    assert abs(far.start - near.start - 2.0) < 0.011
    assert np.abs(near.levels[:n].astype(int) - far.levels[:n]).mean() < 8


def test_the_clock_is_the_container_s():
    at_zero, _ = features()
    later, _ = features(start=1.5)
    assert later.start == pytest.approx(at_zero.start + 1.5)
    np.testing.assert_array_equal(later.levels, at_zero.levels)


def test_speech_longer_than_the_network_reads_at_once_is_read_to_its_end():
    """The network silently drops what lies beyond 30 s."""
    result, speech = features("aisouesai" * 30)
    first, last = speech.span
    assert last - first > 40
    assert result.times[-1] == pytest.approx(last, abs=0.5)


def test_another_rate_is_an_error():
    samples, _ = voice.say("ai", [0.2, 0.2])
    with pytest.raises(ValueError, match="8000"):
        phoneme_features(samples, 8_000, speech_features(samples, voice.RATE))
