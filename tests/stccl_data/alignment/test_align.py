"""Alignments of synthetic speech with known boundaries, and of signals that cannot be aligned."""

from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.alignment.warping_path import frame_map, frame_path, longest_repeat
from stccl_data.errors import ClipError, Reason
from stccl_data.features.signals import Signals
from stccl_data.features.speech import reference_cepstra, speech_features
from stccl_data.pairs.gates import GateConfig, judge
from tests.testing import speech as voice

SENTENCE = "aisouesai"
EVEN = np.full(9, 0.15)


def signals_of(samples, frames=30.0, start=0.0):
    duration = len(samples) / voice.RATE
    times = start + np.arange(int(duration * frames)) / frames
    speech = speech_features(samples, voice.RATE, start)
    cepstra = reference_cepstra(samples, voice.RATE) if speech else None
    return Signals(speech, frame_times=times, reference=cepstra, name="test clip")


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


def test_a_pause_in_one_clip_is_no_steep_or_flat_piece_of_the_path():
    plain, _ = voice.say(SENTENCE, EVEN)
    halting, _ = voice.say("aiso_uesai", np.insert(EVEN, 4, 0.6))
    for pair in ((plain, halting), (halting, plain)):
        assert align(*map(signals_of, pair)).local_slope < 2


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


def cut(samples, seconds):
    """Return the samples up to an instant."""
    return samples[: round(seconds * voice.RATE)]


LONG = "aisouesaioeusi"
LONG_EVEN = np.full(len(LONG), 0.15)


@pytest.fixture(scope="module")
def takes():
    """Two complete takes of one long sentence with their boundaries: (calm, bounds), (slow, ...)"""
    lengths = LONG_EVEN * np.tile([1.0, 1.5], 7)
    return voice.say(LONG, LONG_EVEN, tail=0.8), voice.say(
        LONG, lengths, pitch=160, tail=0.8, seed=3
    )


@pytest.mark.parametrize("boundary", [8, 10, 12])
def test_a_target_cut_in_mid_sentence_maps_the_common_part_and_nothing_after(takes, boundary):
    (calm, bounds), (slow, slow_bounds) = takes
    source, target = signals_of(calm), signals_of(cut(slow, slow_bounds[boundary]))
    alignment = align(source, target)
    inner = slice(0, boundary)
    error = np.abs(
        np.interp(bounds[inner], alignment.source_time, alignment.target_time) - slow_bounds[inner]
    )
    assert error.max() < 0.05
    assert alignment.source_time[-1] == pytest.approx(bounds[boundary], abs=0.06)
    assert alignment.target_time[-1] == pytest.approx(slow_bounds[boundary], abs=0.001)
    after = source.frame_times > alignment.source_time[-1]
    assert (alignment.frame_map[after] == -1).all()
    assert (alignment.frame_map[~after] >= 0).all()
    assert after.sum() >= 5
    assert 0.5 < alignment.coverage < 0.97


def test_a_source_cut_in_mid_sentence_reaches_only_the_common_part_of_the_target(takes):
    (calm, bounds), (slow, slow_bounds) = takes
    source, target = signals_of(cut(calm, bounds[10])), signals_of(slow)
    alignment = align(source, target)
    error = np.abs(
        np.interp(bounds[:10], alignment.source_time, alignment.target_time) - slow_bounds[:10]
    )
    assert error.max() < 0.05
    assert alignment.target_time[-1] == pytest.approx(slow_bounds[10], abs=0.06)
    assert alignment.source_time[-1] == pytest.approx(bounds[10], abs=0.001)
    assert (alignment.frame_map >= 0).all()
    assert target.frame_times[alignment.frame_map[-1]] == pytest.approx(slow_bounds[10], abs=0.1)
    last_source, last_target = alignment.frame_path[-1]
    assert last_source == len(source.frame_times) - 1
    assert target.frame_times[last_target] == pytest.approx(slow_bounds[10], abs=0.1)


def test_a_clip_with_silence_after_its_speech_is_complete(takes):
    (calm, bounds), (slow, _) = takes
    shorter = cut(calm, bounds[9])
    padded = np.concatenate([shorter, np.zeros(voice.RATE, np.float32)])
    alignment = align(signals_of(padded), signals_of(slow))
    assert alignment.coverage == 1.0
    assert alignment.target_time[-1] == pytest.approx(len(slow) / voice.RATE)


def test_two_takes_cut_at_the_same_boundary_are_aligned_to_their_ends(takes):
    (calm, bounds), (slow, slow_bounds) = takes
    source, target = signals_of(cut(calm, bounds[9])), signals_of(cut(slow, slow_bounds[9]))
    alignment = align(source, target)
    assert alignment.coverage == 1.0
    assert (alignment.frame_map >= 0).all()
    error = np.abs(
        np.interp(bounds[:9], alignment.source_time, alignment.target_time) - slow_bounds[:9]
    )
    assert error.max() < 0.05


def clap(gain=0.03):
    burst = np.random.default_rng(5).normal(size=round(0.03 * voice.RATE))
    return (gain * burst * np.linspace(1, 0, len(burst))).astype(np.float32)


@pytest.mark.parametrize(
    "around",
    [
        lambda speech: [silence(3.0), speech],
        lambda speech: [speech, silence(3.0)],
        lambda speech: [silence(0.2), clap(), silence(2.5), speech],
        lambda speech: [speech, silence(2.5), clap(), silence(0.6)],
        lambda speech: [silence(0.2), clap(), silence(2.5), speech, silence(2.0), clap()],
    ],
    ids=["silence before", "silence after", "clap before", "clap after", "claps around"],
)
@pytest.mark.parametrize("as_source", [True, False])
def test_sound_and_silence_around_the_sentence_do_not_count_as_geometry(takes, around, as_source):
    (calm, _), (slow, _) = takes
    plain = align(signals_of(calm), signals_of(slow))
    noise = 1e-4 * np.random.default_rng(1).normal(size=10 * voice.RATE).astype(np.float32)
    longer = np.concatenate(around(calm))
    longer = longer + noise[: len(longer)]
    clips = signals_of(longer), signals_of(slow)
    alignment = align(*(clips if as_source else clips[::-1]))
    expected = plain if as_source else align(signals_of(slow), signals_of(calm))
    assert alignment.duration_ratio == pytest.approx(expected.duration_ratio, rel=0.1)
    assert alignment.longest_repeat <= expected.longest_repeat + 3
    assert judge(asdict(alignment), {}, {}, GateConfig()) is None


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
