"""Extraction of whole clips, video and audio."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stccl_data.clip import Clip
from stccl_data.errors import ClipError, Reason
from stccl_data.extract import SOUND_LONGER, SOUND_SHORTER, extract_clip
from stccl_data.landmarks import Landmarker
from stccl_data.pipeline.clip_artefact import save_extraction
from tests.testing.media import record, source, tone, transcode


def make_clip(path: Path, **labels) -> Clip:
    """Return the clip record of a file."""
    return Clip(
        clip_id="own/a",
        corpus="own",
        speaker="a",
        emotion="sad",
        sentence="1",
        path=str(path),
        **labels,
    )


def never() -> Landmarker:
    """Fail: the landmarker must not be opened."""
    raise AssertionError("the landmarker was opened")


def opener(landmarker: Landmarker) -> Callable[[], Landmarker]:
    """Return a function that opens an open landmarker."""
    return lambda: landmarker


def test_the_clip_record_is_completed_from_the_file(video, landmarker, corpus):
    extraction = extract_clip(make_clip(video), opener(landmarker))
    clip, truth = extraction.clip, corpus.clips[0]
    assert (clip.fps, clip.n_frames) == (Fraction(10), truth.n_frames)
    assert (clip.width, clip.height) == (192, 192)
    assert clip.audio_rate is not None and abs(clip.duration_s - truth.duration) < 0.1
    assert abs(extraction.scores["av_difference_s"]) < 0.15
    first, last = extraction.speech.span
    assert abs(first - truth.speech_start) < 0.15 and abs(last - truth.speech_end) < 0.15
    assert extraction.reference is not None and extraction.reference.shape[1] == 13


def test_the_same_clip_gives_the_same_bytes(tmp_path, frames, landmarker):
    path = record(tmp_path / "a.mp4", frames[:6], tone(0.5))
    for name in ("1.npz", "2.npz"):
        save_extraction(tmp_path / name, extract_clip(make_clip(path), opener(landmarker)))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_video_that_begins_late_keeps_its_times(tmp_path, frames, landmarker):
    path = record(tmp_path / "a.mp4", frames[:8], tone(1.0))
    late = tmp_path / "late.mp4"
    transcode(late, source(path, "v", itsoffset=0.4), source(path, "a"), c="copy")
    extraction = extract_clip(make_clip(late), opener(landmarker))
    assert abs(extraction.track.times[0] - extraction.speech.start - 0.4) < 0.03
    np.testing.assert_array_equal(extraction.frame_times, extraction.track.times)


def test_faces_are_tracked_only_on_request(video, tmp_path, frames):
    extraction = extract_clip(make_clip(video), never, face_tracking="never")
    assert extraction.track is None and len(extraction.frame_times) == extraction.clip.n_frames > 25
    assert extract_clip(make_clip(video), never, face_tracking="if_silent").track is None
    silent = record(tmp_path / "silent.mp4", frames[:6])
    with pytest.raises(ClipError, match=r"silent\.mp4") as error:
        extract_clip(make_clip(silent), never, face_tracking="never")
    assert error.value.reason is Reason.NO_AUDIO
    with pytest.raises(AssertionError, match="was opened"):
        extract_clip(make_clip(silent), never, face_tracking="if_silent")


def test_sound_alone_is_a_clip_unless_faces_are_required(tmp_path, landmarker):
    sound = record(tmp_path / "a.wav", sound=tone(1.0), audio_codec="pcm_s16le")
    extraction = extract_clip(make_clip(sound), never, face_tracking="if_silent")
    assert extraction.speech is not None and len(extraction.frame_times) == 0
    assert extraction.clip.duration_s == 1.0
    with pytest.raises(ClipError, match=r"a\.wav") as error:
        extract_clip(make_clip(sound), opener(landmarker))
    assert error.value.reason is Reason.NO_VIDEO


@pytest.mark.parametrize("sound", [None, np.zeros(8000, np.float32)], ids=["none", "zeros"])
def test_a_silent_clip_has_a_track_and_no_speech(tmp_path, frames, landmarker, sound):
    path = record(tmp_path / "silent.mp4", frames[:8], sound)
    extraction = extract_clip(make_clip(path), opener(landmarker))
    assert extraction.speech is None and extraction.reference is None
    assert len(extraction.track) == 8


def test_notes_say_how_the_sound_was_read(tmp_path, frames):
    path = record(tmp_path / "a.mp4", frames[:8], tone(0.5))
    silence = record(tmp_path / "s.wav", sound=np.zeros(8000, np.float32), audio_codec="pcm_s16le")
    both = tmp_path / "both.mkv"
    transcode(both, source(path, "v"), source(silence), source(path, "a"), **{"c:v": "copy"})
    assert extract_clip(make_clip(path), never, face_tracking="never").notes == ()
    extraction = extract_clip(make_clip(both), never, face_tracking="never")
    assert extraction.notes == ("used audio track 2 of 2 (default flag)",)
    assert extraction.clip.audio_rate == 16_000


@pytest.mark.parametrize(
    ("seconds", "notes"), [(0.5, (SOUND_SHORTER,)), (2.0, ()), (3.5, (SOUND_LONGER,))]
)
def test_sound_of_another_length_than_the_frames_is_noted(tmp_path, frames, seconds, notes):
    path = record(tmp_path / "a.mp4", [frames[0]] * 50, tone(seconds))
    assert extract_clip(make_clip(path), never, face_tracking="never").notes == notes


def test_the_clock_of_the_container_does_not_count(tmp_path, frames):
    path = record(tmp_path / "a.mp4", frames[:8], tone(0.5))
    sound = tmp_path / "a.wav"
    transcode(sound, source(path, "a"))
    late = tmp_path / "late.ts"
    transcode(late, source(path), c="copy", output_ts_offset=3_600)
    for audio_path in (None, str(sound)):
        clip = make_clip(late, audio_path=audio_path)
        extraction = extract_clip(clip, never, face_tracking="never")
        assert extraction.frame_times[0] == 0.0 and extraction.clip.n_frames == 8
        assert abs(extraction.speech.start) < 0.07  # AAC begins with a block of 64 ms at 16 kHz


def test_a_separate_audio_file_wins_unless_the_corpus_copies_it(tmp_path, frames):
    path = record(tmp_path / "a.mp4", frames[:8], tone(0.5))
    sound = record(tmp_path / "a.wav", sound=tone(2.0), audio_codec="pcm_s16le")
    own = make_clip(path, audio_path=str(sound))
    assert extract_clip(own, never, face_tracking="never").speech.end == pytest.approx(2, abs=0.1)
    mead = Clip(**{**own.row(), "corpus": "mead", "fps": None})
    assert extract_clip(mead, never, face_tracking="never").speech.end == pytest.approx(
        0.5, abs=0.1
    )
    with pytest.raises(ClipError, match=r"gone\.wav") as error:
        lost = make_clip(path, audio_path=str(tmp_path / "gone.wav"))
        extract_clip(lost, never, face_tracking="never")
    assert error.value.reason is Reason.MISSING_FILE


def test_the_face_that_the_manifest_names_is_followed(tmp_path, frames, landmarker):
    couple = [np.hstack([frame, frame]) for frame in frames[:6]]
    path = record(tmp_path / "couple.mp4", couple)
    tracks = [
        extract_clip(make_clip(path, face=face), opener(landmarker)).track
        for face in ("96,100", "220,40,360,180")
    ]
    middles = [np.nanmean(track.landmarks[:, :, 0]) for track in tracks]
    assert middles[0] < 192 < middles[1]
    with pytest.raises(ClipError, match=r"couple\.mp4") as error:
        extract_clip(make_clip(path, face="2,2"), opener(landmarker))
    assert error.value.reason is Reason.SPEAKER_NOT_THERE
