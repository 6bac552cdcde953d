"""Which windows are drawn."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.landmarks import ibug68
from stccl_train.config import WindowConfig
from stccl_train.data.pairings import Pairing
from stccl_train.data.windows import WindowShape, window_starts
from tests.testing.windows import ALL, KEY, draw


class ValidClip:
    """As much of a clip as `window_starts` reads."""

    def __init__(self, valid):
        self.valid, self.times = valid, np.arange(len(valid)) / 25

    def __len__(self):
        return len(self.valid)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_windows_start_wherever_all_conditions_hold(data):
    n, m = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 25))
    frames, stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    frame_map = np.array(
        sorted(data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))), np.int32
    )
    valid = [np.array(data.draw(st.lists(st.booleans(), min_size=k, max_size=k))) for k in (n, m)]
    pairing = Pairing(ValidClip(valid[0]), ValidClip(valid[1]), "direct", lambda: frame_map)
    expected = []
    for start in range(n - (frames - 1) * stride):
        source = [start + stride * k for k in range(frames)]
        target = [int(frame_map[i]) for i in source]
        if (
            all(valid[0][source])
            and all(valid[1][target])
            and max(Counter(target).values()) <= 2
            and all(b - a <= 2 * stride for a, b in pairwise(target))
        ):
            expected.append(start)
    assert window_starts(pairing, WindowShape(frames, stride / 25)).tolist() == expected


@pytest.mark.parametrize("fps", [8, 10, 12.5, 15, 24, 25, 30000 / 1001, 50])
def test_every_frame_is_in_a_window(fps):
    windows = WindowShape(3, 0.12).windows(np.arange(40) / fps)
    assert set(windows.ravel()) == set(range(40))


@pytest.mark.parametrize(
    ("fps", "first"), [(25, (0, 3, 6)), (50, (0, 6, 12)), (30, (0, 4, 7)), (10, (0, 1, 2))]
)
def test_a_window_spans_the_same_time_at_any_frame_rate(fps, first):
    times = 0.5 + np.arange(fps) / fps
    windows = WindowShape(3, 0.12).windows(times)
    assert tuple(windows[0]) == first
    spans = times[windows[:, -1]] - times[windows[:, 0]]
    assert np.allclose(spans, 0.24, atol=0.5 / fps)
    assert windows[-1, -1] >= fps - 2


def test_a_window_follows_the_times_of_a_variable_frame_rate():
    times = np.array([0.0, 0.04, 0.08, 0.2, 0.24, 0.25, 0.4])
    windows = WindowShape(3, 0.12).windows(times)
    assert windows.tolist() == [[0, 2, 4], [1, 3, 5], [2, 3, 5]]


def test_a_window_has_consecutive_source_frames_and_their_mapped_target_frames(dataset):
    (pair,) = dataset[KEY].pairs(target="angry")
    forward = [w for w in draw(dataset) if w.source.emotion == "neutral"]
    assert forward
    for window in forward:
        first = window.source.frames[0]
        assert window.source.frames == (first, first + 1, first + 2)
        assert window.target.frames == tuple(pair.frame_map[list(window.source.frames)])


def test_frames_without_a_face_are_in_no_window(dataset):
    for window in draw(dataset, 200, ALL):
        assert 3 not in (*window.source.frames, *window.target.frames)


def test_points_are_pixels_of_the_crop(dataset):
    window = draw(dataset, 1)[0]
    clip = next(c for c in dataset[KEY].clips.values() if c.clip_id == window.source.clip_id)
    # the face transforms of the small dataset are the identity
    expected = ibug68(clip.landmarks[list(window.source.frames)])
    np.testing.assert_allclose(window.source.points, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("crop", "crops"), [("mouth", {"mouth"}), ("face", {"face"}), ("both", {"face", "mouth"})]
)
def test_windows_are_of_the_crop_that_is_set(dataset, crop, crops):
    assert {w.crop for w in draw(dataset, 40, WindowConfig(crop=crop))} == crops


def test_any_two_emotions_are_drawn_equally_often(dataset):
    counts = Counter(
        frozenset((w.source.emotion, w.target.emotion)) for w in draw(dataset, 300, ALL)
    )
    assert len(counts) == 3 and min(counts.values()) > 75
