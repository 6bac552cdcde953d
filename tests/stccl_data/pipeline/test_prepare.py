"""`prepare` end to end on the demo corpus: the dataset and the options that shape it."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webdataset

from stccl_data.dataset import parts
from stccl_data.dataset.verify import verify
from stccl_data.errors import Reason
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, prepare
from tests.testing.progress import RecordedCalls
from tests.testing.runs import QUICK, copy_tree, rows


def test_the_demo_corpus_becomes_a_valid_dataset(prepared, corpus):
    summary = prepared.summary
    assert summary.clips == {"": 12} and summary.pairs == {"": 8} and summary.failed == 0
    assert summary.shards == {"train": 1, "test": 1} and summary.made > 0
    assert summary.frames == sum(clip.n_frames for clip in corpus.clips)
    assert verify(prepared.out, decode=True) == []
    for name in (
        "README.md",
        "stats.json",
        "provenance.json",
        "index.jsonl",
        "shards.json",
        "findings.jsonl",
    ):
        assert (prepared.out / name).stat().st_size > 0 or name == "findings.jsonl"
    provenance = json.loads((prepared.out / "provenance.json").read_text())
    assert provenance["config"]["audio"] is True and "mediapipe" in provenance["landmarks"]


def test_webdataset_reads_the_shards_and_they_agree_with_the_tables(prepared):
    clips = {row["clip_id"]: row for row in rows(prepared.out)}
    pairs = {(row["source"], row["target"]): row for row in rows(prepared.out, "pairs")}
    assert len(clips) == 12 and len(pairs) == 8
    seen_clips, seen_pairs = set(), set()
    for split in ("train", "test"):
        shards = [str(path) for path in sorted((prepared.out / "shards" / split).glob("*.tar"))]
        for sample in webdataset.WebDataset(shards, shardshuffle=False):
            labels = json.loads(sample["json"])
            assert labels["key"] == sample["__key__"]
            with np.load(io.BytesIO(sample["clips.npz"])) as stored:
                arrays = dict(stored)
            with np.load(io.BytesIO(sample["pairs.npz"])) as stored:
                maps = dict(stored)
            for number, clip in enumerate(labels["clips"]):
                row = clips[clip["clip_id"]]
                seen_clips.add(clip["clip_id"])
                assert (row["split"], row["utterance"]) == (split, labels["key"])
                assert (row["name"], row["state"]) == (clip["name"], "paired")
                for label in ("emotion", "n_frames", "fps"):
                    assert row[label] == clip[label]
                assert np.diff(arrays["frame_offsets"])[number] == row["n_frames"]
                assert arrays["face_rate"][number] == pytest.approx(row["face_rate"], abs=1e-6)
                start, stop = arrays["flac_offsets"][number : number + 2]
                sound, rate = soundfile.read(io.BytesIO(sample["flac"][start:stop]))
                assert rate == row["audio_rate"]
                assert abs(len(sound) / rate - row["duration_s"]) < 0.2
            by_name = {clip["name"]: clip for clip in labels["clips"]}
            for number, pair in enumerate(labels["pairs"]):
                source, target = (by_name[pair[side]] for side in ("source", "target"))
                row = pairs[source["clip_id"], target["clip_id"]]
                seen_pairs.add((source["clip_id"], target["clip_id"]))
                assert (row["accepted"], row["reason"] or "") == (pair["accepted"], pair["reason"])
                assert row["cost"] == pytest.approx(maps["cost"][number], abs=1e-5)
                assert source["emotion"] == "neutral"
                start, stop = maps["frame_map_offsets"][number : number + 2]
                frame_map = maps["frame_map"][start:stop]
                assert len(frame_map) == source["n_frames"] and (np.diff(frame_map) >= 0).all()
    assert seen_clips == set(clips) and seen_pairs == set(pairs)


def test_each_speaker_is_in_one_split(prepared):
    split_of = {(row["speaker"], row["split"]) for row in rows(prepared.out)}
    assert len(split_of) == 2


def test_few_shards_give_a_note(prepared):
    assert any("--shard-mb" in note for note in prepared.summary.notes)


def test_reference_any_pairs_every_two_emotions(corpus, tmp_path):
    summary = prepare(corpus.folder, tmp_path, replace(QUICK, reference="any"))
    assert sum(summary.pairs.values()) == 12
    assert {(row["source_emotion"], row["target_emotion"]) for row in rows(tmp_path, "pairs")} == {
        ("neutral", "happy"), ("neutral", "angry"), ("happy", "angry"),
    }  # fmt: skip


def test_clips_are_aligned_by_sound_without_crops(corpus, tmp_path):
    summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"": 8} and verify(tmp_path) == []
    (shard,) = (tmp_path / "shards" / "train").glob("*.tar")
    sample = next(iter(webdataset.WebDataset(str(shard), shardshuffle=False)))
    assert not any(name.endswith("mjpg") for name in sample)


def test_no_landmark_model_is_needed_without_face_tracking(corpus, tmp_path):
    config = replace(QUICK, landmarks="fan", fan_weights=str(tmp_path / "gone.pth"), limit=2)
    prepare(corpus.folder, tmp_path / "out", config)
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["landmarks"] is None


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_an_invalid_landmark_model_ends_the_run(corpus, tmp_path, executor):
    (tmp_path / "wrong.task").write_bytes(b"no model" * 100)
    config = PrepareConfig(
        landmarker_model=str(tmp_path / "wrong.task"), executor=executor, workers=1
    )
    with pytest.raises(PrepareError, match=r"wrong\.task"):
        prepare(corpus.folder, tmp_path / "out", config)


def test_a_limit_takes_the_clips_of_the_first_pairs(corpus, tmp_path):
    """The first files of MEAD are 90 of one emotion: they would make no pair."""
    summary = prepare(corpus.folder, tmp_path, replace(QUICK, limit=5))
    assert summary.clips == {"": 5, Reason.NOT_SELECTED: 7}
    assert summary.pairs == {"": 3, Reason.NOT_SELECTED: 5}
    beyond = [row for row in rows(tmp_path) if row["reason"] == "not_selected"]
    assert all("--limit 5" in row["detail"] for row in beyond)
    progress = RecordedCalls()
    assert prepare(corpus.folder, tmp_path, QUICK, progress).clips == {"": 12}
    assert progress.stages["extract"] == (12, 5)


def test_paired_only_skips_clips_without_a_partner(corpus, tmp_path):
    progress = RecordedCalls()
    config = replace(QUICK, emotions=("neutral", "happy"), paired_only=True)
    raw = copy_tree(corpus.folder, tmp_path / "raw")
    lonely = next(clip for clip in corpus.clips if clip.emotion == "happy")
    (raw / lonely.path).unlink()
    (raw / lonely.audio_path).unlink()
    summary = prepare(raw, tmp_path / "out", config, progress)
    assert progress.stages["extract"] == (6, 0) and summary.clips == {"": 6, Reason.NO_PARTNER: 1}
    progress = RecordedCalls()
    prepare(raw, tmp_path / "out", replace(config, paired_only=False), progress)
    assert progress.stages["extract"] == (7, 6)


def test_a_csv_file_decides_the_splits(corpus, tmp_path):
    (tmp_path / "split.csv").write_text("speaker,split\nM003,val\nW009,test\n")
    summary = prepare(
        corpus.folder, tmp_path / "out", replace(QUICK, split=str(tmp_path / "split.csv"))
    )
    assert summary.shards == {"val": 1, "test": 1}
    assert {(row["speaker"], row["split"]) for row in rows(tmp_path / "out")} == {
        ("M003", "val"),
        ("W009", "test"),
    }


@pytest.mark.parametrize(
    "option",
    [{"jpeg_quality": 0}, {"workers": -1}, {"limit": 0}, {"memory_mb": 300}],
)
def test_a_number_outside_its_range_is_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        PrepareConfig(**option)


def many_takes(folder: Path, corpus, takes: int) -> Path:
    """Write a manifest that lists two recordings, `takes` times each, as takes of one sentence."""
    lines = ["path,speaker,emotion,sentence,take"]
    folder.mkdir()
    for clip in corpus.clips[:3]:
        if clip.emotion in ("neutral", "angry"):
            for take in range(1, takes + 1):
                (folder / f"{clip.emotion}-{take}.mp4").symlink_to(corpus.folder / clip.path)
                lines.append(f"{clip.emotion}-{take}.mp4,a,{clip.emotion},1,{take}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@pytest.mark.parametrize("reference", ["neutral", "any"])
def test_an_utterance_of_many_takes_is_split_into_parts_with_each_pair_once(
    corpus, tmp_path, monkeypatch, reference
):
    manifest = many_takes(tmp_path / "raw", corpus, 6)
    monkeypatch.setattr(parts, "MAX_CLIPS", 8)
    summary = prepare(manifest, tmp_path / "out", replace(QUICK, reference=reference))
    assert sum(summary.pairs.values()) == 36
    (shard,) = (tmp_path / "out" / "shards" / "train").glob("*.tar")
    samples = [
        json.loads(sample["json"])
        for sample in webdataset.WebDataset(str(shard), shardshuffle=False)
    ]
    assert len(samples) > 1 and all(len(sample["clips"]) <= 8 for sample in samples)
    stored = [(pair["source"], pair["target"]) for sample in samples for pair in sample["pairs"]]
    assert len(stored) == len(set(stored)) == 36
    assert [(sample["part"], sample["parts"]) for sample in samples] == [
        (i + 1, len(samples)) for i in range(len(samples))
    ]
    assert verify(tmp_path / "out") == []
