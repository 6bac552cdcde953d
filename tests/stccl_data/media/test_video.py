"""Reading media: real files by real encoders, against what was put in and against what ffmpeg itself makes of them."""

import os
import shutil
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from stccl_data.errors import ClipError, Reason
from stccl_data.media import video as media
from stccl_data.media.video import Audio, encode_flac, frame_times, probe, read_audio, read_frames

N = 25


def picture(i: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Red above left, green above right, blue below left; the grey below right says which frame it is."""
    image = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    image[:h, :w], image[:h, w:], image[h:, :w] = (200, 40, 40), (40, 160, 60), (30, 60, 190)
    image[h:, w:] = 20 + 8 * i
    return image


def numbers(path: Path) -> list[int]:
    """Which frame of `picture` each picture of the file is."""
    return [
        round((float(f.image[-f.image.shape[0] // 4, -f.image.shape[1] // 4, 0]) - 20) / 8)
        for f in read_frames(path)
    ]


def times_of(path: Path) -> np.ndarray:
    return np.array([frame.time for frame in read_frames(path)])


def refused(
    path: str | Path, how: Callable[..., object] = lambda path: list(read_frames(path))
) -> ClipError:
    with pytest.raises(ClipError) as caught:
        how(path)
    assert str(path) in caught.value.detail, "the sentence names the file"
    assert "\n" not in caught.value.detail
    return caught.value


@pytest.fixture(scope="module")
def clip(tmp_path_factory, studio) -> Path:
    return studio.record(
        tmp_path_factory.mktemp("media") / "clip.mp4",
        [picture(i) for i in range(N)],
        studio.tone(1.0),
    )


# --- pictures ----------------------------------------------------------------------------------------------------------------


def test_a_clip_gives_its_frames_in_order_at_the_containers_times(clip):
    assert numbers(clip) == list(range(N))
    np.testing.assert_allclose(times_of(clip), np.arange(N) / 25, atol=1e-9)
    info = probe(clip)
    assert (info.fps, info.n_frames, info.width, info.height, info.audio_rate) == (
        25,
        N,
        96,
        64,
        16_000,
    )
    assert abs(info.duration_s - 1.0) < 0.01


def test_colours_are_red_green_blue_in_that_order(clip):
    first = next(read_frames(clip)).image.astype(int)
    assert first.shape == (64, 96, 3)
    for (y, x), colour in {
        (10, 10): (200, 40, 40),
        (10, 80): (40, 160, 60),
        (50, 10): (30, 60, 190),
    }.items():
        assert np.abs(first[y, x] - colour).max() < 16


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_recording_stands_upright_as_ffmpeg_itself_turns_it(
    clip, tmp_path, ffmpeg, degrees
):
    turned, upright = tmp_path / "turned.mp4", tmp_path / "upright.png"
    ffmpeg("-display_rotation", degrees, "-i", clip, "-c", "copy", turned)
    ffmpeg("-i", turned, "-frames:v", 1, upright)
    with av.open(str(upright)) as container:
        expected = next(container.decode(video=0)).to_ndarray(format="rgb24")
    seen = next(read_frames(turned)).image
    assert seen.shape == expected.shape == ((96, 64, 3) if degrees != 180 else (64, 96, 3))
    assert np.abs(seen.astype(int) - expected).mean() < 3
    assert seen.flags["C_CONTIGUOUS"]


def test_pixels_become_square_and_the_height_stays(tmp_path, studio):
    wide = studio.record(
        tmp_path / "wide.mp4", [picture(i) for i in range(3)], aspect=Fraction(4, 3)
    )
    assert [frame.image.shape for frame in read_frames(wide)] == [(64, 128, 3)] * 3
    assert (probe(wide).width, probe(wide).height) == (128, 64)


@pytest.mark.parametrize(("width", "height"), [(95, 63), (97, 64), (33, 51)])
def test_odd_sizes_keep_every_pixel(tmp_path, studio, width, height):
    odd = studio.record(
        tmp_path / "odd.mkv",
        [picture(i, width, height) for i in range(3)],
        codec="ffv1",
        pix_fmt="yuv444p",
    )
    for i, frame in enumerate(read_frames(odd)):
        assert np.abs(frame.image.astype(int) - picture(i, width, height)).max() <= 4


@pytest.mark.parametrize("width", [96, 90])
def test_full_range_444_by_the_fast_path_is_what_swscale_makes_of_it(tmp_path, studio, width):
    noise = np.random.default_rng(0)
    smooth = [
        np.kron(noise.integers(0, 256, (8, width // 2, 3)), np.ones((8, 2, 1))).astype(np.uint8)
        for _ in range(3)
    ]
    raw = studio.record(tmp_path / "raw.mp4", smooth, pix_fmt="yuvj444p", full_range=True)
    with av.open(str(raw)) as container:
        frames = list(container.decode(video=0))
        assert frames[0].format.name == "yuvj444p"
        expected = [frame.to_ndarray(format="rgb24") for frame in frames]
    for seen, slow in zip(read_frames(raw), expected, strict=True):
        assert np.abs(seen.image.astype(int) - slow).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p", "yuv444p"])
def test_other_pixel_formats_become_eight_bit_rgb(tmp_path, studio, pix_fmt):
    deep = studio.record(tmp_path / "deep.mkv", [picture(i) for i in range(5)], pix_fmt=pix_fmt)
    assert numbers(deep) == list(range(5))
    assert next(read_frames(deep)).image.dtype == np.uint8


def test_b_frames_come_in_the_order_in_which_they_are_shown(tmp_path, studio):
    for name in ("b.mp4", "b.mkv"):
        film = studio.record(
            tmp_path / name, [picture(i) for i in range(N)], options={"bf": "3", "b-adapt": "0"}
        )
        with av.open(str(film)) as container:
            stored = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
        assert stored != sorted(stored), "the film has B-frames"
        assert numbers(film) == list(range(N))
        np.testing.assert_array_equal(frame_times(film), times_of(film))


def test_times_of_a_variable_frame_rate_are_the_containers(tmp_path, studio):
    times = np.cumsum([0, 40, 40, 200, 33, 33, 34, 500, 40, 20, 20])
    for name in ("vfr.mp4", "vfr.mkv"):
        film = studio.record(tmp_path / name, [picture(i) for i in range(len(times))], times=times)
        np.testing.assert_allclose(times_of(film), times / 1000, atol=1e-3)
        np.testing.assert_array_equal(frame_times(film), times_of(film))


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
def test_the_containers_times_are_those_of_the_decoded_frames(tmp_path, studio, kind):
    settings = CONTAINERS[kind]
    path = tmp_path / f"film.{kind.split()[0]}"
    options = (
        {"auto-alt-ref": "1", "lag-in-frames": "12"}
        if kind.startswith("webm")
        else {}
        if kind == "flv"
        else {"bf": "2"}
    )
    studio.record(
        path,
        [picture(i) for i in range(N)],
        studio.tone(1.0, settings.get("rate", 16_000)),
        options=options,
        **settings,
    )
    assert numbers(path) == list(range(N))
    times = times_of(path)
    np.testing.assert_array_equal(frame_times(path), times)
    np.testing.assert_allclose(np.diff(times), 0.04, atol=0.0011)
    sound = read_audio(path)
    assert abs(sound.duration_s - 1.0) < 0.1
    assert abs(sound.start - times[0]) < 0.1, "sound and pictures are on one clock"


def test_a_stream_that_begins_late_keeps_its_place(clip, tmp_path, ffmpeg):
    late = tmp_path / "late.mp4"
    ffmpeg(
        "-itsoffset", 0.48, "-i", clip, "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy", late
    )
    assert abs(times_of(late)[0] - read_audio(late).start - 0.48) < 0.03
    np.testing.assert_array_equal(frame_times(late), times_of(late))
    ffmpeg(
        "-itsoffset", 0.48, "-i", clip, "-i", clip, "-map", "1:v", "-map", "0:a", "-c", "copy", late
    )
    assert abs(read_audio(late).start - times_of(late)[0] - 0.48) < 0.08


def test_what_an_edit_list_cuts_off_is_not_shown(clip, tmp_path, ffmpeg):
    cut = tmp_path / "cut.mp4"
    ffmpeg("-ss", 0.4, "-i", clip, "-c", "copy", cut)  # from the key frame at 0, by an edit list
    with av.open(str(cut)) as container:
        stored = sum(packet.pts is not None for packet in container.demux(video=0))
    assert stored > len(times_of(cut)), "more is stored than shown"
    assert numbers(cut) == list(range(10, N))
    np.testing.assert_array_equal(frame_times(cut), times_of(cut))
    assert abs(times_of(cut)[0] - read_audio(cut).start) < 0.08


def test_frames_are_read_one_at_a_time(clip):
    frames = read_frames(clip)
    assert next(frames).time == 0.0
    frames.close()  # a reader may stop early; the file is closed


# --- sound -------------------------------------------------------------------------------------------------------------------


def test_sound_is_mono_at_the_rate_asked_for(clip):
    sound = read_audio(clip)
    assert (sound.rate, sound.samples.dtype, sound.samples.ndim) == (16_000, np.float32, 1)
    assert read_audio(clip, rate=None).rate == 16_000
    assert read_audio(clip, rate=8_000).rate == 8_000
    middle = sound.samples[4000:12000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 220  # 440 Hz over half a second


def test_sample_i_is_heard_at_start_plus_i_over_rate(tmp_path, studio):
    clicks = np.zeros(16_000, np.float32)
    clicks[8_000:8_080] = 0.9
    for name, settings in {
        "a.wav": {"audio_codec": "pcm_s16le"},
        "a.mp4": {},
        "a.mkv": {},
        "a.flac": {"audio_codec": "flac"},
    }.items():
        sound = read_audio(studio.record(tmp_path / name, sound=clicks, **settings))
        assert (
            abs(sound.start + np.argmax(np.abs(sound.samples) > 0.4) / sound.rate - 0.5) < 0.002
        ), name


def test_a_gap_in_the_sound_is_filled_with_silence(tmp_path, studio, ffmpeg):
    source = studio.record(tmp_path / "a.wav", sound=studio.tone(2.0), audio_codec="pcm_s16le")
    holed = tmp_path / "holed.mkv"
    ffmpeg("-i", source, "-af", "aselect='not(between(t,0.6,1.4))'", "-c:a", "pcm_s16le", holed)
    sound = read_audio(holed)
    assert abs(sound.duration_s - 2.0) < 0.1
    loud = (
        np.abs(sound.samples).reshape(-1)[: 16_000 * 2 // 1600 * 1600].reshape(-1, 1600).max(axis=1)
        > 0.2
    )
    assert loud[:5].all() and not loud[8:13].any() and loud[15:18].all()


def test_a_dead_channel_does_not_halve_the_sound(tmp_path, studio):
    voice = studio.tone(0.5)
    stereo = studio.record(
        tmp_path / "a.wav", sound=np.stack([voice, 0 * voice]), audio_codec="pcm_s16le"
    )
    assert abs(np.abs(read_audio(stereo).samples).max() - 0.5) < 0.01
    both = studio.record(
        tmp_path / "b.wav", sound=np.stack([voice, voice]), audio_codec="pcm_s16le"
    )
    assert abs(np.abs(read_audio(both).samples).max() - 0.5) < 0.01


def test_float_sound_with_values_that_are_no_numbers_is_read(tmp_path, studio):
    samples = studio.tone(0.5)
    samples[100:110], samples[200], samples[300] = np.nan, np.inf, 7.0
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    sound = read_audio(tmp_path / "a.wav")
    assert np.isfinite(sound.samples).all() and np.abs(sound.samples).max() <= 1.0
    assert not sound.samples[100:110].any() and abs(sound.samples[1000:].max() - 0.5) < 0.01


def test_silence_is_sound(tmp_path, studio):
    silent = studio.record(
        tmp_path / "a.wav", sound=np.zeros(8000, np.float32), audio_codec="pcm_s16le"
    )
    assert read_audio(silent).duration_s == 0.5


@pytest.mark.parametrize("start", [0.0, 0.25, -0.25])
def test_flac_holds_the_samples_from_container_time_zero_on(tmp_path, studio, start):
    samples = studio.tone(1.0) * np.linspace(0.1, 1, 16_000, dtype=np.float32)
    (tmp_path / "a.flac").write_bytes(encode_flac(Audio(samples, 16_000, start)))
    back, rate = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert rate == 16_000 and back.ndim == 1
    shift = round(start * 16_000)
    expected = np.pad(samples, (shift, 0)) if shift >= 0 else samples[-shift:]
    assert len(back) == len(expected)
    assert np.abs(back - expected).max() < 1e-4


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_flac_takes_the_rates_that_recorders_use(rate):
    samples = np.zeros(rate // 2, np.float32)
    assert encode_flac(Audio(samples, rate, 0.0)) == encode_flac(Audio(samples, rate, 0.0)), (
        "the same bytes each time"
    )


def test_flac_of_a_sound_that_ends_before_zero_is_flac_without_sound():
    assert encode_flac(Audio(np.ones(100, np.float32), 16_000, -1.0)).startswith(b"fLaC")


# --- what is not there -------------------------------------------------------------------------------------------------------


def test_a_silent_video_has_no_sound_and_says_so(tmp_path, studio):
    silent = studio.record(tmp_path / "silent.mp4", [picture(i) for i in range(3)])
    assert probe(silent).audio_rate is None
    assert refused(silent, read_audio).reason is Reason.NO_AUDIO


@pytest.mark.parametrize("name", ["song.mp3", "song.m4a"])
def test_a_cover_picture_is_no_video(tmp_path, studio, ffmpeg, name):
    sound = studio.record(tmp_path / "a.wav", sound=studio.tone(0.5), audio_codec="pcm_s16le")
    with av.open(str(tmp_path / "cover.jpg"), "w") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))
        out.mux(stream.encode())
    song = tmp_path / name
    ffmpeg(
        "-i",
        sound,
        "-i",
        tmp_path / "cover.jpg",
        "-map",
        0,
        "-map",
        1,
        "-c:v",
        "copy",
        "-disposition:v",
        "attached_pic",
        song,
    )
    assert refused(song).reason is Reason.NO_VIDEO
    assert len(frame_times(song)) == 0 and probe(song).width is None
    assert read_audio(song).duration_s > 0.4


def test_sound_alone_has_no_video_and_says_so(tmp_path, studio):
    sound = studio.record(tmp_path / "a.wav", sound=studio.tone(0.5), audio_codec="pcm_s16le")
    assert refused(sound).reason is Reason.NO_VIDEO
    assert len(frame_times(sound)) == 0


# --- broken files ------------------------------------------------------------------------------------------------------------


def cut_short(path: Path, whole: Path, share: float) -> Path:
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_mp4_that_was_cut_short_is_refused_wherever_its_index_lies(tmp_path, studio, share):
    frames = [
        np.random.default_rng(i).integers(0, 256, (64, 96, 3)).astype(np.uint8) for i in range(N)
    ]
    plain = studio.record(tmp_path / "plain.mp4", frames, studio.tone(1.0))
    quick = studio.record(
        tmp_path / "quick.mp4", frames, studio.tone(1.0), container={"movflags": "faststart"}
    )
    for whole in (plain, quick):
        damaged = cut_short(tmp_path / "cut.mp4", whole, share)
        for how in (probe, frame_times, read_audio, lambda path: list(read_frames(path))):
            error = refused(damaged, how)
            assert error.reason is Reason.DECODE_ERROR and "cut short" in error.detail


@pytest.mark.parametrize("kind", ["mkv", "webm", "avi", "flv"])
def test_other_containers_that_were_cut_short_are_refused_too(tmp_path, studio, kind):
    frames = [
        np.random.default_rng(i).integers(0, 256, (64, 96, 3)).astype(np.uint8) for i in range(75)
    ]
    whole = studio.record(
        tmp_path / f"whole.{kind}",
        frames,
        studio.tone(3.0, CONTAINERS[kind].get("rate", 16_000)),
        **CONTAINERS[kind],
    )
    assert len(frame_times(whole)) == 75
    damaged = cut_short(tmp_path / f"cut.{kind}", whole, 0.6)
    error = refused(damaged, frame_times)
    assert error.reason is Reason.DECODE_ERROR and "cut short" in error.detail


def test_a_wav_that_was_cut_short_is_refused(tmp_path, studio):
    whole = studio.record(tmp_path / "whole.wav", sound=studio.tone(3.0), audio_codec="pcm_s16le")
    error = refused(cut_short(tmp_path / "cut.wav", whole, 0.5), read_audio)
    assert error.reason is Reason.DECODE_ERROR and "cut short" in error.detail


def test_a_clip_whose_middle_is_zeros_is_refused(tmp_path, studio):
    frames = [
        np.random.default_rng(i).integers(0, 256, (64, 96, 3)).astype(np.uint8) for i in range(N)
    ]
    whole = studio.record(tmp_path / "whole.mp4", frames)
    data = bytearray(whole.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    (tmp_path / "holed.mp4").write_bytes(data)
    try:
        frames_read = list(read_frames(tmp_path / "holed.mp4"))
    except ClipError as error:
        assert error.reason is Reason.DECODE_ERROR
    else:
        assert len(frames_read) == N and any(frame.corrupt for frame in frames_read), (
            "concealed damage is marked"
        )


def test_a_title_in_another_encoding_does_not_matter(tmp_path, studio):
    path = studio.record(tmp_path / "a.mkv", [picture(i) for i in range(N)])
    path.write_bytes(
        path.read_bytes().replace(b"Lavf", b"\xe4\xf6\xfc\xdf")
    )  # the name of the muxer, now Latin-1
    assert numbers(path) == list(range(N))


def test_a_stream_in_a_form_that_nobody_knows_is_refused(tmp_path, studio):
    path = studio.record(tmp_path / "a.mkv", [picture(i) for i in range(N)])
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS!"))
    with pytest.raises(ClipError, match="video in a form that ffmpeg does not know") as error:
        probe(path)
    assert error.value.reason is Reason.DECODE_ERROR


def test_a_file_without_bytes_is_refused(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert refused(tmp_path / "a.mp4").reason is Reason.EMPTY_FILE


def test_a_file_of_zeros_is_a_broken_copy(tmp_path):
    (tmp_path / "a.mp4").write_bytes(bytes(10_000))
    error = refused(tmp_path / "a.mp4")
    assert error.reason is Reason.DECODE_ERROR and "zero" in error.detail


@pytest.mark.parametrize(
    "content",
    [
        b"hello, this is a text\n" * 100,
        b"\x00\x01\x02\x03",
        b"\x1aE\xdf\xa3",
        b"RIFF",
        b"\x1aE\xdf\xa3" + b"\xff" * 200,
        b"<html></html>",
        os.urandom(5000),
    ],
)
def test_what_is_no_recording_is_refused_whatever_its_name(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert refused(tmp_path / "a.mp4").reason in (Reason.NOT_MEDIA, Reason.DECODE_ERROR)


def test_a_folder_with_a_clips_name_is_refused(tmp_path):
    (tmp_path / "x.mp4").mkdir()
    assert "is a folder" in refused(tmp_path / "x.mp4").detail


def test_a_missing_file_is_refused(tmp_path):
    assert refused(tmp_path / "a.mp4").reason is Reason.MISSING_FILE
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert refused(tmp_path / "link.mp4").reason is Reason.MISSING_FILE


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    found: list[ClipError] = []
    reader = threading.Thread(target=lambda: found.append(refused(tmp_path / "a.mp4")), daemon=True)
    reader.start()
    reader.join(5)
    assert found and "no file" in found[0].detail


def test_a_file_that_may_not_be_read_is_refused(tmp_path, clip):
    own = tmp_path / "own.mp4"
    shutil.copy(clip, own)
    own.chmod(0)
    if (
        os.geteuid() == 0
    ):  # nothing is closed to root: look as nobody does, who must be let in as far as the file
        if not _open_to_nobody(tmp_path):
            pytest.skip("the temporary folder is closed to other users")
        os.seteuid(65534)
    try:
        error = refused(own)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
    assert error.reason is Reason.NOT_PERMITTED and "readable" in error.reason.advice


def _open_to_nobody(folder: Path) -> bool:
    for part in (folder, *folder.parents):
        if not part.stat().st_mode & 0o001:
            if "pytest" not in str(part):
                return False
            part.chmod(part.stat().st_mode | 0o011)
    return True


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_a_playlist_does_not_lead_to_other_files(tmp_path, clip, name):
    shutil.copy(clip, tmp_path / "secret.mp4")
    (tmp_path / name).write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-VERSION:3\n#EXTINF:1.0,\nsecret.mp4\n#EXT-X-ENDLIST\n"
    )
    assert refused(tmp_path / name).reason is Reason.NOT_MEDIA
    assert refused(tmp_path / name, probe).reason is Reason.NOT_MEDIA


@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat"])
def test_a_concatenation_script_does_not_lead_to_other_files(tmp_path, clip, name):
    shutil.copy(clip, tmp_path / "secret.mp4")
    (tmp_path / name).write_text("ffconcat version 1.0\nfile secret.mp4\n")
    assert refused(tmp_path / name).reason is Reason.NOT_MEDIA


def test_a_dash_manifest_does_not_lead_to_other_files(tmp_path):
    (tmp_path / "a.mp4").write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        '<Representation id="1"><BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    assert refused(tmp_path / "a.mp4").reason is Reason.NOT_MEDIA


# --- names -------------------------------------------------------------------------------------------------------------------

NAMES = [
    "Grüße aus 東京.mp4",
    "two  spaces.mp4",
    "-i.mp4",
    "http:clip.mp4",
    "pipe:0",
    "100%d.mp4",
    "a#b?c.mp4",
    'it\'s "quoted".mp4',
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_and_nothing_else(tmp_path, clip, name, monkeypatch):
    (tmp_path / "sub").mkdir()
    shutil.copy(clip, tmp_path / "sub" / name)
    monkeypatch.chdir(tmp_path / "sub")
    for path in (tmp_path / "sub" / name, name):  # absolute, and as typed in that folder
        assert probe(path).n_frames == N
        assert sum(1 for _ in read_frames(path)) == N
        assert read_audio(path).duration_s > 0.9


def test_a_wrong_suffix_does_not_matter(tmp_path, clip):
    shutil.copy(clip, tmp_path / "clip.wav")
    assert numbers(tmp_path / "clip.wav") == list(range(N))


def test_nothing_is_printed_about_a_broken_file(tmp_path, clip):
    """ffmpeg's own complaints do not reach a user's terminal: the sentence does."""
    damaged = cut_short(tmp_path / "cut.mp4", clip, 0.8)
    code = f"from stccl_data import media\ntry: media.probe({str(damaged)!r})\nexcept Exception as e: print(type(e).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "ClipError\n" and done.stderr == ""


def test_real_mpeg_clips_are_read_whole(real):
    for path in sorted((real / "grid").rglob("*.mpg")):
        times = times_of(path)
        assert len(times) == 75
        np.testing.assert_array_equal(frame_times(path), times)
        assert abs(read_audio(path).duration_s - 3.0) < 0.2


def test_the_speech_rate_is_what_the_features_want():
    assert media.SPEECH_RATE == 16_000


def test_a_rate_that_no_sound_card_has_is_a_damaged_header(tmp_path):
    for rate in (1, 0x7FFFFFFF):
        path = tmp_path / f"{rate}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(bytes(32_000))
        with pytest.raises(ClipError, match="its header is damaged"):
            read_audio(path)
