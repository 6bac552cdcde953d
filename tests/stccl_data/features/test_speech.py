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


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """A second of five vowels."""
    return voice.say("aisou", [0.2] * 5)[0]


def test_features_do_not_depend_on_loudness():
    clean = voice.say("aisou", [0.2] * 5, noise=0)[0]
    loud, soft = (speech_features(x, voice.RATE) for x in (clean, clean / 20))
    assert np.abs(loud.vectors - soft.vectors).max() < 0.02
    assert np.array_equal(loud.speech, soft.speech)


def test_speech_is_separated_from_the_silence_around_it():
    samples, bounds = voice.say("aisou", [0.2] * 5, lead=0.5, tail=0.4)
    first, last = speech_features(samples, voice.RATE).span
    assert first == pytest.approx(bounds[0], abs=0.03)
    assert last == pytest.approx(bounds[-1], abs=0.03)


def test_times_are_frame_centres_on_the_containers_clock(samples):
    features = speech_features(samples, voice.RATE, start=2.0)
    assert features.times[0] == pytest.approx(2.005)
    assert np.allclose(np.diff(features.times), 0.01)
    assert features.start == 2.0
    assert features.end == pytest.approx(2.0 + len(samples) / voice.RATE)
    n = len(features.times)
    assert len(features.vectors) == len(features.speech) == len(features.level) == n


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_any_sample_rate_gives_finite_vectors(rate):
    rng = np.random.default_rng(0)
    features = speech_features(rng.normal(size=rate) * 0.1, rate)
    assert np.isfinite(features.vectors).all()
    assert len(features.times) in (99, 100)


@pytest.mark.parametrize(
    "samples",
    [np.empty(0), np.zeros(16_000), np.full(16_000, 0.5), np.full(16_000, np.nan), np.ones(10)],
    ids=["empty", "zeros", "constant", "nan", "too short"],
)
def test_inaudible_samples_have_no_features(samples):
    assert speech_features(samples, 16_000) is None


def test_dither_is_inaudible():
    rng = np.random.default_rng(0)
    assert speech_features(rng.uniform(-AUDIBLE / 2, AUDIBLE / 2, 16_000), 16_000) is None


def test_samples_that_are_not_finite_become_silence(samples):
    damaged = samples.copy()
    damaged[1000:1100] = np.nan
    assert np.isfinite(speech_features(damaged, voice.RATE).vectors).all()


def test_each_mel_filter_passes_something():
    assert (mel_filters(512, 16_000).sum(axis=1) > 0).all()
    assert (mel_filters(256, 8_000).sum(axis=1) >= 0).all()


def test_slope_of_a_line_is_constant():
    line = 3.0 * np.arange(20.0)[:, None]
    assert np.allclose(slope(line, 3)[3:-3], 3.0)


def test_reference_cepstra_have_thirty_rows_per_second(samples):
    rows = reference_cepstra(samples, voice.RATE)
    assert rows.shape[1] == 13
    assert len(rows) == pytest.approx(len(samples) / voice.RATE * 30, abs=1.5)
