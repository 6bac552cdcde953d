"""From an uncut recording to shards."""

import csv

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.corpora import scan_corpus
from stccl_data.dataset.verify import verify
from stccl_data.errors import ClipError, Reason
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import prepare
from stccl_data.recordings import segment, sound_track
from stccl_data.recordings.segment import Labels, SegmentError, segment_recordings
from stccl_data.recordings.segments import Segment
from stccl_data.recordings.sound_track import RecordingError, read_sound_track


def test_what_happens_in_a_recording_is_found_and_named(session):
    expected = [event.kind for event in session.events]
    assert [str(take.segment.reason or "take") for take in session.report.takes] == expected


def test_takes_have_their_text_and_emotion_by_the_order_of_the_script(session):
    takes = [take for take in session.report.takes if take.segment.reason is None]
    spoken = [event for event in session.events if event.kind == "take"]
    assert [(t.text, t.emotion) for t in takes] == [(e.text, e.emotion) for e in spoken]
    assert session.report.missing == ()


def test_segments_begin_and_end_where_they_are_heard(session):
    for take, event in zip(session.report.takes, session.events, strict=True):
        assert take.segment.start == pytest.approx(event.start, abs=0.1)
        assert take.segment.end == pytest.approx(event.end, abs=0.1)


def test_the_manifest_lists_takes_as_clips_and_the_rest_as_findings(session):
    scan = scan_corpus(session.folder)
    assert len(scan.clips) == 4
    assert {clip.cut.end - clip.cut.start > 1 for clip in scan.clips} == {True}
    reasons = sorted(finding.reason for finding in scan.findings)
    assert reasons == ["incomplete_take", "incomplete_take", "no_speech", "off_script"]


def test_a_recording_becomes_verified_shards(session, tmp_path):
    config = PrepareConfig(workers=1)
    summary = prepare(session.folder, tmp_path / "out", config)
    assert (summary.pairs, verify(tmp_path / "out")) == ({"": 2}, [])


def test_the_emotion_has_to_be_known(session, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("My brother painted the old boat blue.\n")
    (tmp_path / "talk.srt").write_text(
        "1\n00:00:03,000 --> 00:00:05,200\nMy brother painted the old boat blue\n\n"
        "2\n00:00:07,000 --> 00:00:09,000\nsorry\n"
    )
    recording = session.folder / "session.mp4"
    arguments = ([recording], lines, tmp_path / "m.csv")
    with pytest.raises(SegmentError, match="the emotion is not known"):
        segment_recordings(*arguments, annotations=tmp_path / "talk.srt")
    report = segment_recordings(
        *arguments, Labels(speaker="ann", emotion="Wut"), annotations=tmp_path / "talk.srt"
    )
    assert [take.segment.reason for take in report.takes] == [None, Reason.OFF_SCRIPT]
    (clip,) = scan_corpus(tmp_path / "m.csv").clips
    assert (clip.speaker, clip.emotion, clip.start) == ("ann", "angry", 2.75)


def test_an_emotion_beside_those_of_the_script_is_refused(tmp_path):
    script = tmp_path / "lines.csv"
    script.write_text("text,emotion\nDogs sit,neutral\n")
    with pytest.raises(SegmentError, match="leave out --emotion sad"):
        segment_recordings([tmp_path / "a.wav"], script, tmp_path / "m.csv", Labels(emotion="sad"))


def test_a_recording_that_cannot_be_read_does_not_cost_the_others(session, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    recordings = [broken, session.folder / "session.mp4"]
    report = segment_recordings(recordings, session.folder / "script.csv", tmp_path / "m.csv")
    assert list(report.unreadable) == [broken]
    assert report.counts["take"] == session.report.counts["take"]


def test_recordings_of_one_name_need_a_speaker(tmp_path):
    recordings = [tmp_path / "monday" / "talk.mp4", tmp_path / "tuesday" / "talk.mp4"]
    with pytest.raises(SegmentError, match="would be one speaker, 'talk'"):
        segment_recordings(recordings, tmp_path / "lines.txt", tmp_path / "m.csv")


@pytest.mark.parametrize("command", ["segment", "manifest", "label", "prompts"])
def test_no_command_overwrites_a_file_that_somebody_may_have_corrected(command, tmp_path):
    table = tmp_path / "script.csv"
    table.write_text("path,speaker,emotion,sentence\n")
    arguments = {
        "segment": [str(table), "--script", str(table), "-o", str(table)],
        "manifest": [str(tmp_path), "--pattern", "{speaker}.mp4", "-o", str(table)],
        "label": [str(table), "-o", str(table)],
        "prompts": [str(tmp_path)],
    }
    result = CliRunner().invoke(stccl, [command, *arguments[command]])
    assert result.exit_code == 2
    assert f"{table} exists" in result.stderr
    assert table.read_text() == "path,speaker,emotion,sentence\n"


def test_each_speaker_goes_through_the_script(tmp_path, monkeypatch):
    script = tmp_path / "lines.csv"
    script.write_text("text,emotion\nDogs sit,neutral\nDogs sit,sad\n")
    takes = [Segment(1.0, 2.0, 0), Segment(3.0, 4.0, 0)]
    monkeypatch.setattr(segment, "read_sound_track", lambda path, progress: path)
    monkeypatch.setattr(segment, "find_segments", lambda track, words: takes)
    recordings = [tmp_path / "ann.wav", tmp_path / "bob.wav"]
    report = segment_recordings(recordings, script, tmp_path / "m.csv")
    assert [take.emotion for take in report.takes] == ["neutral", "sad", "neutral", "sad"]
    report = segment_recordings(recordings, script, tmp_path / "m.csv", Labels(speaker="ann"))
    assert [take.emotion for take in report.takes] == ["neutral", "", "", "sad"]


@pytest.mark.parametrize(
    ("lines", "emotions", "message"),
    [
        ([0, 1, 2, 0, 1, 2], ["neutral"] * 3 + ["sad"] * 3, "ann.wav 0:00:00 to 0:00:05: neutral"),
        ([0, 0, 1, 1, 2, 2], [""] * 6, "ann: the script seems to be spoken line by line"),
    ],
)
def test_the_order_that_tells_the_emotions_is_printed(
    tmp_path, monkeypatch, lines, emotions, message
):
    said = ["Dogs sit", "Kids talk", "Birds sing"]
    rows = [f"{text},{emotion}\n" for emotion in ("neutral", "sad") for text in said]
    (tmp_path / "lines.csv").write_text("text,emotion\n" + "".join(rows))
    takes = [Segment(2.0 * n, 2.0 * n + 1, line) for n, line in enumerate(lines)]
    monkeypatch.setattr(segment, "read_sound_track", lambda path, progress: path)
    monkeypatch.setattr(segment, "find_segments", lambda track, words: takes)
    files = [str(tmp_path / name) for name in ("ann.wav", "lines.csv", "m.csv")]
    arguments = ["segment", files[0], "--script", files[1], "-o", files[2]]
    result = CliRunner().invoke(stccl, arguments)
    with (tmp_path / "m.csv").open() as table:
        assert [row["emotion"] for row in csv.DictReader(table)] == emotions
    assert message in result.stdout
    assert "No take of" not in result.stdout


def test_marks_that_overlap_are_named(session, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("1.0\t3.0\tone\n2.0\t4.0\ttwo\n")
    recording = [session.folder / "session.mp4"]
    report = segment_recordings(
        recording, None, tmp_path / "m.csv", Labels(emotion="sad"), annotations=labels
    )
    assert [take.segment.reason for take in report.takes] == [None, Reason.OVERLAPPING]


def test_marks_outside_the_recording_are_named(session, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("1.0\t3.0\tone\n1000.0\t1002.0\tone\n")
    request = (None, tmp_path / "m.csv", Labels(emotion="sad"))
    report = segment_recordings([session.folder / "session.mp4"], *request, annotations=labels)
    assert [take.segment.reason for take in report.takes] == [None, Reason.CUT_OUTSIDE]
    with pytest.raises(ClipError, match=r"missing\.mp4 does not exist"):
        segment_recordings([tmp_path / "missing.mp4"], *request, annotations=labels)


def test_music_and_silence_have_no_takes(tmp_path):
    t = np.arange(16_000 * 4) / 16_000
    notes = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) * 0.1 * (t > 1)
    soundfile.write(tmp_path / "music.wav", notes, 16_000)
    script = tmp_path / "lines.txt"
    script.write_text("Dogs are sitting by the door\n")
    report = segment_recordings(
        [tmp_path / "music.wav"], script, tmp_path / "m.csv", Labels(emotion="sad")
    )
    assert report.counts.get("take", 0) == 0
    assert report.missing == ("Dogs are sitting by the door",)


def test_a_file_that_changes_while_it_is_read_is_refused(session, tmp_path, monkeypatch):
    path = tmp_path / "talk.flac"
    soundfile.write(path, np.zeros(32_000), 16_000)
    original = sound_track._loudness

    def grow(*arguments):
        with path.open("ab") as file:
            file.write(b"more")
        return original(*arguments)

    monkeypatch.setattr(sound_track, "_loudness", grow)
    with pytest.raises(RecordingError, match=r"talk\.flac changed while it was read"):
        read_sound_track(path)


def test_blocks_of_a_long_recording_join_without_a_seam(session, monkeypatch):
    whole = read_sound_track(session.folder / "session.mp4")
    monkeypatch.setattr(sound_track, "_BLOCK_S", 5.0)
    monkeypatch.setattr(sound_track, "_PIECE_S", 5.0)
    pieces = read_sound_track(session.folder / "session.mp4")
    assert len(pieces.levels) == len(whole.levels)
    assert np.mean(np.abs(pieces.loudness - whole.loudness) > 1) < 0.01
    assert np.mean(pieces.levels.argmin(axis=1) == whole.levels.argmin(axis=1)) > 0.95
