"""Recordings with several audio tracks: which one is heard."""

from pathlib import Path

import av
import numpy as np
import pytest

from stccl_data.errors import ClipError, Reason
from stccl_data.media.audio import read_audio
from tests.testing.media import record, source, tone, transcode
from tests.testing.numbered import numbered_frames

RATE = 16_000


def speech(hertz=200.0):
    """Return three seconds of a tone that comes and goes as syllables do."""
    times = np.arange(3 * RATE) / RATE
    return (0.4 * np.sin(2 * np.pi * hertz * times) * (np.sin(2 * np.pi * 3 * times) > 0)).astype(
        np.float32
    )


#: Name -> sound. The pitch tells which one was read.
TRACKS = {
    "silence": np.zeros(3 * RATE, np.float32),
    "noise": 0.05 * np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32),
    "hum": 0.2 * tone(3.0, hertz=50.0),
    "voice": speech(200.0),
    "other": speech(500.0),
}


def recorded(folder: Path, *tracks: str, **flags: str) -> Path:
    """Write a recording with these tracks; flags: of track i0, i1, ... (`default`, `comment`)."""
    video = record(folder / "v.mp4", numbered_frames(10))
    inputs = [source(video)]
    for name in tracks:
        sound = record(folder / f"{name}.wav", sound=TRACKS[name], audio_codec="pcm_s16le")
        inputs.append(source(sound))
    options = {f"disposition:a:{i}": flags.get(f"i{i}", "0") for i in range(len(tracks))}
    path = folder / "recording.mkv"
    transcode(path, *inputs, **{"c:v": "copy", "c:a": "pcm_s16le", **options})
    return path


def pitch(path: Path) -> int:
    """Return the strongest frequency, Hz."""
    samples = read_audio(path).samples
    return round(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples))


@pytest.mark.parametrize(
    ("tracks", "flags", "hertz", "note"),
    [
        (["voice"], {}, 200, None),
        (["other", "voice"], {"i1": "default"}, 200, "2 of 2 (default flag)"),
        (["silence", "voice"], {"i0": "default"}, 200, "2 of 2 (the first with speech)"),
        (["silence", "voice", "other"], {}, 200, "2 of 3 (the first with speech)"),
        (["noise", "hum", "voice"], {}, 200, "3 of 3 (the first with speech)"),
        (["silence", "hum"], {}, 50, "2 of 2 (the first that is audible)"),
        (["other", "voice"], {"i0": "comment"}, 200, "2 of 2 (the first with speech)"),
        (["silence", "voice"], {"i1": "comment"}, 200, "2 of 2 (the first with speech)"),
        (
            ["noise", "voice"],
            {"i0": "default", "i1": "default"},
            200,
            "2 of 2 (the first with speech)",
        ),
    ],
)
def test_the_track_that_was_meant_is_heard(tmp_path, tracks, flags, hertz, note):
    path = recorded(tmp_path, *tracks, **flags)
    assert abs(pitch(path) - hertz) <= 3
    assert read_audio(path).notes == (() if note is None else (f"used audio track {note}",))


def test_silent_tracks_are_silent(tmp_path):
    path = recorded(tmp_path, "silence", "silence")
    assert not read_audio(path).samples.any()
    assert read_audio(path).notes == ("used audio track 1 of 2 (all silent)",)


def test_a_track_of_an_unknown_codec_does_not_hide_the_others(tmp_path):
    path = recorded(tmp_path, "voice", "other", i0="default")
    data = path.read_bytes()
    codec = b"A_PCM/INT/LIT"
    path.write_bytes(data.replace(codec, b"A_NOBODYKNOWS", 1))
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context is None
    assert abs(pitch(path) - 500) <= 3
    path.write_bytes(data.replace(codec, b"A_NOBODYKNOWS"))
    with pytest.raises(ClipError) as error:
        read_audio(path)
    assert error.value.reason is Reason.NOT_SUPPORTED
