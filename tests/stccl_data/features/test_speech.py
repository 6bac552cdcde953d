"""Speech features: what they ignore, and what they keep."""

import numpy as np
import pytest

from stccl_data.features.speech import (
    AUDIBLE,
    mel_filters,
    reference_cepstra,
    slope,
    speech_features,
)
from tests.testing import speech as voice


def spoken():
    return voice.say("aisou", [0.2] * 5)[0]


def test_loudness_makes_no_difference():
    samples = voice.say("aisou", [0.2] * 5, noise=0)[0]
    a, b = speech_features(samples, voice.RATE), speech_features(samples / 20, voice.RATE)
    assert np.abs(a.vectors - b.vectors).max() < 0.02
    assert np.array_equal(a.speech, b.speech)


def test_speech_is_told_from_the_silence_around_it():
    samples, bounds = voice.say("aisou", [0.2] * 5, lead=0.5, tail=0.4)
    first, last = speech_features(samples, voice.RATE).span
    assert first == pytest.approx(bounds[0], abs=0.03)
    assert last == pytest.approx(bounds[-1], abs=0.03)


def test_times_are_the_middles_of_the_frames_on_the_containers_clock():
    features = speech_features(spoken(), voice.RATE, start=2.0)
    assert features.times[0] == pytest.approx(2.005)
    assert np.allclose(np.diff(features.times), 0.01)
    assert features.start == 2.0
    assert features.end == pytest.approx(2.0 + len(spoken()) / voice.RATE)
    assert (
        len(features.vectors) == len(features.times) == len(features.speech) == len(features.level)
    )


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_rate_gives_finite_vectors(rate):
    rng = np.random.default_rng(0)
    features = speech_features(rng.normal(size=rate) * 0.1, rate)
    assert np.isfinite(features.vectors).all()
    assert len(features.times) in (99, 100)


@pytest.mark.parametrize(
    "samples",
    [np.empty(0), np.zeros(16_000), np.full(16_000, 0.5), np.full(16_000, np.nan), np.ones(10)],
)
def test_nothing_to_hear_is_none(samples):
    assert speech_features(samples, 16_000) is None


def test_dither_is_nothing_to_hear():
    rng = np.random.default_rng(0)
    assert speech_features(rng.uniform(-AUDIBLE / 2, AUDIBLE / 2, 16_000), 16_000) is None


def test_samples_that_are_not_finite_are_silence():
    samples = spoken().copy()
    samples[1000:1100] = np.nan
    assert np.isfinite(speech_features(samples, voice.RATE).vectors).all()


def test_each_mel_filter_passes_something():
    assert (mel_filters(512, 16_000).sum(axis=1) > 0).all()
    assert (mel_filters(256, 8_000).sum(axis=1) >= 0).all()


def test_the_slope_of_a_line_is_its_slope():
    line = 3.0 * np.arange(20.0)[:, None]
    assert np.allclose(slope(line, 3)[3:-3], 3.0)


def test_reference_cepstra_come_thirty_times_a_second():
    rows = reference_cepstra(spoken(), voice.RATE)
    assert rows.shape[1] == 13
    assert len(rows) == pytest.approx(len(spoken()) / voice.RATE * 30, abs=1.5)
