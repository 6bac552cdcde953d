"""Reading frames: real files by real encoders, compared with their input and with FFmpeg."""

from fractions import Fraction

import av
import numpy as np
import pytest

from stccl_data.errors import ClipError, Reason
from stccl_data.media.audio import read_audio
from stccl_data.media.container import probe
from stccl_data.media.video import frame_times, read_frames
from tests.testing.media import record, source, tone, transcode
from tests.testing.numbered import numbered_frame, numbered_frames, read_numbers, read_times

N = 25


def test_frames_come_in_order_at_the_containers_times(clip):
    assert read_numbers(clip) == list(range(N))
    np.testing.assert_allclose(read_times(clip), np.arange(N) / 25, atol=1e-9)


def test_colours_are_in_rgb_order(clip):
    first = next(read_frames(clip)).image.astype(int)
    assert first.shape == (64, 96, 3)
    expected = {(10, 10): (200, 40, 40), (10, 80): (40, 160, 60), (50, 10): (30, 60, 190)}
    for (y, x), colour in expected.items():
        assert np.abs(first[y, x] - colour).max() < 16


def test_pixels_become_square_at_the_same_height(tmp_path):
    wide = record(tmp_path / "wide.mp4", numbered_frames(3), aspect=Fraction(4, 3))
    assert [frame.image.shape for frame in read_frames(wide)] == [(64, 128, 3)] * 3
    assert (probe(wide).width, probe(wide).height) == (128, 64)


@pytest.mark.parametrize(("width", "height"), [(95, 63), (97, 64), (33, 51)])
def test_odd_sizes_keep_every_pixel(tmp_path, width, height):
    images = [numbered_frame(i, width, height) for i in range(3)]
    odd = record(tmp_path / "odd.mkv", images, codec="ffv1", pix_fmt="yuv444p")
    for image, frame in zip(images, read_frames(odd), strict=True):
        assert np.abs(frame.image.astype(int) - image).max() <= 4


@pytest.mark.parametrize("width", [96, 90])
def test_the_fast_path_for_full_range_444_agrees_with_swscale(tmp_path, width):
    rng = np.random.default_rng(0)
    images = [
        np.kron(rng.integers(0, 256, (8, width // 2, 3)), np.ones((8, 2, 1))).astype(np.uint8)
        for _ in range(3)
    ]
    path = record(tmp_path / "raw.mp4", images, pix_fmt="yuvj444p", full_range=True)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert frames[0].format.name == "yuvj444p"
        expected = [frame.to_ndarray(format="rgb24") for frame in frames]
    for fast, slow in zip(read_frames(path), expected, strict=True):
        assert np.abs(fast.image.astype(int) - slow).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p", "yuv444p"])
def test_other_pixel_formats_become_eight_bit_rgb(tmp_path, pix_fmt):
    path = record(tmp_path / "deep.mkv", numbered_frames(5), pix_fmt=pix_fmt)
    assert read_numbers(path) == list(range(5))
    assert next(read_frames(path)).image.dtype == np.uint8


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_b_frames_come_in_presentation_order(tmp_path, name):
    path = record(tmp_path / name, numbered_frames(N), options={"bf": "3", "b-adapt": "0"})
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stored != sorted(stored), "the video has B-frames"
    assert read_numbers(path) == list(range(N))
    np.testing.assert_array_equal(frame_times(path), read_times(path))


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_a_variable_frame_rate_keeps_the_containers_times(tmp_path, name):
    times = np.cumsum([0, 40, 40, 200, 33, 33, 34, 500, 40, 20, 20])
    path = record(tmp_path / name, numbered_frames(len(times)), times=times)
    np.testing.assert_allclose(read_times(path), times / 1000, atol=1e-3)
    np.testing.assert_array_equal(frame_times(path), read_times(path))


#: Name of a container -> how `record` makes it.
CONTAINERS = {
    "mp4": {},
    "mkv": {},
    "mov": {},
    "ts": {},
    "flv": {"codec": "flv", "audio_codec": "mp3", "rate": 44_100},
    "avi": {"codec": "mpeg4", "audio_codec": "mp2"},
    "avi with H.264": {"audio_codec": "mp2"},
    "mpg": {"codec": "mpeg2video", "audio_codec": "mp2", "rate": 48_000},
    "webm": {"codec": "libvpx", "audio_codec": "libopus", "rate": 48_000},
    "webm with VP9": {"codec": "libvpx-vp9", "audio_codec": "libopus", "rate": 48_000},
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_container_times_are_those_of_the_decoded_frames(tmp_path, kind):
    settings = CONTAINERS[kind]
    suffix = kind.split()[0]
    options = {"bf": "2"}
    if suffix == "webm":
        options = {"auto-alt-ref": "1", "lag-in-frames": "12"}
    elif suffix == "flv":
        options = {}
    sound = tone(1.0, settings.get("rate", 16_000))
    path = record(tmp_path / f"a.{suffix}", numbered_frames(N), sound, options=options, **settings)
    assert read_numbers(path) == list(range(N))
    times = read_times(path)
    np.testing.assert_array_equal(frame_times(path), times)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=0.0011)
    audio = read_audio(path)
    assert abs(audio.duration_s - 1.0) < 0.1
    assert abs(audio.start - times[0]) < 0.1, "audio and video are on one clock"


@pytest.mark.parametrize("kind", ["mkv", "webm", "avi", "flv"])
def test_a_truncated_file_is_refused_before_decoding(tmp_path, noise, refused, kind):
    sound = tone(3.0, CONTAINERS[kind].get("rate", 16_000))
    whole = record(tmp_path / f"whole.{kind}", noise(75), sound, **CONTAINERS[kind])
    assert len(frame_times(whole)) == 75
    data = whole.read_bytes()
    truncated = tmp_path / f"truncated.{kind}"
    truncated.write_bytes(data[: int(0.6 * len(data))])
    error = refused(truncated, frame_times)
    assert error.reason is Reason.DECODE_ERROR and "the file is truncated" in error.detail


def test_streams_that_begin_late_keep_their_place(clip, tmp_path):
    late = tmp_path / "late.mp4"
    transcode(late, source(clip, "v", itsoffset=0.48), source(clip, "a"), c="copy")
    assert abs(read_times(late)[0] - read_audio(late).start - 0.48) < 0.03
    np.testing.assert_array_equal(frame_times(late), read_times(late))
    transcode(late, source(clip, "v"), source(clip, "a", itsoffset=0.48), c="copy")
    assert abs(read_audio(late).start - read_times(late)[0] - 0.48) < 0.08


def test_frames_that_an_edit_list_cuts_off_are_not_shown(clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    transcode(cut, source(clip, ss=0.4), c="copy")  # stored from the key frame at 0
    with av.open(str(cut)) as container:
        stored = sum(packet.pts is not None for packet in container.demux(video=0))
    assert stored > len(read_times(cut)), "more frames are stored than shown"
    assert read_numbers(cut) == list(range(10, N))
    np.testing.assert_array_equal(frame_times(cut), read_times(cut))
    assert abs(read_times(cut)[0] - read_audio(cut).start) < 0.08


def test_frames_are_read_one_at_a_time(clip):
    frames = read_frames(clip)
    assert next(frames).time == 0.0
    frames.close()  # a reader may stop early; the file is closed


@pytest.mark.parametrize("name", ["song.mp3", "song.m4a"])
def test_a_cover_image_is_not_a_video(tmp_path, refused, name):
    sound = record(tmp_path / "a.wav", sound=tone(0.5), audio_codec="pcm_s16le")
    cover = tmp_path / "cover.jpg"
    record(cover, [numbered_frame(0)], codec="mjpeg", pix_fmt="yuvj420p")
    song = tmp_path / name
    options = {"c:v": "copy", "disposition:v": "attached_pic"}
    transcode(song, source(sound), source(cover), **options)
    assert refused(song).reason is Reason.NO_VIDEO
    assert len(frame_times(song)) == 0 and probe(song).width is None
    assert read_audio(song).duration_s > 0.4


def test_sound_alone_has_no_video(tmp_path, refused):
    sound = record(tmp_path / "a.wav", sound=tone(0.5), audio_codec="pcm_s16le")
    assert refused(sound).reason is Reason.NO_VIDEO
    assert len(frame_times(sound)) == 0


def test_zeros_in_the_middle_are_an_error_or_mark_frames_as_corrupt(tmp_path, noise):
    whole = record(tmp_path / "whole.mp4", noise(N))
    data = bytearray(whole.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    (tmp_path / "holed.mp4").write_bytes(data)
    try:
        frames = list(read_frames(tmp_path / "holed.mp4"))
    except ClipError as error:
        assert error.reason is Reason.DECODE_ERROR
    else:
        assert len(frames) == N and any(frame.corrupt for frame in frames)


def test_real_mpeg_clips_are_read_whole(real):
    for path in sorted((real / "grid").rglob("*.mpg")):
        times = read_times(path)
        assert len(times) == 75
        np.testing.assert_array_equal(frame_times(path), times)
        assert abs(read_audio(path).duration_s - 3.0) < 0.2
