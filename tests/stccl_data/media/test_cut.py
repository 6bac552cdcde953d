"""Cuts of long recordings: the same frames and samples as in the whole file, at their own clock."""

from itertools import pairwise

import numpy as np
import pytest

from stccl_data.errors import ClipError, Reason
from stccl_data.media.audio import read_audio
from stccl_data.media.clock import read_clock
from stccl_data.media.cut import Cut
from stccl_data.media.video import frame_times, read_frames
from tests.testing.media import record
from tests.testing.numbered import counted_frames, read_count

#: frames, in three colours of sound
N, FPS = 200, 25
RATE = 16_000

RECORDINGS = {
    "long groups of frames": ("long.mp4", "libx264", {"g": "250", "bf": "3"}),
    "open groups of frames": (
        "open.mp4",
        "libx264",
        {"g": "20", "x264-params": "open-gop=1"},
    ),
    "intra refresh": ("refresh.mp4", "libx264", {"g": "30", "x264-params": "intra-refresh=1"}),
    "Matroska": ("long.mkv", "libx264", {"g": "50", "bf": "2"}),
    "MPEG-TS": ("broadcast.ts", "mpeg2video", {"g": "12", "bf": "2"}),
    "AVI": ("camera.avi", "mpeg4", {"g": "12"}),
}


def sweep(seconds: float) -> np.ndarray:
    """Return a tone that rises, so that each instant differs from the others, (S,) float32."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (100 * t + 60 * t**2))).astype(np.float32)


@pytest.fixture(scope="module", params=RECORDINGS, ids=list(RECORDINGS))
def recording(request, tmp_path_factory):
    name, codec, options = RECORDINGS[request.param]
    path = tmp_path_factory.mktemp("cut") / name
    audio = {".ts": "mp2", ".avi": "pcm_s16le"}.get(path.suffix, "aac")
    return record(
        path,
        counted_frames(N),
        sweep(N / FPS),
        fps=FPS,
        codec=codec,
        options=options,
        audio_codec=audio,
        rate=RATE,
    )


def numbers(path, cut):
    return [read_count(frame.image) for frame in read_frames(path, cut)]


def test_cuts_that_follow_one_another_have_each_frame_once(recording):
    edges = [0.0, 0.36, 1.2, 3.333, 3.3334, 5.0, 6.92, np.inf]
    cuts = [Cut(a, b) for a, b in pairwise(edges) if b - a > 0.01]
    assert [n for cut in cuts for n in numbers(recording, cut)] == list(range(N))


def test_the_clock_of_a_cut_begins_with_its_first_frame(recording):
    times = [frame.time for frame in read_frames(recording, Cut(4.01, 6.0))]
    np.testing.assert_allclose(times, np.arange(49) / FPS, atol=2e-3)
    np.testing.assert_array_equal(frame_times(recording, Cut(4.01, 6.0)), times)


def test_the_sound_of_a_cut_is_that_of_the_whole_file_from_its_first_frame(recording):
    whole = read_audio(recording)
    cut = Cut(4.01, 6.0)
    first = float(frame_times(recording)[len(numbers(recording, Cut(0, cut.start)))])
    audio = read_audio(recording, cut=cut)
    at = round((first + audio.start - whole.start) * RATE)
    assert audio.start == pytest.approx(0, abs=1 / RATE)
    assert audio.duration_s == pytest.approx(cut.end - first, abs=2 / RATE)
    inside = slice(200, -200)  # the resampler's edges
    expected = whole.samples[at : at + len(audio.samples)]
    lags = [np.abs(np.roll(expected, k) - audio.samples)[inside].max() for k in range(-20, 21)]
    assert min(lags) < 0.02
    assert abs(int(np.argmin(lags)) - 20) <= 16  # 1 ms: containers round their stamps


def test_frames_before_a_cut_are_not_decoded(tmp_path, monkeypatch):
    path = record(tmp_path / "a.mp4", counted_frames(N), fps=FPS, options={"g": "25"})
    decoded = []
    from stccl_data.media import seeking

    original = seeking.shown_frames
    monkeypatch.setattr(
        seeking,
        "shown_frames",
        lambda *arguments: (decoded.append(1) or pair for pair in original(*arguments)),
    )
    assert numbers(path, Cut(6.0, 7.0)) == list(range(150, 175))
    assert len(decoded) < 60


def test_a_cut_after_the_end_of_its_file_is_named(tmp_path):
    path = record(tmp_path / "a.mp4", counted_frames(10), fps=FPS)
    for cut in (Cut(1.0, 2.0), Cut(0.1, 3.0)):
        with pytest.raises(ClipError, match=r"a\.mp4 ends 0\.360 s after") as error:
            list(read_frames(path, cut))
        assert error.value.reason is Reason.CUT_OUTSIDE


def test_sound_alone_that_ends_before_a_cut_is_named(tmp_path):
    path = record(tmp_path / "a.flac", sound=sweep(3), audio_codec="flac", rate=RATE)
    with pytest.raises(ClipError, match=r"a\.flac has no sound after 2\.\d+ s") as error:
        read_audio(path, cut=Cut(3.5, 5.0))
    assert error.value.reason is Reason.CUT_OUTSIDE


def test_a_cut_of_sound_alone(tmp_path):
    path = record(tmp_path / "a.flac", sound=sweep(6), audio_codec="flac", rate=RATE)
    audio = read_audio(path, cut=Cut(2.0, 3.5))
    whole = read_audio(path).samples
    np.testing.assert_allclose(audio.samples, whole[2 * RATE : 3 * RATE + RATE // 2], atol=1e-3)
    assert read_clock(path).seekable
