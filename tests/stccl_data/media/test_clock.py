"""The clock of a clip: flashes and clicks of the same instants, whatever the container counts."""

from fractions import Fraction

import av
import numpy as np
import pytest

from stccl_data.errors import Reason
from stccl_data.media.audio import JOINED_AT_START, encode_flac, read_audio
from stccl_data.media.clock import find_jumps, read_clock
from stccl_data.media.placement import HOLES, OVERLAPS, RESAMPLED
from stccl_data.media.video import frame_times, read_frames
from tests.testing.clicks import (
    INSTANTS,
    SECONDS,
    clicks,
    flashes,
    flashing_frames,
    record_clicks,
)
from tests.testing.media import record, source, transcode


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The recording as MP4. Read only."""
    return record_clicks(tmp_path_factory.mktemp("clock") / "plain.mp4")


def assert_in_sync(path, video=None, instants=INSTANTS):
    """Check that the clip begins at its first frame, and that flashes and clicks coincide."""
    assert frame_times(video or path)[0] == 0.0
    np.testing.assert_allclose(flashes(video or path), instants, atol=0.002)
    np.testing.assert_allclose(clicks(path, video), instants, atol=0.03)


def stored_again(source_path, path, stamp, streams=("video", "audio")):
    """Copy the packets of a recording with other stamps.

    Args:
        source_path, path: the recording and the copy.
        stamp: (kind of stream, seconds) -> seconds, or None to leave the packet out.
        streams: which kinds are copied.
    """
    with av.open(str(source_path)) as original, av.open(str(path), "w") as copy:
        chosen = [stream for stream in original.streams if stream.type in streams]
        outputs = {stream.index: copy.add_stream_from_template(stream) for stream in chosen}
        for packet in original.demux(chosen):
            if packet.dts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            moved = stamp(packet.stream.type, seconds)
            if moved is None:
                continue
            packet.stream = outputs[packet.stream_index]
            packet.time_base = Fraction(1, 90_000)
            packet.pts = packet.dts = round(moved * 90_000)
            packet.duration = 0
            copy.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["ts", "mpg", "mkv", "avi", "mov", "flv"])
def test_every_container_begins_at_its_first_frame(tmp_path, suffix):
    settings = {
        "mpg": {"codec": "mpeg2video", "audio_codec": "mp2", "options": {}},
        "avi": {"codec": "mpeg4", "audio_codec": "mp2", "options": {}},
        "flv": {"codec": "flv", "audio_codec": "mp3", "rate": 44_100, "options": {}},
    }
    assert_in_sync(record_clicks(tmp_path / f"a.{suffix}", **settings.get(suffix, {})))


@pytest.mark.parametrize("offset", [10, 3_600, 95_442], ids=["10 s", "1 h", "wraps in the clip"])
def test_a_late_clock_changes_nothing(tmp_path, plain, offset):
    late = tmp_path / "late.ts"
    transcode(late, source(plain), c="copy", output_ts_offset=offset)
    assert len(frame_times(late)) == 75
    assert_in_sync(late)
    assert len(encode_flac(read_audio(late, rate=None))) < 500_000


@pytest.mark.parametrize("suffix", ["ts", "mpg", "mkv", "mp4"])
def test_a_sound_file_of_its_own_begins_with_the_video_file(tmp_path, suffix):
    settings = {"mpg": {"codec": "mpeg2video", "audio_codec": "mp2", "options": {}}}
    video = record_clicks(tmp_path / f"a.{suffix}", **settings.get(suffix, {}))
    for name in ("a.wav", "a.m4a", "a.mp3", "a.ogg"):
        transcode(tmp_path / name, source(video, "a"))
        assert_in_sync(tmp_path / name, video)


def test_a_late_video_stays_late_beside_its_own_sound_file(tmp_path, plain):
    late, sound = tmp_path / "late.mp4", tmp_path / "a.wav"
    transcode(late, source(plain, "v", itsoffset=0.48), source(plain, "a"), c="copy")
    transcode(sound, source(plain, "a"))
    assert abs(read_audio(sound, video=late).start + 0.48) < 0.03
    assert abs(read_audio(late).start + 0.48) < 0.03


def test_edit_lists_of_sound_are_kept(tmp_path, plain):
    late = tmp_path / "late.mov"
    transcode(late, source(plain, "v"), source(plain, "a", itsoffset=0.5), c="copy")
    np.testing.assert_allclose(clicks(late), np.add(INSTANTS, 0.5), atol=0.03)
    cut = tmp_path / "cut.mp4"  # stored from the key frame at 0, shown from 0.4 s on
    transcode(cut, source(plain, ss=0.4), c="copy")
    assert len(frame_times(cut)) == 65
    assert_in_sync(cut, instants=np.subtract(INSTANTS, 0.4))


def test_frames_before_the_first_key_frame_are_not_counted(tmp_path, plain):
    whole, cut = tmp_path / "whole.ts", tmp_path / "cut.ts"
    transcode(whole, source(plain), c="copy")
    shown = stored_again(whole, cut, lambda kind, s: s if s > 1.4 + 0.5 else None)
    times = frame_times(shown)
    assert len(times) == 50 and times[0] == 0.0  # the second key frame is frame 25
    np.testing.assert_array_equal(times, [frame.time for frame in read_frames(shown)])
    np.testing.assert_allclose(clicks(shown), np.subtract(INSTANTS[1:], 1.0), atol=0.03)
    flac = encode_flac(read_audio(shown, rate=None))
    (tmp_path / "cut.flac").write_bytes(flac)
    assert abs(read_audio(tmp_path / "cut.flac").duration_s - 2.0) < 0.05


def test_recordings_joined_end_to_end_are_one_clip(tmp_path, plain):
    first, second, joined = (tmp_path / name for name in ("1.ts", "2.ts", "joined.ts"))
    transcode(first, source(plain), c="copy")
    transcode(second, source(plain), c="copy", output_ts_offset=7_000)
    joined.write_bytes(first.read_bytes() + second.read_bytes() + first.read_bytes())
    times = frame_times(joined)
    assert len(times) == 225 and np.abs(np.diff(times) - 0.04).max() < 0.1
    shown = flashes(joined)
    assert len(shown) == 3 * len(INSTANTS)
    np.testing.assert_allclose(clicks(joined), shown, atol=0.05)
    assert read_audio(joined).duration_s < 3.3 * SECONDS


def test_a_long_pause_of_a_silent_video_is_kept(tmp_path):
    times = [0, 40, 15_000, 15_040]
    path = record(tmp_path / "slides.mp4", flashing_frames(4, 1.0), times=times)
    np.testing.assert_allclose(frame_times(path), np.array(times) / 1000, atol=0.001)


def test_sound_that_jumps_alone_keeps_its_hole(tmp_path, plain):
    holed = stored_again(
        plain, tmp_path / "a.mkv", lambda kind, s: None if kind == "audio" and 1.2 < s < 1.7 else s
    )
    assert_in_sync(holed)
    assert read_audio(holed).notes == (HOLES,)


def test_sound_that_overlaps_itself_is_heard_when_its_stamps_say(tmp_path, plain):
    path = stored_again(plain, tmp_path / "a.mkv", lambda kind, s: s)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.dts is not None and packet.pts * packet.time_base > 1.3:
                stamp = slice(packet.pos + 1, packet.pos + 3)  # after the number of the track
                moved = int.from_bytes(data[stamp], "big", signed=True) - 300
                data[stamp] = moved.to_bytes(2, "big", signed=True)
    path.write_bytes(data)
    np.testing.assert_allclose(clicks(path), (0.4, 1.0, 1.5, 2.3), atol=0.03)
    assert read_audio(path).notes == (OVERLAPS,)


@pytest.mark.parametrize("drift", [0.985, 1.015])
def test_sound_on_a_drifting_clock_is_resampled(tmp_path, plain, drift):
    path = stored_again(
        plain, tmp_path / "a.mkv", lambda kind, s: s * drift if kind == "audio" else s
    )
    np.testing.assert_allclose(clicks(path), np.multiply(INSTANTS, drift), atol=0.03)
    assert read_audio(path).notes == (RESAMPLED,)


def test_sound_on_another_clock_is_joined_at_its_start(tmp_path, plain):
    path = stored_again(plain, tmp_path / "a.mkv", lambda kind, s: s + 5_000 * (kind == "audio"))
    assert_in_sync(path)
    assert read_audio(path).notes == (JOINED_AT_START,)


@pytest.mark.parametrize("audio", [[], None], ids=["without sound", "with sound"])
def test_jumps_of_a_file_are_those_of_all_its_streams(audio):
    video = [0.0, 0.04, 0.08, 50.0, 50.04, 0.3, 0.34]
    sound = [0.0, 0.02, 0.04, 50.01, 50.03, 0.32, 0.34] if audio is None else audio
    jumps, of_sound = find_jumps(video, sound)
    assert [jump.packet for jump in jumps] == [3, 5]
    np.testing.assert_allclose([jump.ahead for jump in jumps], [49.88, 0.1], atol=1e-6)
    assert [jump.ahead for jump in of_sound] == [jump.ahead for jump in jumps] * (audio is None)
    assert find_jumps(video, list(np.arange(7) * 0.02)) == ((), ())


@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_before_the_zero_of_matroska_keep_their_distance(tmp_path, plain, b_frames):
    early = tmp_path / "a.mkv"
    options = {"output_ts_offset": -0.5, "avoid_negative_ts": "disabled", "bf": b_frames}
    transcode(early, source(plain), vcodec="libx264", acodec="aac", **options)
    with av.open(str(early)) as container:
        assert sum(packet.pts is None for packet in container.demux(video=0)) > 5
    assert_in_sync(early)


def test_an_empty_packet_shows_the_last_frame_again(tmp_path, plain):
    theora = tmp_path / "a.ogv"
    transcode(theora, source(plain), vcodec="libtheora", acodec="libvorbis")
    with av.open(str(theora)) as container:
        assert sum(packet.size == 0 for packet in container.demux(video=0)) > 30
    assert len(frame_times(theora)) == 75
    assert_in_sync(theora)


def test_a_truncated_flv_is_refused_before_decoding(tmp_path, refused):
    whole = record_clicks(
        tmp_path / "a.flv", codec="flv", audio_codec="mp3", rate=44_100, options={}
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    assert refused(whole, read_clock).reason is Reason.DECODE_ERROR
