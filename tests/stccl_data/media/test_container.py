"""Opening files: names, headers, and files that are broken or not recordings."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from stccl_data.errors import ClipError, Reason
from stccl_data.media.audio import read_audio
from stccl_data.media.container import probe
from stccl_data.media.video import frame_times, read_frames
from tests.testing.media import record, source, tone, transcode
from tests.testing.numbered import numbered_frames, read_numbers
from tests.testing.processes import run_python

N = 25


def truncate(path: Path, whole: Path, share: float) -> Path:
    """Write the first `share` of a file to `path`."""
    data = whole.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def test_probe_reads_the_header(clip):
    info = probe(clip)
    assert (info.fps, info.n_frames, info.audio_rate) == (25, N, 16_000)
    assert (info.width, info.height) == (96, 64)
    assert abs(info.duration_s - 1.0) < 0.01


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("container", [{}, {"movflags": "faststart"}], ids=["index last", "first"])
def test_a_truncated_mp4_is_refused_by_every_reader(tmp_path, noise, refused, share, container):
    whole = record(tmp_path / "whole.mp4", noise(N), tone(1.0), container=container)
    truncated = truncate(tmp_path / "truncated.mp4", whole, share)
    for read in (probe, frame_times, read_audio, lambda path: list(read_frames(path))):
        error = refused(truncated, read)
        assert error.reason is Reason.DECODE_ERROR and "the file is truncated" in error.detail


def test_a_truncated_wav_is_refused(tmp_path, refused):
    whole = record(tmp_path / "whole.wav", sound=tone(3.0), audio_codec="pcm_s16le")
    error = refused(truncate(tmp_path / "truncated.wav", whole, 0.5), read_audio)
    assert error.reason is Reason.DECODE_ERROR and "the file is truncated" in error.detail


def test_metadata_in_another_encoding_does_no_harm(tmp_path):
    path = record(tmp_path / "a.mkv", numbered_frames(N))
    muxer = path.read_bytes().replace(b"Lavf", b"\xe4\xf6\xfc\xdf")  # its name, now in Latin-1
    path.write_bytes(muxer)
    assert read_numbers(path) == list(range(N))


def test_a_stream_of_an_unknown_codec_is_refused(tmp_path, refused):
    path = record(tmp_path / "a.mkv", numbered_frames(N))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_NOBODY/KNOWS!"))
    error = refused(path, probe)
    assert error.reason is Reason.NOT_SUPPORTED and "codec" in error.detail


def test_an_encrypted_recording_is_not_called_damaged(tmp_path, refused):
    path = record(tmp_path / "a.mp4", numbered_frames(N))
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0\0\0", b"encv\0\0\0\0"))
    error = refused(path, probe)
    assert error.reason is Reason.NOT_SUPPORTED and "encrypted" in error.detail


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(("transfer", "readable"), [(None, False), (16, True)])
def test_dolby_vision_in_its_own_colours_is_named(tmp_path, refused, container, transfer, readable):
    """Profile 5 states no transfer function; in others the HEVC stream is HDR10, HLG or SDR."""
    x265 = "log-level=none" + ("" if transfer is None else f":transfer={transfer}")
    path = record(
        tmp_path / "a.mp4",
        numbered_frames(N),
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"x265-params": x265},
    )
    content = path.read_bytes()
    if container == "mp4":
        assert b"hev1\0\0\0\0" in content
        path.write_bytes(content.replace(b"hev1\0\0\0\0", b"dvh1\0\0\0\0"))
    else:  # FFmpeg copies the configuration record, put in the place of the box of bit rates
        at = content.index(b"btrt")
        record_of_5 = b"dvcC" + bytes([1, 0, 5 << 1, 0x35]) + bytes(8)
        path.write_bytes(content[:at] + record_of_5 + content[at + len(record_of_5) :])
        transcode(tmp_path / "a.mkv", source(path), c="copy")
        path = tmp_path / "a.mkv"
        assert b"dvcC" in path.read_bytes()
    if readable:
        assert probe(path).width
    else:
        error = refused(path, probe)
        assert error.reason is Reason.NOT_SUPPORTED and "Dolby Vision" in error.detail


def test_an_empty_file_is_refused(tmp_path, refused):
    (tmp_path / "a.mp4").touch()
    assert refused(tmp_path / "a.mp4").reason is Reason.EMPTY_FILE


def test_a_file_of_zeros_is_an_incomplete_copy(tmp_path, refused):
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
    ids=["text", "bytes", "matroska magic", "riff magic", "bad ebml size", "html", "random"],
)
def test_a_file_that_is_not_a_recording_is_refused_whatever_its_name(tmp_path, refused, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert refused(tmp_path / "a.mp4").reason in (Reason.NOT_MEDIA, Reason.DECODE_ERROR)


def test_a_folder_with_a_clips_name_is_refused(tmp_path, refused):
    (tmp_path / "x.mp4").mkdir()
    error = refused(tmp_path / "x.mp4")
    assert error.reason is Reason.NOT_MEDIA and "folder" in error.detail


def test_a_web_page_in_place_of_a_recording_is_named(tmp_path, refused):
    (tmp_path / "a.mp4").write_text("<html><head><title>Sign in</title></head>" + "<p>x</p>" * 500)
    error = refused(tmp_path / "a.mp4")
    assert error.reason is Reason.NOT_MEDIA and "web page" in error.detail


def test_a_missing_file_is_refused(tmp_path, refused):
    assert refused(tmp_path / "a.mp4").reason is Reason.MISSING_FILE
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert refused(tmp_path / "link.mp4").reason is Reason.BROKEN_LINK


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path, refused):
    os.mkfifo(tmp_path / "a.mp4")
    errors: list[ClipError] = []
    reader = threading.Thread(
        target=lambda: errors.append(refused(tmp_path / "a.mp4")), daemon=True
    )
    reader.start()
    reader.join(5)
    assert errors and errors[0].reason is Reason.NOT_MEDIA


def test_an_unreadable_file_is_refused(nobodys, clip, refused):
    own = nobodys / "own.mp4"
    own.write_bytes(b"not reached")
    own.chmod(0)
    error = refused(own)
    assert error.reason is Reason.NOT_PERMITTED and "readable" in error.reason.advice


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_a_playlist_does_not_open_other_files(tmp_path, clip, refused, name):
    shutil.copy(clip, tmp_path / "secret.mp4")
    (tmp_path / name).write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-VERSION:3\n"
        "#EXTINF:1.0,\nsecret.mp4\n#EXT-X-ENDLIST\n"
    )
    assert refused(tmp_path / name).reason is Reason.NOT_MEDIA
    assert refused(tmp_path / name, probe).reason is Reason.NOT_MEDIA


@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat"])
def test_a_concatenation_script_does_not_open_other_files(tmp_path, clip, refused, name):
    shutil.copy(clip, tmp_path / "secret.mp4")
    (tmp_path / name).write_text("ffconcat version 1.0\nfile secret.mp4\n")
    assert refused(tmp_path / name).reason is Reason.NOT_MEDIA


def test_a_dash_manifest_does_not_open_other_files(tmp_path, refused):
    (tmp_path / "a.mp4").write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        '<Period><AdaptationSet><Representation id="1"><BaseURL>secret.mp4</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    )
    assert refused(tmp_path / "a.mp4").reason is Reason.NOT_MEDIA


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
def test_any_file_name_is_taken_literally(tmp_path, clip, name, monkeypatch):
    (tmp_path / "sub").mkdir()
    shutil.copy(clip, tmp_path / "sub" / name)
    monkeypatch.chdir(tmp_path / "sub")
    for path in (tmp_path / "sub" / name, name):  # absolute, and as typed in that folder
        assert probe(path).n_frames == N
        assert sum(1 for _ in read_frames(path)) == N
        assert read_audio(path).duration_s > 0.9


def test_a_wrong_suffix_does_no_harm(tmp_path, clip):
    shutil.copy(clip, tmp_path / "clip.wav")
    assert read_numbers(tmp_path / "clip.wav") == list(range(N))


def test_ffmpeg_prints_nothing_about_a_broken_file(tmp_path, clip):
    truncated = truncate(tmp_path / "truncated.mp4", clip, 0.8)
    code = (
        "from stccl_data.media.container import probe\n"
        f"try: probe({str(truncated)!r})\n"
        "except Exception as error: print(type(error).__name__)"
    )
    result = run_python(code)
    assert result.stdout == "ClipError\n" and result.stderr == ""
