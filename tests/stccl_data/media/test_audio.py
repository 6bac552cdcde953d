"""Reading audio: real files by real encoders, compared with their input."""

import wave

import numpy as np
import pytest
import soundfile

from stccl_data.errors import Reason
from stccl_data.media.audio import SPEECH_RATE, Audio, encode_flac, read_audio
from stccl_data.media.container import probe
from stccl_data.media.sound import INVERTED
from tests.testing.media import record, source, tone, transcode
from tests.testing.numbered import numbered_frames


def record_wav(path, sound):
    """Write 16-bit PCM."""
    return record(path, sound=sound, audio_codec="pcm_s16le")


def test_audio_is_mono_at_the_requested_rate(clip):
    audio = read_audio(clip)
    assert (audio.rate, audio.samples.dtype, audio.samples.ndim) == (16_000, np.float32, 1)
    assert read_audio(clip, rate=None).rate == 16_000
    assert read_audio(clip, rate=8_000).rate == 8_000
    middle = audio.samples[4000:12000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 220  # 440 Hz over half a second


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.wav", {"audio_codec": "pcm_s16le"}),
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.flac", {"audio_codec": "flac"}),
    ],
)
def test_sample_i_is_at_start_plus_i_over_rate(tmp_path, name, settings):
    click = np.zeros(16_000, np.float32)
    click[8_000:8_080] = 0.9
    audio = read_audio(record(tmp_path / name, sound=click, **settings))
    first = np.argmax(np.abs(audio.samples) > 0.4)
    assert abs(audio.start + first / audio.rate - 0.5) < 0.002


def test_a_gap_is_filled_with_silence(tmp_path):
    whole = record_wav(tmp_path / "a.wav", tone(2.0))
    holed = tmp_path / "holed.mkv"
    transcode(holed, source(whole), af="aselect='not(between(t,0.6,1.4))'", acodec="pcm_s16le")
    audio = read_audio(holed)
    assert abs(audio.duration_s - 2.0) < 0.1
    tenths = audio.samples[: len(audio.samples) // 1600 * 1600].reshape(-1, 1600)
    loud = np.abs(tenths).max(axis=1) > 0.2
    assert loud[:5].all() and not loud[8:13].any() and loud[15:18].all()


@pytest.mark.parametrize("second_channel", [0, 1], ids=["dead", "live"])
def test_a_dead_channel_does_not_halve_the_level(tmp_path, second_channel):
    voice = tone(0.5)
    path = record_wav(tmp_path / "a.wav", np.stack([voice, second_channel * voice]))
    assert abs(np.abs(read_audio(path).samples).max() - 0.5) < 0.01


def test_float_samples_that_are_not_finite_become_silence(tmp_path):
    samples = tone(0.5)
    samples[100:110], samples[200], samples[300] = np.nan, np.inf, 7.0
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    assert np.isfinite(audio.samples).all() and np.abs(audio.samples).max() <= 1.0
    assert not audio.samples[100:110].any() and abs(audio.samples[1000:].max() - 0.5) < 0.01


def test_digital_silence_is_read(tmp_path):
    assert read_audio(record_wav(tmp_path / "a.wav", np.zeros(8000, np.float32))).duration_s == 0.5


@pytest.mark.parametrize("start", [0.0, 0.25, -0.25])
def test_flac_begins_at_container_time_zero(tmp_path, start):
    samples = tone(1.0) * np.linspace(0.1, 1, 16_000, dtype=np.float32)
    (tmp_path / "a.flac").write_bytes(encode_flac(Audio(samples, 16_000, start)))
    decoded, rate = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert rate == 16_000 and decoded.ndim == 1
    shift = round(start * 16_000)
    expected = np.pad(samples, (shift, 0)) if shift >= 0 else samples[-shift:]
    assert len(decoded) == len(expected)
    assert np.abs(decoded - expected).max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_flac_of_any_common_rate_is_reproducible(rate):
    audio = Audio(np.zeros(rate // 2, np.float32), rate, 0.0)
    assert encode_flac(audio) == encode_flac(audio)


def test_flac_of_audio_that_ends_before_zero_has_no_samples():
    assert encode_flac(Audio(np.ones(100, np.float32), 16_000, -1.0)).startswith(b"fLaC")


def test_a_silent_video_has_no_audio(tmp_path, refused):
    silent = record(tmp_path / "silent.mp4", numbered_frames(3))
    assert probe(silent).audio_rate is None
    assert refused(silent, read_audio).reason is Reason.NO_AUDIO


@pytest.mark.parametrize("rate", [1, 0x7FFFFFFF])
def test_an_implausible_sample_rate_is_a_damaged_header(tmp_path, refused, rate):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(32_000))
    error = refused(path, read_audio)
    assert error.reason is Reason.DECODE_ERROR and f"{rate:,} Hz" in error.detail


def test_the_default_rate_is_that_of_the_speech_features():
    assert SPEECH_RATE == 16_000


@pytest.mark.parametrize("gain", [-1.0, -0.5])
def test_of_an_inverted_pair_one_channel_is_heard(tmp_path, gain):
    voice = tone(0.5)
    hiss = 0.02 * np.random.default_rng(0).normal(size=(2, len(voice))).astype(np.float32)
    audio = read_audio(record_wav(tmp_path / "a.wav", np.stack([voice, gain * voice]) + hiss))
    assert audio.notes == (INVERTED,)
    assert abs(np.sqrt(2 * np.mean(np.square(audio.samples))) - 0.5) < 0.02


def test_two_microphones_that_stand_apart_are_averaged(tmp_path):
    voice = 0.1 * np.random.default_rng(0).normal(size=8_050).astype(np.float32)
    audio = read_audio(record_wav(tmp_path / "a.wav", np.stack([voice[50:], voice[:-50]])))
    assert audio.notes == ()
    assert np.abs(audio.samples - (voice[50:] + voice[:-50]) / 2).max() < 1e-3


#: What programs write into the sizes of the RIFF header and of the data chunk of a pipe.
PIPES = {
    "espeak, SoX": (0x7FFFF024, 0x7FFFF000),
    "arecord": (0x80000024, 0x80000000),
    "FFmpeg": (0xFFFFFFFF, 0xFFFFFFFF),
    "GStreamer": (0, 0),
    "no RIFF size": (0, None),
    "largest even": (0xFFFFFFFE, 0xFFFFFFDA),
}


def pipe_wav(path, whole, riff, data):
    """Write a WAV file with other sizes; data None: the right one."""
    content = bytearray(whole.read_bytes())
    content[4:8] = riff.to_bytes(4, "little")
    at = content.index(b"data") + 4
    if data is not None:
        content[at : at + 4] = data.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("program", PIPES)
def test_a_wav_from_a_pipe_is_read_to_its_end(tmp_path, program):
    whole = record_wav(tmp_path / "whole.wav", tone(2.0))
    audio = read_audio(pipe_wav(tmp_path / "pipe.wav", whole, *PIPES[program]))
    assert np.array_equal(audio.samples, read_audio(whole).samples)
    assert probe(tmp_path / "pipe.wav").audio_duration_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("riff", [None, 0xFFFFFFFF, 0], ids=["stated", "4 GiB", "0"])
def test_a_truncated_wav_is_refused_if_either_size_is_known(tmp_path, refused, riff):
    whole = record_wav(tmp_path / "whole.wav", tone(2.0))
    size = len(whole.read_bytes())
    path = pipe_wav(tmp_path / "a.wav", whole, size - 8 if riff is None else riff, None)
    path.write_bytes(path.read_bytes()[: size // 2])
    error = refused(path, read_audio)
    assert error.reason is Reason.DECODE_ERROR and "truncated" in error.detail


def test_a_truncated_rf64_is_refused(tmp_path, refused):
    whole = tmp_path / "a.wav"
    soundfile.write(whole, tone(2.0), 16_000, format="RF64")
    assert abs(read_audio(whole).duration_s - 2.0) < 0.01
    whole.write_bytes(whole.read_bytes()[:20_000])
    assert refused(whole, read_audio).reason is Reason.DECODE_ERROR
