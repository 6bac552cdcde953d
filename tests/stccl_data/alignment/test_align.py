"""Alignments of synthetic speech with known boundaries, and of signals that cannot be aligned."""

from itertools import pairwise

import numpy as np
import pytest

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.alignment.warping_path import frame_map, frame_path, longest_repeat
from stccl_data.errors import ClipError, Reason
from stccl_data.features.signals import Signals
from stccl_data.features.speech import reference_cepstra, speech_features
from tests.testing import speech as voice

SENTENCE = "aisouesai"
EVEN = np.full(9, 0.15)


def signals_of(samples, frames=30.0, start=0.0):
    duration = len(samples) / voice.RATE
    times = start + np.arange(int(duration * frames)) / frames
    speech = speech_features(samples, voice.RATE, start)
    cepstra = reference_cepstra(samples, voice.RATE) if speech else None
    return Signals(speech, None, times, cepstra, name="test clip")


def boundary_errors(source, target, source_bounds, target_bounds):
    alignment = align(source, target)
    return np.abs(
        np.interp(source_bounds, alignment.source_time, alignment.target_time) - target_bounds
    )


def test_boundaries_are_found_at_any_tempo_pitch_and_loudness():
    lengths = np.array([0.1, 0.25, 0.1, 0.2, 0.3, 0.12, 0.2, 0.1, 0.3])
    calm, calm_bounds = voice.say(SENTENCE, EVEN, pitch=110, gain=0.05)
    loud, loud_bounds = voice.say(
        SENTENCE, lengths, pitch=190, gain=0.8, lead=0.7, tail=0.1, seed=1
    )
    error = boundary_errors(signals_of(calm), signals_of(loud), calm_bounds, loud_bounds)
    assert np.median(error) < 0.015
    assert error.max() < 0.05


def test_a_pause_in_one_clip_is_skipped():
    plain, plain_bounds = voice.say(SENTENCE, EVEN)
    halting, halting_bounds = voice.say("aiso_uesai", np.insert(EVEN, 4, 0.6))
    error = boundary_errors(
        signals_of(plain), signals_of(halting), plain_bounds[:4], halting_bounds[:4]
    )
    assert error.max() < 0.05
    error = boundary_errors(
        signals_of(plain), signals_of(halting), plain_bounds[5:], halting_bounds[6:]
    )
    assert error.max() < 0.05


def test_times_are_on_the_clock_of_the_container():
    samples, _ = voice.say(SENTENCE, EVEN)
    early, late = signals_of(samples), signals_of(samples, start=5.0)
    alignment = align(early, late)
    assert alignment.source_time[0] == 0.0
    assert alignment.target_time[0] == 5.0
    assert np.allclose(alignment.target_time - alignment.source_time, 5.0, atol=1e-6)
    assert np.array_equal(alignment.frame_map, np.arange(len(early.frame_times)))
    assert alignment.diagonal_fraction == 1.0
    assert alignment.longest_repeat == 1
    assert alignment.cost == pytest.approx(0.0, abs=1e-2)
    assert alignment.local_slope == pytest.approx(0.0, abs=1e-6)


def test_the_two_directions_agree():
    calm, _ = voice.say(SENTENCE, EVEN)
    slow, _ = voice.say(SENTENCE, EVEN * 1.5, pitch=160, seed=3)
    forward, backward = (
        align(signals_of(calm), signals_of(slow)),
        align(signals_of(slow), signals_of(calm)),
    )
    times = np.linspace(0.35, 1.6, 30)
    round_trip = np.interp(
        np.interp(times, forward.source_time, forward.target_time),
        backward.source_time,
        backward.target_time,
    )
    assert np.abs(round_trip - times).max() < 0.03
    assert forward.cost == pytest.approx(backward.cost, rel=1e-3)


@pytest.mark.parametrize("rates", [(25, 30), (30, 24), (60, 25), (29.97, 29.97)])
def test_the_frame_map_is_monotone_and_inside_the_clip(rates):
    calm, _ = voice.say(SENTENCE, EVEN)
    slow, _ = voice.say(SENTENCE, EVEN * 1.4, seed=3)
    source, target = signals_of(calm, rates[0]), signals_of(slow, rates[1])
    alignment = align(source, target)
    assert alignment.frame_map.dtype == np.int32
    assert len(alignment.frame_map) == len(source.frame_times)
    assert (np.diff(alignment.frame_map) >= 0).all()
    assert alignment.frame_map[0] >= 0
    assert alignment.frame_map[-1] < len(target.frame_times)
    assert (np.diff(alignment.source_time) > 0).all()
    assert (np.diff(alignment.target_time) >= 0).all()


def test_a_target_without_frames_maps_to_minus_one():
    assert np.array_equal(
        frame_map(np.arange(3.0), np.empty(0), np.arange(2.0), np.arange(2.0)), [-1, -1, -1]
    )


def test_repeated_and_skipped_frames_count_as_repeats():
    assert longest_repeat(np.array([0, 1, 1, 1, 2], np.int32)) == 3
    assert longest_repeat(np.array([0, 1, 7, 8], np.int32)) == 6


def test_the_path_of_reference_mode_has_the_form_of_the_published_file():
    calm, _ = voice.say(SENTENCE, EVEN)
    slow, _ = voice.say(SENTENCE, EVEN * 1.4, pitch=170, seed=3)
    source, target = signals_of(calm), signals_of(slow)
    alignment = align(source, target, AlignConfig(mode="reference"))
    path = alignment.frame_path
    assert tuple(path[0]) == (0, 0)
    assert tuple(path[-1]) == (len(source.frame_times) - 1, len(target.frame_times) - 1)
    steps = [tuple(step) for step in np.diff(path, axis=0)]
    assert set(steps) <= {(1, 1), (1, 0), (0, 1)}
    assert not any({a, b} == {(1, 0), (0, 1)} for a, b in pairwise(steps))


def test_a_frame_path_past_the_last_frame_ends_at_it():
    clock = np.arange(4) / 30
    rows = np.arange(6) / 30
    assert frame_path(clock, clock, rows, rows).tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]


def silence(seconds=1.0):
    return np.zeros(int(seconds * voice.RATE), np.float32)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (silence(), Reason.NO_SIGNAL),
        (np.full(voice.RATE, 0.2, np.float32), Reason.NO_SIGNAL),
        (np.full(voice.RATE, np.nan, np.float32), Reason.NO_SIGNAL),
        (np.empty(0, np.float32), Reason.NO_SIGNAL),
        (voice.say("a", [0.1], noise=0)[0], Reason.TOO_SHORT),
        (voice.say("a", [0.3])[0], Reason.DURATION_RATIO),
        (voice.say(SENTENCE * 10, np.tile(EVEN, 10))[0], Reason.DURATION_RATIO),
    ],
    ids=[
        "silent",
        "constant",
        "not a number",
        "empty",
        "one sound",
        "one word",
        "ten times longer",
    ],
)
def test_a_clip_that_cannot_be_aligned_gives_a_reason_in_both_directions(samples, reason):
    speech, _ = voice.say(SENTENCE, EVEN)
    for pair in ((samples, speech), (speech, samples)):
        with pytest.raises(ClipError) as caught:
            align(signals_of(pair[0]), signals_of(pair[1]))
        assert caught.value.reason == reason


def test_audio_mode_names_the_silent_clip():
    speech, _ = voice.say(SENTENCE, EVEN)
    with pytest.raises(ClipError, match="test clip") as caught:
        align(signals_of(speech), signals_of(silence()), AlignConfig(mode="audio"))
    assert caught.value.reason == Reason.NO_AUDIO


def test_clipped_sound_is_aligned():
    calm, bounds = voice.say(SENTENCE, EVEN)
    slow, slow_bounds = voice.say(SENTENCE, EVEN * 1.3, seed=3)
    clipped = np.clip(slow * 20, -1, 1)
    assert (
        np.median(boundary_errors(signals_of(calm), signals_of(clipped), bounds, slow_bounds))
        < 0.03
    )


def test_a_matrix_above_the_limit_uses_a_coarser_grid():
    calm, bounds = voice.say(SENTENCE, EVEN)
    slow, slow_bounds = voice.say(SENTENCE, EVEN * 1.3, seed=3)
    alignment = align(signals_of(calm), signals_of(slow), AlignConfig(max_cells=10_000))
    error = np.abs(np.interp(bounds, alignment.source_time, alignment.target_time) - slow_bounds)
    assert np.median(error) < 0.03
