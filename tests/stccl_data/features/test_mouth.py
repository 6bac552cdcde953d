"""Mouth features from landmarks drawn by formula."""

import numpy as np
import pytest

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.errors import ClipError, Reason
from stccl_data.features.mouth import MEASURES, MIN_VALID, MouthFeatures, mouth_features
from stccl_data.features.signals import Signals


def draw_face(opening, width=60.0):
    """Return a face, (68, 2) pixels: eyes 100 apart; the chin follows the opening of the mouth."""
    points = np.zeros((68, 2))
    points[36], points[45] = (100, 100), (200, 100)
    points[33], points[8] = (150, 140), (150, 220 + opening)
    centre = 180 + opening / 2
    for lips, rx, ry in (
        (slice(48, 60), width / 2, opening / 2 + 10),
        (slice(60, 68), width / 2.5, opening / 2),
    ):
        angle = np.linspace(np.pi, -np.pi, lips.stop - lips.start, endpoint=False)
        points[lips] = np.stack([150 + rx * np.cos(angle), centre - ry * np.sin(angle)], axis=1)
    return points


def draw_speech(warp=lambda t: t, fps=25.0, seconds=3):
    """Return landmarks, times and valid of a mouth that moves by a fixed curve of `warp(t)`."""
    times = np.arange(0, seconds, 1 / fps)
    warped = warp(times)
    opening = 10 + 8 * np.sin(6 * warped) + 5 * np.sin(11 * warped + 1)
    width = 60 + 5 * np.sin(4 * warped)
    landmarks = np.stack([draw_face(o, w) for o, w in zip(opening, width, strict=True)])
    return landmarks, times, np.ones(len(times), bool)


def mouth_signals(features: MouthFeatures) -> Signals:
    """Return the signals of a silent clip."""
    return Signals(mouth=features, frame_times=features.times)


def test_features_do_not_depend_on_size_roll_or_place():
    landmarks, times, valid = draw_speech()
    plain = mouth_features(landmarks, times, valid)
    c, s = np.cos(0.4), np.sin(0.4)
    moved = mouth_features(2.5 * landmarks @ np.array([[c, s], [-s, c]]) + [300, -50], times, valid)
    assert np.abs(plain.shape - moved.shape).max() < 1e-4
    assert plain.shape.shape[1] == len(MEASURES)


def test_velocity_is_the_derivative_per_second():
    landmarks, times, valid = draw_speech()
    features = mouth_features(landmarks, times, valid)
    expected = np.gradient(features.shape[:, 0], times)
    assert np.corrcoef(features.velocity[3:-3, 0], expected[3:-3])[0, 1] > 0.97


def test_frames_without_a_face_are_interpolated():
    landmarks, times, valid = draw_speech()
    complete = mouth_features(landmarks, times, valid)
    landmarks[20:23] = np.nan
    valid[40] = False
    interpolated = mouth_features(landmarks, times, valid)
    assert np.flatnonzero(~interpolated.valid).tolist() == [20, 21, 22, 40]
    assert np.isfinite(interpolated.vectors).all()
    assert np.abs(complete.shape - interpolated.shape)[:, 0].max() < 0.08


@pytest.mark.parametrize("count", [0, MIN_VALID - 1])
def test_too_few_faces_give_no_features(count):
    landmarks, times, valid = draw_speech()
    valid[count:] = False
    assert mouth_features(landmarks, times, valid) is None


def test_nan_landmarks_give_no_features():
    landmarks, times, valid = draw_speech()
    assert mouth_features(np.full_like(landmarks, np.nan), times, valid) is None


def test_silent_clips_are_aligned_by_the_mouth():
    def warp(t):
        return t * 0.85 + 0.1 * np.sin(2 * t)

    source, target = mouth_features(*draw_speech()), mouth_features(*draw_speech(warp))
    alignment = align(mouth_signals(source), mouth_signals(target), AlignConfig(mode="auto"))
    t = np.arange(0.3, 2.2, 0.05)
    truth = np.interp(t, warp(np.arange(0, 3, 0.001)), np.arange(0, 3, 0.001))
    aligned = np.interp(t, alignment.source_time, alignment.target_time)
    assert alignment.mode == "visual"
    assert np.median(np.abs(aligned - truth)) < 0.02


def test_visual_mode_without_a_mouth_is_no_signal():
    source = mouth_features(*draw_speech())
    with pytest.raises(ClipError) as error:
        align(mouth_signals(source), Signals(), AlignConfig(mode="visual"))
    assert error.value.reason == Reason.NO_SIGNAL


def test_a_silent_clip_ten_times_longer_than_its_partner_is_refused():
    clips = [mouth_signals(mouth_features(*draw_speech(seconds=s))) for s in (3, 30)]
    for pair in (clips, clips[::-1]):
        with pytest.raises(ClipError) as error:
            align(*pair)
        assert error.value.reason == Reason.DURATION_RATIO


@pytest.mark.parametrize("mode", ["visual", "auto"])
def test_a_silent_clip_with_nan_landmarks_is_no_signal(mode):
    landmarks, times, valid = draw_speech()
    source = Signals(mouth=mouth_features(landmarks, times, valid), frame_times=times)
    missing = mouth_features(np.full_like(landmarks, np.nan), times, valid)
    target = Signals(mouth=missing, frame_times=times)
    with pytest.raises(ClipError) as error:
        align(source, target, AlignConfig(mode=mode))
    assert error.value.reason == Reason.NO_SIGNAL
