"""Evaluation windows: aligned, shifted, of another sentence."""

import numpy as np
import pytest

from stccl_train.data.augmentation import NO_AUGMENTATION
from stccl_train.data.controls import evaluation_windows
from tests.testing.windows import SHAPE


def sources(windows):
    return [(w.source.clip_id, w.source.frames) for w in windows]


def clips(windows):
    return [(w.source.clip_id, w.target.clip_id, w.source.frames) for w in windows]


def test_windows_are_the_same_every_time(dataset):
    first, second = (
        list(evaluation_windows(dataset, "val", SHAPE, 2, margin=0.08)) for _ in range(2)
    )
    assert [w.name for w in first] == [w.name for w in second]
    assert all(w.augmentation == NO_AUGMENTATION for w in first)


def test_windows_are_spread_over_every_accepted_pair(dataset):
    windows = list(evaluation_windows(dataset, "val", SHAPE, 2, margin=0.08))
    assert len(windows) == 4 and {w.key for w in windows} == set(dataset.keys("val"))
    assert {(w.source.emotion, w.target.emotion) for w in windows} == {("neutral", "angry")}
    assert len({w.source.frames for w in windows}) == 2


@pytest.mark.parametrize("shift", [1, 2, 4])
def test_a_shift_moves_the_target_only(dataset, shift):
    aligned = list(evaluation_windows(dataset, "val", SHAPE, 3, margin=0.16))
    shifted = list(evaluation_windows(dataset, "val", SHAPE, 3, shift=shift / 25, margin=0.16))
    assert clips(shifted) == clips(aligned)
    for before, after in zip(aligned, shifted, strict=True):
        moved = np.array(after.target.frames) - np.array(before.target.frames)
        assert len(set(moved)) == 1 and abs(moved[0]) == shift


def test_a_pair_shorter_than_the_margin_has_no_windows(dataset):
    assert not list(evaluation_windows(dataset, "val", SHAPE, 3, margin=0.6))  # of 15 frames


def test_another_sentence_is_of_the_same_speaker_and_emotion(dataset):
    aligned = list(evaluation_windows(dataset, "val", SHAPE, 3, margin=0.08))
    others = list(evaluation_windows(dataset, "val", SHAPE, 3, other="by_mouth", margin=0.08))
    assert sources(others) == sources(aligned)
    for window, other in zip(aligned, others, strict=True):
        assert other.target.clip_id != window.target.clip_id
        assert other.target.emotion == window.target.emotion
        assert other.target.clip_id.split("/")[1] == window.target.clip_id.split("/")[1] == "M005"


def test_frames_of_another_sentence_are_valid_and_keep_pace(dataset):
    for window in evaluation_windows(dataset, "val", SHAPE, 3, other="by_mouth", margin=0.08):
        steps = np.diff(window.target.frames)
        assert (steps >= 0).all() and steps.max() <= 2 * np.diff(window.source.frames).max()
        assert 3 not in window.target.frames


def test_another_sentence_at_the_same_time_has_the_relative_times_of_the_target(dataset):
    windows = list(evaluation_windows(dataset, "val", SHAPE, 3, margin=0.08))
    others = list(evaluation_windows(dataset, "val", SHAPE, 3, other="same_time", margin=0.08))
    assert sources(others) == sources(windows)
    for window, other in zip(windows, others, strict=True):
        assert other.target.clip_id != window.target.clip_id
        assert other.target.frames == window.target.frames  # both clips have 15 frames
