"""Smoothing: what it keeps at every frame rate, streaming against the whole clip, and gaps."""

from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.face.smoothing import (
    BRIDGED_S,
    LANDMARK_CUTOFF_HZ,
    TRANSFORM_CUTOFF_HZ,
    WINDOW_S,
    PointSmoother,
    bridge,
    smooth_landmarks,
    window_weights,
)
from stccl_data.landmarks import ibug68

FRAME_RATES = (24, 25, 30, 50, 60, 120)


def smooth_whole_clip(
    points: list[np.ndarray | None], times: np.ndarray, jumps: np.ndarray
) -> list[np.ndarray]:
    """Bridge the gaps, then smooth each frame by those near it; NaN in the long gaps."""
    valid = np.array([p is not None for p in points])
    values = np.stack([np.zeros((9, 2)) if p is None else p for p in points])
    filled = bridge(values, valid, times, jumps)
    known = ~np.isnan(filled[:, 0, 0])
    out = []
    for i, t in enumerate(times):
        near = np.abs(times - t) <= WINDOW_S + 1e-3
        gap = np.cumsum(~known | jumps)
        window = np.flatnonzero(near & known & (gap == gap[i]))
        if known[i]:
            weights = window_weights(times[window], int(np.sum(window < i)), TRANSFORM_CUTOFF_HZ)
            out.append(np.tensordot(weights, filled[window], axes=1))
        else:
            out.append(np.full((9, 2), np.nan))
    return out


def moving(times: np.ndarray, hertz: float) -> np.ndarray:
    """Return (N, 478, 2) points that all move up and down."""
    return np.cos(2 * np.pi * hertz * times)[:, None, None] * np.ones((1, 478, 2))


def kept(times: np.ndarray, hertz: float) -> np.ndarray:
    """Return what smoothing keeps of a movement, at each of the 68 points."""
    movement = moving(times, hertz)
    smooth = ibug68(smooth_landmarks(movement, np.ones(len(times), bool), times))
    inside = (times > times[0] + 0.3) & (times < times[-1] - 0.3)
    wave = movement[inside, :68]
    return np.asarray((smooth[inside] * wave).sum(axis=(0, 2)) / (wave**2).sum(axis=(0, 2)))


@pytest.mark.parametrize("fps", FRAME_RATES)
@pytest.mark.parametrize("hertz", [2.0, 4.7, 6.0, 7.8])
def test_a_movement_is_kept_alike_at_every_frame_rate_and_point(fps: int, hertz: float) -> None:
    share = kept(np.arange(3 * fps) / fps, hertz)
    expected = 1 / (1 + (hertz / LANDMARK_CUTOFF_HZ) ** 6)
    np.testing.assert_allclose(share, expected, atol=0.025)
    assert hertz > 6 or share.min() > 0.9, "speech moves lips and jaw up to 6 Hz"


@pytest.mark.parametrize("fps", [5, 8, 10, 12, 15])
def test_few_frames_per_second_are_hardly_changed(fps: int) -> None:
    times = np.arange(4 * fps) / fps
    for hertz in np.arange(0.5, 0.4 * fps, 0.5):
        assert kept(times, hertz).min() > 0.93


@pytest.mark.parametrize("fps", [10, 24, 25, 60])
@pytest.mark.parametrize(
    ("cutoff", "inverted"), [(LANDMARK_CUTOFF_HZ, 0.001), (TRANSFORM_CUTOFF_HZ, 0.1)]
)
def test_no_movement_is_inverted(fps: int, cutoff: float, inverted: float) -> None:
    reach = int(WINDOW_S * fps + 1e-6)
    times = np.arange(-reach, reach + 1) / fps
    weights = window_weights(times, reach, cutoff)
    hertz = np.linspace(0, fps / 2, 200)
    response = np.cos(2 * np.pi * hertz[:, None] * times) @ weights
    assert response.min() > -inverted and response.max() < 1.01


def test_frames_at_irregular_times_are_smoothed_in_time() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.07, 120))
    assert kept(times, 3.0).min() > 0.97
    slow = moving(times, 0.3)
    smooth = smooth_landmarks(slow, np.ones(120, bool), times)
    np.testing.assert_allclose(smooth, slow, atol=0.005)


def test_repeated_time_stamps_do_no_harm() -> None:
    times = np.repeat(np.arange(20) / 25, 2)
    points = moving(times, 2.0)
    smooth = smooth_landmarks(points, np.ones(40, bool), times)
    np.testing.assert_allclose(smooth, points, atol=0.1)


@given(
    has_face=st.lists(st.integers(0, 9).map(lambda k: k > 1), min_size=1, max_size=60),
    steps=st.sampled_from([(0.04,), (0.1,), (0.0167,), (0.033, 0.034), (0.01, 0.09, 0.3)]),
    seed=st.integers(0, 9),
    cuts=st.integers(0, 3),
)
def test_streaming_equals_smoothing_the_whole_clip(
    has_face: list[bool], steps: tuple[float, ...], seed: int, cuts: int
) -> None:
    rng = np.random.default_rng(seed)
    jumps = np.zeros(len(has_face), bool)
    jumps[rng.integers(0, len(has_face), cuts)] = True
    jumps &= has_face
    points = [rng.normal(size=(9, 2)) if face else None for face in has_face]
    times = np.array(list(accumulate(steps[i % len(steps)] for i in range(len(points)))))
    smoother = PointSmoother()
    streamed = [
        p
        for point, t, jump in zip(points, times, jumps, strict=True)
        for p in smoother.push(point, float(t), bool(jump))
    ]
    streamed += smoother.finish()
    expected = smooth_whole_clip(points, times, jumps)
    assert len(streamed) == len(points)
    for actual, truth in zip(streamed, expected, strict=True):
        assert (actual is None) == bool(np.isnan(truth).any())
        if actual is not None:
            np.testing.assert_allclose(actual, truth, atol=1e-9)


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_delay_of_the_smoother_is_bounded(fps: int) -> None:
    smoother, returned, longest = PointSmoother(), 0, 0
    rng = np.random.default_rng(1)
    for i in range(300):
        points = rng.normal(size=(9, 2)) if rng.random() < 0.7 else None
        returned += len(smoother.push(points, i / fps))
        longest = max(longest, i + 1 - returned)
    assert longest <= (WINDOW_S + BRIDGED_S) * fps + 1


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_short_gaps_are_bridged_and_long_ones_are_not(fps: int) -> None:
    values = np.arange(6.0 * fps)[:, None, None] * np.ones((1, 9, 2))
    valid = np.ones(6 * fps, bool)
    short, long = int(BRIDGED_S * fps) - 1, int(BRIDGED_S * fps) + 1
    valid[fps : fps + short] = False
    valid[3 * fps : 3 * fps + long] = False
    hidden = np.where(valid[:, None, None], values, 99)
    filled = bridge(hidden, valid, np.arange(6 * fps) / fps, np.zeros(6 * fps, bool))
    np.testing.assert_allclose(filled[: 3 * fps], values[: 3 * fps])
    assert set(np.flatnonzero(np.isnan(filled[:, 0, 0]))) == set(range(3 * fps, 3 * fps + long))


def test_nothing_is_smoothed_or_bridged_across_a_jump() -> None:
    times = np.arange(40) / 25
    points = moving(times, 1.0)
    points[20:] += 300.0
    jumps, seen = np.arange(40) == 20, np.ones(40, bool)
    smooth = smooth_landmarks(points, seen, times, jumps)
    np.testing.assert_allclose(smooth, points, atol=0.05)
    seen[18:20] = False
    gap = smooth_landmarks(points, seen, times, jumps)
    assert set(np.flatnonzero(np.isnan(gap[:, 0, 0]))) == {18, 19}


def test_smoothing_keeps_a_parabola_and_reduces_noise() -> None:
    t = np.linspace(0, 1, 40)
    curve = np.stack([100 + 30 * t + 20 * t**2, 50 - 10 * t], axis=1)
    clean = curve[:, None] * np.ones((1, 478, 1))
    seen, noise = np.ones(40, bool), np.random.default_rng(0).normal(size=clean.shape)
    np.testing.assert_allclose(smooth_landmarks(clean, seen, t), clean, atol=1e-3)
    left = [
        (smooth_landmarks(clean + noise, seen, t / speed) - clean).std() for speed in (1, 2.5, 5)
    ]
    assert left[0] < 0.75, "at 40 frames per second"
    assert all(a > b + 0.1 for a, b in pairwise(left)), "and the less, the more frames there are"
