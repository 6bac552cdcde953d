"""The beeps of the teleprompter are found again, and say which row a take is of."""

import numpy as np
import pytest

from stccl_data.errors import Reason
from stccl_data.recordings.beeps import PITCHES, Beep, find_beeps, tone_shares
from stccl_data.recordings.position import read_order
from stccl_data.recordings.pronunciation import pronounce
from stccl_data.recordings.script import ScriptRow
from stccl_data.recordings.segments import find_segments
from stccl_data.recordings.sound_track import SoundTrack, read_sound_track
from tests.testing.spoken_levels import loudness_of, spoken_levels

RATE, HOP = 16_000, 160


def tones(*tones):
    """Return the beeps of 4 s of noise with tones (start, seconds, Hz) 6 dB above it."""
    sound = np.random.default_rng(0).normal(0, 0.02, 4 * RATE)
    for start, seconds, pitch in tones:
        time = np.arange(round(seconds * RATE)) / RATE
        sound[round(start * RATE) :][: len(time)] += 0.057 * np.sin(2 * np.pi * pitch * time)
    return find_beeps(tone_shares(sound.astype(np.float32).reshape(-1, HOP), RATE), HOP / RATE)


def test_a_beep_of_each_pitch_is_found_in_noise():
    beeps = tones(*[(1.003 + n, 0.15, pitch) for n, pitch in enumerate(PITCHES)])
    assert [beep.pitch for beep in beeps] == [0, 1, 2]
    assert [beep.start for beep in beeps] == pytest.approx([1, 2, 3], abs=0.03)
    assert [beep.end for beep in beeps] == pytest.approx([1.15, 2.15, 3.15], abs=0.03)


def test_other_tones_are_no_beeps():
    assert tones((1, 0.15, 1100), (2, 1.5, PITCHES[0]), (3.7, 0.03, PITCHES[1])) == ()


@pytest.mark.parametrize("hops", [0, 1, 4])
def test_sound_shorter_than_a_beep_has_none(hops):
    shares = tone_shares(np.zeros((hops, HOP), np.float32), RATE)
    assert shares.shape == (hops, len(PITCHES))
    assert find_beeps(shares, HOP / RATE) == ()


def test_the_beeps_of_a_session_are_found_and_its_speech_is_none(session):
    beeps = read_sound_track(session.folder / "session.mp4").beeps
    truth = [event.beep for event in session.events if event.beep is not None]
    assert [beep.start for beep in beeps] == pytest.approx(truth, abs=0.03)
    assert [beep.pitch for beep in beeps] == [0, 0, 1, 2, 0, 0]


def test_beeps_tell_a_repeated_row_from_the_next_one():
    rows = [ScriptRow(0, "neutral"), ScriptRow(0, "sad")]
    for prompts, told in (
        ([0, 0, 1], [0, 0, 1]),
        ([0, 1, 1], [0, 1, 1]),
        ([None, None, 1], [0, None, 1]),
    ):
        assert read_order([0, 0, 0], rows, prompts=prompts).rows == told


def test_a_take_with_a_beep_in_it_is_incomplete():
    line = "Dogs are sitting by the door"
    levels = spoken_levels(0.5, line, 0.5)
    track = SoundTrack(levels, loudness_of(levels), (Beep(0.1, 0.25, 0), Beep(1.2, 1.35, 0)))
    (segment,) = find_segments(track, [pronounce(line)])
    assert (segment.reason, segment.prompt) == (Reason.INCOMPLETE_TAKE, 0)
