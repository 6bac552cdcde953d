"""Which parts of a recording are takes, by phonemes made for the purpose."""

import numpy as np
import pytest

from stccl_data.errors import Reason
from stccl_data.features.phonemes import HOP_S
from stccl_data.recordings.pronunciation import BLANK, pronounce
from stccl_data.recordings.segments import find_segments
from stccl_data.recordings.sound_track import SoundTrack
from tests.testing.spoken_levels import loudness_of, spoken_levels

LINES = ("Dogs are sitting by the door", "Kids are talking by the door", "Dogs are sitting")
OTHER = "What a terrible weather we have today"


def segments(levels, lines=LINES):
    track = SoundTrack(levels, loudness_of(levels))
    return find_segments(track, [pronounce(line) for line in lines])


def said(*texts):
    """Return what is found in texts spoken one after another: line and reason of each segment."""
    pauses = [part for text in texts for part in (text, 0.8)]
    return [(segment.line, segment.reason) for segment in segments(spoken_levels(0.5, *pauses))]


def test_each_take_of_each_line_is_found_in_any_order():
    assert said(LINES[1], LINES[0], LINES[1]) == [(1, None), (0, None), (1, None)]


def test_a_line_that_begins_another_line_is_found_by_itself():
    assert said(LINES[2], LINES[0]) == [(2, None), (0, None)]


def test_a_false_start_is_not_part_of_the_take():
    assert said("Kids are talking", LINES[1]) == [(1, Reason.INCOMPLETE_TAKE), (1, None)]


def test_two_takes_without_a_pause_are_two():
    levels = spoken_levels(0.5, LINES[0], LINES[1], 0.5, pause=2)
    first, second = segments(levels)
    assert (first.line, second.line) == (0, 1)
    assert first.end <= second.start


def test_other_speech_is_named():
    assert said(OTHER, LINES[0]) == [(None, Reason.OFF_SCRIPT), (0, None)]


def test_other_speech_right_after_a_take_is_not_part_of_it():
    levels = spoken_levels(0.5, LINES[0], OTHER, 0.5, pause=6)
    border = len(spoken_levels(0.5, LINES[0], pause=6)) * HOP_S
    take, other = segments(levels)
    assert (take.line, other.reason) == (0, Reason.OFF_SCRIPT)
    assert border - 0.15 < take.end < border
    levels = spoken_levels(0.5, OTHER, LINES[0], 0.5, pause=6)
    border = len(spoken_levels(0.5, OTHER, pause=6)) * HOP_S
    other, take = segments(levels)
    assert border - 0.15 < take.start < border


def test_a_take_into_which_somebody_else_talks_is_named():
    levels = spoken_levels(0.5, OTHER, LINES[0], OTHER, 0.5, pause=0)
    before, take, after = segments(levels)
    assert (take.line, take.reason) == (0, Reason.OVERLAPPING)
    assert before.reason is after.reason is Reason.OFF_SCRIPT


def test_a_line_with_another_word_is_no_take():
    (segment,) = segments(spoken_levels(0.5, "Cats are sitting by the door", 0.5), LINES[:1])
    assert (segment.reason, segment.detail) == (Reason.INCOMPLETE_TAKE, "not heard: Dogs")
    (segment,) = segments(spoken_levels(0.5, "Dogs are sitting by the church", 0.5), LINES[:1])
    assert (segment.reason, segment.detail) == (Reason.INCOMPLETE_TAKE, "not heard: door")


def test_words_in_between_make_it_another_sentence():
    (segment,) = segments(spoken_levels(0.5, "Dogs are now sitting by the door", 0.5), LINES[:1])
    assert segment.reason is Reason.OFF_SCRIPT
    assert segment.detail == "other words between 'are' and 'sitting'"


def test_five_takes_of_which_three_are_broken():
    takes = (LINES[0], "Dogs are sitting by", LINES[0], "Dogs are", "Dogs are sitting by the")
    levels = spoken_levels(0.5, *[part for take in takes for part in (take, 0.8)])
    reasons = [segment.reason for segment in segments(levels, LINES[:1])]
    assert reasons.count(None) == 2
    assert reasons[0] is None and reasons[2] is None


def test_noise_is_not_speech():
    levels = np.full((300, BLANK + 1), 200, np.uint8)
    levels[:, BLANK] = 0
    loudness = np.full(600, -70, np.float32)
    loudness[200:400] = -20
    (segment,) = find_segments(SoundTrack(levels, loudness), [pronounce(LINES[0])])
    assert segment.reason is Reason.NO_SPEECH
    assert (segment.start, segment.end) == (pytest.approx(2, abs=0.03), pytest.approx(4, abs=0.03))


def test_silence_has_no_segments():
    levels = np.zeros((100, BLANK + 1), np.uint8)
    levels[:, :BLANK] = 200
    assert find_segments(SoundTrack(levels, np.full(200, -90, np.float32)), []) == []


def test_a_take_begins_and_ends_with_its_sound():
    levels = spoken_levels(1.0, LINES[0], 1.0)
    spoken = np.flatnonzero(levels[:, BLANK]) * HOP_S
    (segment,) = segments(levels)
    assert segment.start == pytest.approx(spoken[0] - 0.05, abs=0.03)
    assert segment.end == pytest.approx(spoken[-1] + 0.07, abs=0.03)


def test_an_hour_is_searched_as_a_minute_is():
    levels = spoken_levels(*[part for _ in range(20) for part in (OTHER, 5.0)], LINES[0], 1.0)
    levels = np.concatenate([levels] * 25)
    found = [s for s in segments(levels) if s.reason is None]
    assert len(found) == 25
    assert found[-1].start > 3600
