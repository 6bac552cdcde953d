"""A corpus of bad files: each gets one reason that names it, and the others are used."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from stccl_data.corpora import ScanError
from stccl_data.dataset.verify import verify
from stccl_data.errors import Reason
from stccl_data.media.audio import read_audio
from stccl_data.media.video import read_frames
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, Summary, prepare
from tests.testing import media

#: bad clip -> its reason
EXPECTED = {
    "cut.mp4": "decode_error",
    "zero-filled.mp4": "decode_error",
    "sound.wav": "no_video",
    "cover.mp3": "no_video",
    "text.mp4": "not_media",
    "playlist.mp4": "not_media",
    "wall.mp4": "no_face",
    "one frame.mp4": "too_short",
    "damaged.mp4": "decode_error",
}
#: clips that look bad and are not
GOOD = (
    "silent.mp4",
    "two faces.mp4",
    "at the border.mp4",
    "Grüße aus 東京.mp4",
    "-i 100%d #1.mp4",
    "film.wav",
)


@dataclass
class BadRun:
    """A run over the bad corpus."""

    raw: Path
    out: Path
    summary: Summary
    clips: dict[str, dict]
    pairs: list[dict]
    findings: list[dict]


@pytest.fixture(scope="module")
def bad(corpus, tmp_path_factory) -> BadRun:
    raw = tmp_path_factory.mktemp("bad") / "raw files"
    raw.mkdir()
    for emotion in ("neutral", "happy"):  # the first 1.6 s of each
        source = corpus.folder / next(clip.path for clip in corpus.clips if clip.emotion == emotion)
        frames = [frame.image for frame in read_frames(source)][:16]
        sound = read_audio(source, rate=None)
        speech = {"sound": sound.samples[: round(1.6 * sound.rate)], "rate": sound.rate}
        media.record(raw / f"{emotion}.mp4", frames, fps=10, **speech)
    happy = raw / "happy.mp4"

    whole = happy.read_bytes()
    (raw / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (raw / "zero bytes.mp4").touch()
    (raw / "zero-filled.mp4").write_bytes(bytes(50_000))
    media.record(raw / "sound.wav", audio_codec="pcm_s16le", **speech)
    cv2.imwrite(str(raw / "cover.jpg"), np.zeros((64, 64, 3), np.uint8))
    options = {"c:v": "copy", "disposition:v": "attached_pic"}
    inputs = media.source(raw / "sound.wav"), media.source(raw / "cover.jpg")
    media.transcode(raw / "cover.mp3", *inputs, **options)
    (raw / "text.mp4").write_text("this is a text\n" * 50)
    (raw / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1.0,\nneutral.mp4\n#EXT-X-ENDLIST\n")
    (raw / "x.mp4").mkdir()
    media.record(raw / "wall.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 5, **speech)
    media.record(raw / "one frame.mp4", frames[:1], **speech)
    damaged = bytearray(whole)
    damaged[len(whole) // 4 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 4)
    (raw / "damaged.mp4").write_bytes(damaged)

    media.record(raw / "silent.mp4", frames, fps=10)
    both = [
        np.concatenate(
            [frame, np.full((192, 30, 3), 90, np.uint8), cv2.resize(frame, (96, 192))], axis=1
        )
        for frame in frames
    ]
    media.record(raw / "two faces.mp4", both, fps=10, **speech)
    media.record(raw / "at the border.mp4", [frame[:, :140] for frame in frames], fps=10, **speech)
    shutil.copy(happy, raw / "Grüße aus 東京.mp4")
    shutil.copy(happy, raw / "-i 100%d #1.mp4")
    shutil.copy(happy, raw / "film.wav")

    lines = ["path,speaker,emotion,sentence", "neutral.mp4,a,neutral,1", "happy.mp4,a,happy,1"]
    lines += [f"{name},a,happy,1" for name in (*EXPECTED, *GOOD)]
    lines += ["gone.mp4,a,happy,1", "twice.mp4,a,sad,2", "twice.mp4,a,sad,2", "x.mp4,a,sad,3"]
    lines += ["extra.mp4,a,,1", "zero bytes.mp4,a,happy,1"]  # no emotion, no content
    (raw / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("extra.mp4", "twice.mp4"):
        (raw / name).write_bytes(b"x")

    out = tmp_path_factory.mktemp("bad") / "out"
    config = PrepareConfig(executor="local", workers=2, split="train=1", timeout=120)
    summary = prepare(raw, out, config)
    clips = {
        Path(row["path"]).name: row for row in pq.read_table(out / "clips.parquet").to_pylist()
    }
    return BadRun(
        raw,
        out,
        summary,
        clips,
        pq.read_table(out / "pairs.parquet").to_pylist(),
        [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()],
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_clip_has_its_reason_and_a_detail_that_names_it(bad, name):
    row = bad.clips[name]
    assert (row["state"], row["reason"]) == ("failed", EXPECTED[name])
    assert str(bad.raw / name) in row["detail"] and "\n" not in row["detail"]
    (pair,) = (pair for pair in bad.pairs if pair["target"] == row["clip_id"])
    assert (pair["accepted"], pair["reason"]) == (False, "partner_failed")
    assert str(bad.raw / name) in pair["detail"]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_advice(reason):
    assert len(reason.advice) > 20


@pytest.mark.parametrize("name", GOOD)
def test_a_clip_that_only_looks_bad_is_used(bad, name):
    row = bad.clips[name]
    assert row["state"] != "failed", row
    assert row["reason"] is None or name == "silent.mp4", row
    assert row["face_rate"] == 1.0


def test_a_silent_clip_among_speaking_ones_is_aligned_by_the_mouth(bad):
    (pair,) = (pair for pair in bad.pairs if pair["target"] == bad.clips["silent.mp4"]["clip_id"])
    assert pair["mode"] == "visual"


def test_two_faces_are_counted(bad):
    assert bad.clips["two faces.mp4"]["several_faces"] > 0.5


@pytest.mark.parametrize(
    ("row", "words"),
    [(0, "gone.mp4"), (2, "twice.mp4"), (3, "x.mp4"), (4, "emotion"), (5, "zero bytes.mp4")],
)
def test_manifest_rows_that_are_not_clips_are_findings_with_their_number(bad, row, words):
    number = 2 + 2 + len(EXPECTED) + len(GOOD) + row
    (finding,) = (
        finding
        for finding in bad.findings
        if f"row {number}" in finding["detail"].partition(",")[2].partition(":")[0]
    )
    assert words in finding["detail"] and "manifest.csv" in finding["detail"]


def test_the_other_clips_make_a_valid_dataset(bad):
    assert bad.summary.failed == sum(row["state"] == "failed" for row in bad.clips.values())
    assert bad.clips["happy.mp4"]["state"] == bad.clips["neutral.mp4"]["state"] == "paired"
    assert verify(bad.out, decode=True) == []
    assert sum(bad.summary.clips.values()) == len(bad.clips)


def test_every_clip_and_pair_is_in_one_state(bad):
    assert len(bad.clips) == 3 + len(EXPECTED) + len(GOOD), "and neutral, happy, twice"
    for row in bad.clips.values():
        assert (row["reason"] is None) == (row["state"] == "paired")
    assert len(bad.pairs) == 1 + len(EXPECTED) + len(GOOD)
    assert all((pair["reason"] is None) == pair["accepted"] for pair in bad.pairs)


def test_nothing_is_written_into_raw(bad):
    newest = max(path.stat().st_mtime_ns for path in (bad.raw, *bad.raw.iterdir()))
    assert newest < min(path.stat().st_mtime_ns for path in (bad.out / "logs").iterdir())


def test_a_rerun_retries_nothing(bad):
    again = prepare(
        bad.raw, bad.out, PrepareConfig(executor="inline", split="train=1", timeout=120)
    )
    assert again.made == 0 and again.clips == bad.summary.clips


def test_an_unreadable_clip_is_recorded_and_can_be_retried(nobodys, studio):
    lines = ["path,speaker,emotion,sentence"]
    for emotion in ("neutral", "sad", "happy"):
        voice = studio.tone(1.0) * np.abs(np.sin(np.arange(16_000) / 900)).astype(np.float32)
        media.record(nobodys / "raw" / f"{emotion}.wav", sound=voice, audio_codec="pcm_s16le")
        lines.append(f"{emotion}.wav,a,{emotion},1")
    (nobodys / "raw" / "manifest.csv").write_text("\n".join(lines) + "\n")
    unreadable = nobodys / "raw" / "sad.wav"
    unreadable.chmod(0)
    config = PrepareConfig(crops="none", align="audio", executor="inline")
    assert prepare(nobodys / "raw", nobodys / "out", config).clips["not_permitted"] == 1
    (row,) = (
        row
        for row in pq.read_table(nobodys / "out" / "clips.parquet").to_pylist()
        if row["state"] == "failed"
    )
    assert str(unreadable) in row["detail"]
    unreadable.chmod(0o644)
    retry = replace(config, retry_failed=("not_permitted",))
    assert prepare(nobodys / "raw", nobodys / "out", retry).failed == 0


def test_a_manifest_without_a_required_column_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,speaker,sentence\na.mp4,a,1\n")
    with pytest.raises(ScanError, match=r"manifest\.csv.*emotion"):
        prepare(tmp_path / "manifest.csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_row_with_a_missing_cell_is_a_finding_with_its_number(tmp_path, corpus):
    clips = [corpus.folder / clip.path for clip in corpus.clips]
    lines = ["path,speaker,emotion,sentence"]
    for i in range(20):
        name = f"clip-{i}.mp4"
        (tmp_path / name).symlink_to(clips[i % len(clips)])
        lines.append(
            f"{name},a,{'neutral' if i % 2 else 'sad'},{i // 2}" if i != 15 else f"{name},a"
        )
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    summary = prepare(
        tmp_path / "manifest.csv",
        tmp_path / "out",
        PrepareConfig(crops="none", align="audio", executor="inline"),
    )
    assert summary.findings == {"bad_row": 1} and sum(summary.clips.values()) == 19
    finding = (tmp_path / "out" / "findings.jsonl").read_text()
    assert "row 17" in finding and "emotion" in finding and "manifest.csv" in finding


def test_a_corpus_of_only_bad_clips_gives_a_dataset_of_reasons(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.mp4,a,sad,1\nb.mp4,a,neutral,1\n"
    )
    out = tmp_path / "out"
    summary = prepare(tmp_path / "manifest.csv", out, PrepareConfig(executor="inline"))
    assert summary.failed == 2 and summary.shards == {} and summary.pairs == {"partner_failed": 1}
    assert verify(out) == []


def test_hostile_labels_are_kept_and_give_safe_shard_keys(tmp_path, corpus):
    labels = ("../../etc", "a.b c", "ä/ö")
    paths = [corpus.folder / clip.path for clip in corpus.clips[:2]]
    lines = ["path,speaker,emotion,sentence"]
    for i, label in enumerate(labels):
        for path, emotion in zip(paths, ("neutral", "happy"), strict=True):
            (tmp_path / f"{emotion}-{i}.mp4").symlink_to(path)
            lines.append(f"{emotion}-{i}.mp4,{label},{emotion},{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    config = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
    assert prepare(tmp_path / "manifest.csv", out, config).pairs == {"": 3}
    rows = pq.read_table(out / "clips.parquet").to_pylist()
    assert {row["speaker"] for row in rows} == set(labels)
    assert all(
        row["utterance"].isascii() and "." not in row["utterance"] and " " not in row["utterance"]
        for row in rows
    )
    assert verify(out) == []
    assert not list(tmp_path.glob("**/etc*")), "no path leaves OUT"


def test_a_missing_raw_is_refused(tmp_path):
    with pytest.raises((ScanError, PrepareError), match=str(tmp_path / "gone")):
        prepare(tmp_path / "gone", tmp_path / "out")
