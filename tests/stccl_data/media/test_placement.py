"""Placing sound on the clock of its clip: blocks of sound whose stamps are known to be right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.media.placement import (
    HOLES,
    JOINED,
    OVERLAPS,
    RESAMPLED,
    Stamps,
    place_sound,
)

RATE = 8_000


def recording(heard, block):
    """Return sound whose value is the time at which it is heard, and its stamps.

    heard: clip time of each block, seconds; block: samples in each. A block is heard until the next
    one begins, when they are about a block apart.
    """
    heard = np.asarray(heard)
    step = np.diff(heard, append=heard[-1] + block / RATE)
    step = np.where(np.abs(step / (block / RATE) - 1) < 0.1, step, block / RATE)
    samples = heard[:, None] + step[:, None] * np.arange(block) / block
    return samples.reshape(1, -1).astype(np.float32), Stamps(
        np.arange(len(heard)) * block / RATE, heard
    )


def errors(placed):
    """Return by how many seconds each sample is heard at a wrong time; silence is left out."""
    at = placed.start + np.arange(placed.samples.shape[1]) / RATE
    kept = placed.samples[0] != 0
    return np.abs(placed.samples[0] - at)[kept]


@st.composite
def stamps_of_recorders(draw):
    """Blocks of one length with holes, overlaps, drift and jitter."""
    block = draw(st.sampled_from([80, 171, 320, 744]))  # 10, 21, 40 and 93 ms
    heard = [draw(st.floats(1.0, 3.0))]
    for _ in range(draw(st.integers(1, 4))):
        drift = draw(st.sampled_from([1.0, 1.0, 0.985, 1.0003, 1.02]))
        count = draw(st.integers(20, 200))
        heard += list(heard[-1] + np.arange(1, count + 1) * block / RATE * drift)
        heard[-1] += draw(st.sampled_from([0.0, 0.021, 0.06, 0.3, 2.0, -0.02, -0.1, -0.3]))
    jitter = draw(st.sampled_from([0.0, 0.001, 0.005]))
    noise = np.random.default_rng(draw(st.integers(0, 99))).uniform(-jitter, jitter, len(heard))
    return np.array(heard) + noise, block


@settings(deadline=None)
@given(stamps_of_recorders())
def test_no_sample_is_heard_40_ms_early_or_late(case):
    heard, block = case
    samples, stamps = recording(heard, block)
    placed = place_sound(samples, stamps, RATE)
    assert placed.start == heard[0]
    assert errors(placed).max() < 0.04


@settings(deadline=None)
@given(stamps_of_recorders(), st.floats(-5000.0, 5000.0))
def test_another_zero_changes_nothing_but_the_start(case, zero):
    heard, block = case
    samples, stamps = recording(heard, block)
    placed = place_sound(samples, stamps, RATE)
    moved = place_sound(samples, Stamps(stamps.decoded, heard + zero), RATE)
    assert abs(moved.start - placed.start - zero) < 1e-9
    assert abs(moved.samples.shape[1] - placed.samples.shape[1]) <= 1


@pytest.mark.parametrize("jitter", [0.0, 0.001, 0.015])
def test_ordinary_sound_is_left_untouched(jitter):
    rng = np.random.default_rng(0)
    heard = np.arange(500) * 0.02 + rng.uniform(-jitter, jitter, 500)
    samples, stamps = recording(heard, 160)
    placed = place_sound(samples, stamps, RATE)
    assert np.array_equal(placed.samples, samples) and placed.notes == ()


def test_a_block_that_is_stamped_late_once_is_not_moved():
    heard = np.arange(500) * 0.02
    heard[200] += 0.3
    samples, stamps = recording(heard, 160)
    assert np.array_equal(place_sound(samples, stamps, RATE).samples, samples)


@pytest.mark.parametrize("seconds", [0.06, 0.5, 7.0])
def test_a_hole_is_filled_where_it_is(seconds):
    heard = np.arange(500) * 0.02
    heard[250:] += seconds
    samples, stamps = recording(heard, 160)
    placed = place_sound(samples, stamps, RATE)
    silent = np.flatnonzero(placed.samples[0, 1:] == 0) + 1
    assert placed.notes == (HOLES,)
    assert (silent[0], len(silent)) == (250 * 160, round(seconds * RATE))


def test_sound_that_goes_on_after_the_clip_is_not_moved_into_it():
    heard = np.arange(500) * 0.02
    heard[250:] += 7.0
    placed = place_sound(*recording(heard, 160), RATE, clip_end=10.0)
    assert placed.notes == (HOLES,) and errors(placed).max() < 1e-3


def test_sound_that_is_heard_twice_is_cut():
    heard = np.arange(500) * 0.02
    heard[250:] -= 0.3
    placed = place_sound(*recording(heard, 160), RATE)
    assert placed.notes == (OVERLAPS,) and errors(placed).max() < 1e-3
    assert placed.samples.shape[1] == round(9.7 * RATE)


@pytest.mark.parametrize("drift", [0.985, 1.015, 1.0006])
def test_sound_at_another_rate_is_resampled(drift):
    heard = np.arange(4500) * 0.02 * drift
    placed = place_sound(*recording(heard, 160), RATE)
    assert placed.notes == (RESAMPLED,)
    assert errors(placed).max() < 0.021
    assert abs(placed.samples.shape[1] / RATE - 90 * drift) < 0.021


def test_resampling_keeps_a_tone():
    seconds = np.arange(10 * RATE) / RATE
    tone = np.sin(2 * np.pi * 1000 * seconds)[None].astype(np.float32)
    stamps = Stamps(np.arange(500) * 0.02, np.arange(500) * 0.02 * 1.01)
    placed = place_sound(tone, stamps, RATE).samples[0]
    spectrum = np.abs(np.fft.rfft(placed * np.hanning(len(placed)))) / (len(placed) / 4)
    peak = np.argmax(spectrum) * RATE / len(placed)
    assert abs(peak - 1000 / 1.01) < 0.2 and abs(spectrum.max() - 1) < 0.05
    assert spectrum[: int(0.9 * np.argmax(spectrum))].max() < 1e-3


@pytest.mark.parametrize(("jump", "end"), [(90_000.0, np.inf), (700.0, 10.0), (-50.0, 10.0)])
def test_a_clock_that_jumps_does_not_fill_the_memory(jump, end):
    heard = np.arange(500) * 0.02
    heard[250:] += jump
    samples, stamps = recording(heard, 160)
    placed = place_sound(samples, stamps, RATE, clip_end=end)
    assert placed.notes == (JOINED,) and placed.samples.shape == samples.shape
