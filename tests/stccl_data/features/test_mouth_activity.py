"""Whether a mouth speaks, on mouths and voices drawn by formula, and on rendered clips."""

from dataclasses import replace

import numpy as np
import pytest

from stccl_data.features.mouth import mouth_features
from stccl_data.features.mouth_activity import mouth_moves_with_sound, mouth_range
from stccl_data.features.speech import SpeechFeatures, speech_features
from stccl_data.pairs.gates import MIN_MOUTH_RANGE
from tests.stccl_data.features.test_mouth import draw_face

RATE = 16_000


def syllables(times: np.ndarray) -> np.ndarray:
    """Return how far a mouth is open, 0 to 1, a different curve every second."""
    return np.asarray(0.5 + 0.5 * np.sin(20 * times + 3 * np.sin(2.1 * times)))


def draw_mouth(fps: float = 25.0, seconds: float = 3.0, lag: float = 0.0, opening: float = 16.0):
    """Return the features of a mouth that opens with the syllables."""
    times = np.arange(0, seconds, 1 / fps)
    landmarks = np.stack([draw_face(opening * o) for o in syllables(times - lag)])
    return mouth_features(landmarks, times, np.ones(len(times), bool))


def draw_voice(seconds: float = 3.0, start: float = 0.0) -> SpeechFeatures:
    """Return the features of noise that is loud where a syllable is."""
    times = np.arange(0, seconds, 1 / RATE)
    noise = np.random.default_rng(0).normal(size=len(times))
    features = speech_features(0.1 * noise * (syllables(times) ** 2 + 0.01), RATE, start)
    assert features is not None
    return features


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
@pytest.mark.parametrize("lag", [-0.15, 0.0, 0.15])
def test_a_mouth_that_speaks_moves_with_the_sound(fps: float, lag: float) -> None:
    along = mouth_moves_with_sound(draw_mouth(fps, lag=lag), draw_voice())
    assert along is not None and along > 0.8


def test_a_mouth_moves_less_with_the_sound_of_another_moment() -> None:
    voice = draw_voice()
    other = replace(voice, level=np.roll(voice.level, 130))
    along = mouth_moves_with_sound(draw_mouth(), other)
    assert along is not None and along < 0.5


def test_times_not_indices_are_compared() -> None:
    mouth = draw_mouth()
    late = replace(mouth, times=mouth.times + 7)
    along = mouth_moves_with_sound(late, draw_voice(start=7.0))
    assert along is not None and along > 0.8
    assert mouth_moves_with_sound(late, draw_voice()) is None, "no common second"


def test_a_still_mouth_has_no_correlation_and_no_range() -> None:
    still = draw_mouth(opening=0.0)
    assert mouth_moves_with_sound(still, draw_voice()) is None
    assert mouth_range(still) < MIN_MOUTH_RANGE < 0.1 < mouth_range(draw_mouth())


def test_too_little_to_see_gives_no_correlation() -> None:
    assert mouth_moves_with_sound(draw_mouth(seconds=0.6), draw_voice()) is None
    mouth = draw_mouth()
    hidden = replace(mouth, valid=mouth.times < 0.5)
    assert mouth_moves_with_sound(hidden, draw_voice()) is None
