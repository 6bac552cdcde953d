"""Mouth features from landmarks drawn by formula."""

import numpy as np
import pytest

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.errors import ClipError, Reason
from stccl_data.features.mouth import MEASURES, MIN_VALID, mouth_features
from stccl_data.features.signals import Signals


def face(opening, width=60.0):
    """(68, 2) pixels: eyes 100 apart, a mouth `width` wide and `opening` open, the chin following it."""
    points = np.zeros((68, 2))
    points[36], points[45] = (100, 100), (200, 100)
    points[33], points[8] = (150, 140), (150, 220 + opening)
    angle = np.linspace(np.pi, -np.pi, 12, endpoint=False)
    points[48:60] = np.stack(
        [150 + width / 2 * np.cos(angle), 180 + opening / 2 - (opening / 2 + 10) * np.sin(angle)],
        axis=1,
    )
    angle = np.linspace(np.pi, -np.pi, 8, endpoint=False)
    points[60:68] = np.stack(
        [150 + width / 2.5 * np.cos(angle), 180 + opening / 2 - opening / 2 * np.sin(angle)], axis=1
    )
    return points


def talking(time, fps=25.0, seconds=3):
    """Features of a mouth that opens by a fixed melody of `time(t)`."""
    times = np.arange(0, seconds, 1 / fps)
    moved = time(times)
    opening = 10 + 8 * np.sin(6 * moved) + 5 * np.sin(11 * moved + 1)
    landmarks = np.stack(
        [face(o, 60 + 5 * np.sin(4 * m)) for o, m in zip(opening, moved, strict=True)]
    )
    return landmarks, times, np.ones(len(times), bool)


def test_neither_size_nor_roll_nor_place_matters():
    landmarks, times, valid = talking(lambda t: t)
    plain = mouth_features(landmarks, times, valid)
    c, s = np.cos(0.4), np.sin(0.4)
    moved = mouth_features(2.5 * landmarks @ np.array([[c, s], [-s, c]]) + [300, -50], times, valid)
    assert np.abs(plain.shape - moved.shape).max() < 1e-4
    assert plain.shape.shape[1] == len(MEASURES)


def test_velocity_is_the_derivative_in_seconds():
    landmarks, times, valid = talking(lambda t: t)
    features = mouth_features(landmarks, times, valid)
    expected = np.gradient(features.shape[:, 0], times)
    assert np.corrcoef(features.velocity[3:-3, 0], expected[3:-3])[0, 1] > 0.97


def test_frames_without_a_face_are_bridged():
    landmarks, times, valid = talking(lambda t: t)
    whole = mouth_features(landmarks, times, valid)
    landmarks[20:23] = np.nan
    valid[40] = False
    bridged = mouth_features(landmarks, times, valid)
    assert np.flatnonzero(~bridged.valid).tolist() == [20, 21, 22, 40]
    assert np.isfinite(bridged.vectors).all()
    assert np.abs(whole.shape - bridged.shape)[:, 0].max() < 0.08


@pytest.mark.parametrize("seen", [0, MIN_VALID - 1])
def test_too_few_faces_are_no_movement(seen):
    landmarks, times, valid = talking(lambda t: t)
    valid[seen:] = False
    assert mouth_features(landmarks, times, valid) is None


def test_nan_landmarks_throughout_are_no_movement():
    landmarks, times, valid = talking(lambda t: t)
    assert mouth_features(np.full_like(landmarks, np.nan), times, valid) is None


def test_silent_clips_are_aligned_by_the_mouth():
    def late(t):
        return t * 0.85 + 0.1 * np.sin(2 * t)

    source, target = mouth_features(*talking(lambda t: t)), mouth_features(*talking(late))
    found = align(
        Signals(None, source, source.times),
        Signals(None, target, target.times),
        AlignConfig(mode="auto"),
    )
    at = np.arange(0.3, 2.2, 0.05)
    truth = np.interp(at, late(np.arange(0, 3, 0.001)), np.arange(0, 3, 0.001))
    assert found.mode == "visual"
    assert np.median(np.abs(np.interp(at, found.source_time, found.target_time) - truth)) < 0.02


def test_visual_mode_without_a_mouth_has_a_reason():
    source = mouth_features(*talking(lambda t: t))
    with pytest.raises(ClipError) as caught:
        align(Signals(None, source, source.times), Signals(), AlignConfig(mode="visual"))
    assert caught.value.reason == Reason.NO_SIGNAL


def test_a_silent_clip_ten_times_longer_than_its_partner_has_a_reason():
    short = mouth_features(*talking(lambda t: t))
    landmarks, times, valid = talking(lambda t: t, seconds=30)
    clips = [
        Signals(None, features, features.times)
        for features in (short, mouth_features(landmarks, times, valid))
    ]
    for pair in (clips, clips[::-1]):
        with pytest.raises(ClipError) as caught:
            align(*pair)
        assert caught.value.reason == Reason.DURATION_RATIO


def test_a_clip_whose_landmarks_are_not_numbers_has_a_reason():
    landmarks, times, valid = talking(lambda t: t)
    source = Signals(None, mouth_features(landmarks, times, valid), times)
    target = Signals(None, mouth_features(np.full_like(landmarks, np.nan), times, valid), times)
    for mode in ("visual", "auto"):
        with pytest.raises(ClipError) as caught:
            align(source, target, AlignConfig(mode=mode))
        assert caught.value.reason == Reason.NO_SIGNAL
