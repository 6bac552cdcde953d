"""Smoothing: the streaming smoother against the whole clip, and gaps that are bridged."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from stccl_data.face.smoothing import BRIDGED_FRAMES, PointSmoother, bridge, smooth_landmarks


def smooth_whole_clip(points: list[np.ndarray | None], window: int) -> list[np.ndarray | None]:
    """Bridge the gaps, then apply scipy's filter to each run of frames with a face."""
    valid = np.array([p is not None for p in points])
    filled = bridge(np.stack([np.zeros((9, 2)) if p is None else p for p in points]), valid)
    known = ~np.isnan(filled[:, 0, 0])
    out: list[np.ndarray | None] = [None] * len(points)
    i = 0
    while i < len(points):
        if not known[i]:
            i += 1
            continue
        j = i
        while j < len(points) and known[j]:
            j += 1
        n = j - i
        w = min(window, n if n % 2 else n - 1)
        run = filled[i:j] if w <= 2 else savgol_filter(filled[i:j], w, 2, axis=0, mode="interp")
        out[i:j] = list(run)
        i = j
    return out


@given(
    has_face=st.lists(st.integers(0, 9).map(lambda k: k > 1), min_size=1, max_size=60),
    window=st.sampled_from([7, 9, 11]),
    seed=st.integers(0, 9),
)
def test_streaming_equals_smoothing_the_whole_clip(
    has_face: list[bool], window: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    points = [rng.normal(size=(9, 2)) if face else None for face in has_face]
    smoother = PointSmoother(window)
    streamed = [p for point in points for p in smoother.push(point)] + smoother.finish()
    expected = smooth_whole_clip(points, window)
    assert len(streamed) == len(points)
    for actual, truth in zip(streamed, expected, strict=True):
        assert (actual is None) == (truth is None)
        if actual is not None and truth is not None:
            np.testing.assert_allclose(actual, truth, atol=1e-9)


def test_delay_of_the_smoother_is_bounded() -> None:
    smoother, returned, longest = PointSmoother(9), 0, 0
    rng = np.random.default_rng(1)
    for i in range(300):
        returned += len(smoother.push(rng.normal(size=(9, 2)) if rng.random() < 0.7 else None))
        longest = max(longest, i + 1 - returned)
    assert longest <= 9 + BRIDGED_FRAMES + 1


def test_short_gaps_are_bridged_and_long_ones_are_not() -> None:
    values = np.arange(20.0)[:, None, None] * np.ones((20, 9, 2))
    valid = np.ones(20, bool)
    valid[[3, 4]] = False
    valid[8:16] = False
    filled = bridge(np.where(valid[:, None, None], values, 99), valid)
    np.testing.assert_allclose(filled[[3, 4], 0, 0], [3, 4])
    assert np.isnan(filled[8:16]).all()


def test_smoothing_keeps_a_parabola_and_reduces_noise() -> None:
    t = np.linspace(0, 1, 40)
    curve = np.stack([100 + 30 * t + 20 * t**2, 50 - 10 * t], axis=1)
    clean = curve[:, None] * np.ones((1, 478, 1))
    np.testing.assert_allclose(smooth_landmarks(clean, np.ones(40, bool)), clean, atol=1e-3)
    noisy = clean + np.random.default_rng(0).normal(size=clean.shape)
    assert (smooth_landmarks(noisy, np.ones(40, bool)) - clean).std() < 0.72
