"""Which video stream is read, among thumbnails, covers and previews."""

from pathlib import Path

import av
import pytest

from stccl_data.media.container import probe
from stccl_data.media.video import read_frames
from tests.testing.media import record, source, tone, transcode
from tests.testing.numbered import numbered_frame, read_numbers

N = 10


def write_two(path: Path, first: dict, second: dict) -> Path:
    """Write a file of two video streams. Each: size (W, H), codec, n frames, flags."""
    with av.open(str(path), "w") as output:
        streams = []
        for kind in (first, second):
            stream = output.add_stream(kind.get("codec", "libx264"), rate=25)
            stream.width, stream.height = kind["size"]
            stream.pix_fmt = "yuvj420p" if kind.get("codec") == "mjpeg" else "yuv420p"
            stream.disposition = kind.get("flags", 0)
            streams.append(stream)
        for kind, stream in zip((first, second), streams, strict=True):
            for i in range(kind.get("n", N)):
                image = numbered_frame(i, *kind["size"])
                output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            output.mux(stream.encode())
    return path


SMALL, LARGE = {"size": (96, 64)}, {"size": (192, 128)}


@pytest.mark.parametrize(
    ("first", "second", "number"),
    [
        (SMALL, LARGE, 2),
        (LARGE, SMALL, 1),
        ({**SMALL, "flags": 1}, LARGE, 2),  # flagged as default, yet a preview
        ({**SMALL, "codec": "mjpeg"}, LARGE, 2),
    ],
)
@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_the_largest_stream_is_read_and_it_is_said(tmp_path, first, second, number, suffix):
    path = write_two(tmp_path / f"a.{suffix}", first, second)
    frames = list(read_frames(path))
    assert {frame.image.shape for frame in frames} == {(128, 192, 3)}
    assert frames[0].notes == (f"used video track {number} of 2 (largest)",)
    assert (probe(path).width, probe(path).height) == (192, 128)
    assert read_numbers(path) == list(range(N))


def test_a_flagged_cover_is_no_choice(tmp_path):
    cover = record(tmp_path / "c.jpg", [numbered_frame(0)], codec="mjpeg", pix_fmt="yuvj420p")
    clip = record(tmp_path / "a.mp4", [numbered_frame(i, 48, 32) for i in range(N)])
    path = tmp_path / "covered.mp4"
    options = {"c": "copy", "disposition:v:0": "attached_pic", "disposition:v:1": "0"}
    transcode(path, source(cover), source(clip), **options)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert next(read_frames(path)).image.shape == (32, 48, 3)
    assert next(read_frames(path)).notes == ()


def test_a_large_cover_without_a_flag_is_not_the_recording(tmp_path):
    cover = {"size": (384, 256), "codec": "mjpeg", "n": 1}
    path = write_two(tmp_path / "a.mov", cover, {**SMALL, "n": 20})
    assert next(read_frames(path)).image.shape == (64, 96, 3)


def test_a_cover_without_a_flag_beside_sound_is_not_a_video(tmp_path):
    sound = record(tmp_path / "a.wav", sound=tone(0.5), audio_codec="pcm_s16le")
    cover = record(tmp_path / "cover.jpg", [numbered_frame(0)], codec="mjpeg", pix_fmt="yuvj420p")
    song = tmp_path / "song.mov"
    transcode(song, source(sound), source(cover), **{"c:v": "copy", "disposition:v": "0"})
    assert probe(song).width is None
