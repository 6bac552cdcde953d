"""`prepare` end to end on the rendered corpus: what it makes, what it does again, and what it survives."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import webdataset

from stccl_data.dataset import shard_writer as write
from stccl_data.dataset.verify import verify
from stccl_data.errors import Reason
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline import tasks as stages
from stccl_data.pipeline.artefacts import DamagedArtefactError
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.state import Store, StoreBusyError

#: Sound alone: a run of a second.
QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")


class Watch:
    """Who watches a run: `stages` maps a stage to (units in all, there already); what failed; what was said."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[int, int]] = {}
        self.reasons: list[Reason] = []
        self.notes: list[str] = []

    def stage(self, name: str, total: int, already: int = 0) -> None:
        self.stages[name] = total, already

    def step(self, reason: Reason | None = None, values: Any = None) -> None:
        self.reasons += [reason] if reason is not None else []

    def note(self, text: str) -> None:
        assert "\n" not in text
        self.notes.append(text)


def tree(folder: Path, *without: str) -> dict[str, tuple[str, int]]:
    """Path below `folder` -> (SHA-256, time of change in ns) of every file."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }


def sums(out: Path) -> dict[str, str]:
    """shard -> SHA-256."""
    return {path: digest for path, (digest, _) in tree(out / "shards").items()}


def rows(out: Path, table: str = "clips") -> list[dict]:
    return pq.read_table(out / f"{table}.parquet").to_pylist()


def shutil_copy(source: Path, target: Path) -> Path:
    """A copy of a tree, times kept: for `prepare` the same files."""
    return Path(shutil.copytree(source, target))


# --- what it makes -----------------------------------------------------------------------------------------------------------


def test_the_demo_corpus_becomes_a_dataset_that_verifies(prepared, corpus):
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


def test_webdataset_reads_the_shards_and_they_say_what_the_tables_say(prepared):
    clips = {row["clip_id"]: row for row in rows(prepared.out)}
    pairs = {(row["source"], row["target"]): row for row in rows(prepared.out, "pairs")}
    assert len(clips) == 12 and len(pairs) == 8
    seen_clips, seen_pairs = set(), set()
    for split in ("train", "test"):
        shards = [str(path) for path in sorted((prepared.out / "shards" / split).glob("*.tar"))]
        for sample in webdataset.WebDataset(shards, shardshuffle=False):
            labels = json.loads(sample["json"])
            assert labels["key"] == sample["__key__"]
            for name, said in labels["clips"].items():
                row = clips[said["clip_id"]]
                seen_clips.add(said["clip_id"])
                assert (row["split"], row["utterance"], row["name"], row["state"]) == (
                    split,
                    labels["key"],
                    name,
                    "paired",
                )
                assert (row["emotion"], row["n_frames"], row["fps"]) == (
                    said["emotion"],
                    said["n_frames"],
                    said["fps"],
                )
                with np.load(io.BytesIO(sample[f"{name}.npz"])) as tables:
                    assert (
                        len(tables["times"]) == row["n_frames"] == len(tables["face_offsets"]) - 1
                    )
                sound, rate = soundfile.read(io.BytesIO(sample[f"{name}.flac"]))
                assert (
                    rate == row["audio_rate"] and abs(len(sound) / rate - row["duration_s"]) < 0.2
                )
            for said in labels["pairs"]:
                ids = (
                    labels["clips"][said["source"]]["clip_id"],
                    labels["clips"][said["target"]]["clip_id"],
                )
                seen_pairs.add(ids)
                assert (
                    pairs[ids]["accepted"] == said["accepted"]
                    and pairs[ids]["reason"] == said["reason"]
                )
                assert pairs[ids]["cost"] == pytest.approx(said["cost"], abs=1e-5)
                assert labels["clips"][said["source"]]["emotion"] == "neutral"
                with np.load(io.BytesIO(sample["pairs.npz"])) as maps:
                    frame_map = maps[f"{said['source']}+{said['target']}.frame_map"]
                assert (
                    len(frame_map) == labels["clips"][said["source"]]["n_frames"]
                    and (np.diff(frame_map) >= 0).all()
                )
    assert seen_clips == set(clips) and seen_pairs == set(pairs)


def test_a_speaker_is_in_one_split(prepared):
    split_of = {(row["speaker"], row["split"]) for row in rows(prepared.out)}
    assert len(split_of) == 2


# --- what it does again ------------------------------------------------------------------------------------------------------


def test_running_twice_does_nothing_the_second_time_and_says_so(prepared, prepared_copy, corpus):
    before = tree(prepared_copy, "work", "logs")
    artefacts = tree(prepared_copy / "work" / "clips")
    watch = Watch()
    summary = prepare(corpus.folder, prepared_copy, prepared.config, watch)
    assert summary.made == 0
    assert all(total == already for total, already in watch.stages.values()), watch.stages
    assert tree(prepared_copy, "work", "logs") == before, "no file was written again"
    assert tree(prepared_copy / "work" / "clips") == artefacts
    assert replace(summary, made=0, seconds=0, out=prepared.out) == replace(
        prepared.summary, made=0, seconds=0
    )


def test_a_fresh_run_with_one_worker_gives_the_same_bytes(prepared, corpus, tmp_path):
    """And with one speaker alone: what is made of an utterance does not depend on the others."""
    (there,) = (
        row["split"]
        for row in rows(prepared.out)
        if row["clip_id"].endswith("neutral-1/s005-t001") and "M003" in row["speaker"]
    )
    config = replace(
        prepared.config, speakers=("M003",), split=f"{there}=1", executor="inline", workers=1
    )
    prepare(corpus.folder, tmp_path / "out", config)
    name = f"{there}/stccl-{there}-000000.tar"
    assert sums(tmp_path / "out") == {name: sums(prepared.out)[name]}


def test_moving_a_gate_reads_no_clip_and_aligns_no_pair(prepared, prepared_copy, corpus):
    watch = Watch()
    config = replace(prepared.config, gates=GateConfig(max_duration_ratio=1.001))
    summary = prepare(corpus.folder, prepared_copy, config, watch)
    assert watch.stages["extract"] == (12, 12) and watch.stages["align"] == (4, 4)
    assert summary.pairs[Reason.DURATION_RATIO] > 0 and summary.made == 1
    refused = [row for row in rows(prepared_copy, "pairs") if not row["accepted"]]
    assert {row["reason"] for row in refused} == {"duration_ratio"} and all(
        "times as long" in row["detail"] for row in refused
    )
    assert verify(prepared_copy) == []
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert sums(prepared_copy) == sums(prepared.out), "moved back, the shards are the old ones"


def test_aligning_by_other_means_reads_no_clip(prepared, prepared_copy, corpus):
    watch = Watch()
    summary = prepare(corpus.folder, prepared_copy, replace(prepared.config, align="visual"), watch)
    assert watch.stages["extract"] == (12, 12) and watch.stages["align"] == (4, 0)
    assert {row["mode"] for row in rows(prepared_copy, "pairs")} == {"visual"}
    assert sum(summary.pairs.values()) == 8


def test_other_crops_are_cut_again(prepared, prepared_copy, corpus):
    watch = Watch()
    config = replace(prepared.config, limit=2, executor="inline")
    shutil.rmtree(
        prepared_copy / "shards"
    )  # two clips make no pair, and shards are not replaced by none
    prepare(corpus.folder, prepared_copy, config, watch)
    assert watch.stages["extract"] == (2, 2)
    prepare(corpus.folder, prepared_copy, replace(config, jpeg_quality=60), watch)
    assert watch.stages["extract"] == (2, 0)
    assert len(tree(prepared_copy / "work" / "clips")) == 14, (
        "and the others stay for the day they are wanted again"
    )


def test_a_touched_file_is_read_again_and_no_other(prepared, prepared_copy, corpus, tmp_path):
    raw = shutil_copy(corpus.folder, tmp_path / "raw")
    watch = Watch()
    prepare(raw, prepared_copy, prepared.config, watch)
    assert watch.stages["extract"] == (12, 12), "a corpus that was moved is the same corpus"
    touched = raw / corpus.clips[3].path
    os.utime(touched)
    prepare(raw, prepared_copy, replace(prepared.config, executor="inline"), watch)
    assert watch.stages["extract"] == (12, 11) and watch.stages["align"][1] == 3
    assert sums(prepared_copy) == sums(prepared.out), "its content is the same"


def test_shards_that_were_lost_are_written_again(prepared, prepared_copy, corpus):
    victim = next((prepared_copy / "shards").rglob("*.tar"))
    victim.write_bytes(victim.read_bytes()[:-512])
    (prepared_copy / "shards" / "train" / ".stccl-train-000009.tar.abcdefgh.tmp").write_bytes(
        b"left by a killed run"
    )
    (prepared_copy / "shards" / "train" / "stccl-train-000009.tar").write_bytes(b"of another run")
    watch = Watch()
    assert prepare(corpus.folder, prepared_copy, prepared.config, watch).made == 1
    assert sums(prepared_copy) == sums(prepared.out) and verify(prepared_copy) == []


def test_an_artefact_that_was_not_written_down_is_not_made_again(prepared, prepared_copy, corpus):
    """Killed between the artefact and its record."""
    with Store(prepared_copy).state() as state:
        state.execute("DELETE FROM clips")
    watch = Watch()
    assert prepare(corpus.folder, prepared_copy, prepared.config, watch).made == 0


# --- options -----------------------------------------------------------------------------------------------------------------


def test_any_two_emotions_make_a_pair_where_asked_for(corpus, tmp_path):
    summary = prepare(corpus.folder, tmp_path, replace(QUICK, reference="any"))
    assert sum(summary.pairs.values()) == 12
    assert {(row["source_emotion"], row["target_emotion"]) for row in rows(tmp_path, "pairs")} == {
        ("neutral", "happy"), ("neutral", "angry"), ("happy", "angry"),
    }  # fmt: skip


def test_sound_alone_is_aligned_without_crops(corpus, tmp_path):
    summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"": 8} and verify(tmp_path) == []
    (shard,) = (tmp_path / "shards" / "train").glob("*.tar")
    sample = next(iter(webdataset.WebDataset(str(shard), shardshuffle=False)))
    assert not any(name.endswith("mjpg") for name in sample)


def test_a_landmark_model_is_not_asked_for_where_no_face_is_followed(corpus, tmp_path):
    config = replace(QUICK, landmarks="fan", fan_weights=str(tmp_path / "gone.pth"), limit=2)
    prepare(corpus.folder, tmp_path / "out", config)
    assert json.loads((tmp_path / "out" / "provenance.json").read_text())["landmarks"] is None


def test_a_limit_takes_the_first_pairs_and_leaves_the_others_for_later(corpus, tmp_path):
    """The first files of MEAD are 90 of one emotion: they would make no pair."""
    summary = prepare(corpus.folder, tmp_path, replace(QUICK, limit=5))
    assert summary.clips == {"": 5, Reason.NOT_SELECTED: 7}
    assert summary.pairs == {"": 3, Reason.NOT_SELECTED: 5}
    beyond = [row for row in rows(tmp_path) if row["reason"] == "not_selected"]
    assert all("--limit 5" in row["detail"] for row in beyond)
    watch = Watch()
    assert prepare(corpus.folder, tmp_path, QUICK, watch).clips == {"": 12}
    assert watch.stages["extract"] == (12, 5)


def test_clips_without_a_partner_are_not_read_where_asked_for(corpus, tmp_path):
    watch = Watch()
    config = replace(QUICK, emotions=("neutral", "happy"), paired_only=True)
    raw = shutil_copy(corpus.folder, tmp_path / "raw")
    lonely = next(clip for clip in corpus.clips if clip.emotion == "happy")
    (raw / lonely.path).unlink()
    (raw / lonely.audio_path).unlink()
    summary = prepare(raw, tmp_path / "out", config, watch)
    assert watch.stages["extract"] == (6, 0) and summary.clips == {"": 6, Reason.NO_PARTNER: 1}
    watch = Watch()
    prepare(raw, tmp_path / "out", replace(config, paired_only=False), watch)
    assert watch.stages["extract"] == (7, 6)


def test_a_table_decides_who_trains(corpus, tmp_path):
    (tmp_path / "split.csv").write_text("speaker,split\nM003,val\nW009,test\n")
    summary = prepare(
        corpus.folder, tmp_path / "out", replace(QUICK, split=str(tmp_path / "split.csv"))
    )
    assert summary.shards == {"val": 1, "test": 1}
    assert {(row["speaker"], row["split"]) for row in rows(tmp_path / "out")} == {
        ("M003", "val"),
        ("W009", "test"),
    }


def test_few_shards_are_warned_of(prepared):
    assert any("--shard-mb" in note for note in prepared.summary.notes)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"jpeg_quality": 0}, "jpeg_quality must be 1 to 100"),
        ({"workers": -1}, "workers must be 0 or more"),
        ({"limit": 0}, "limit"),
    ],
)
def test_a_number_outside_its_range_is_refused(option, words):
    with pytest.raises(ValueError, match=words):
        PrepareConfig(**option)


# --- clips that fail ---------------------------------------------------------------------------------------------------------


def test_a_clip_that_fails_is_recorded_and_tried_again_only_when_told(corpus, tmp_path):
    raw = shutil_copy(corpus.folder, tmp_path / "raw")
    victim = raw / next(clip.path for clip in corpus.clips if clip.emotion == "angry")
    whole, status = victim.read_bytes(), victim.stat()
    victim.write_bytes(bytes(len(whole)))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    summary = prepare(raw, tmp_path / "out", QUICK)
    assert summary.failed == 1 and summary.clips == {"": 11, Reason.DECODE_ERROR: 1}
    assert summary.pairs == {"": 7, Reason.PARTNER_FAILED: 1}
    (row,) = (row for row in rows(tmp_path / "out") if row["state"] == "failed")
    assert str(victim) in row["detail"] and row["reason"] == "decode_error"
    (pair,) = (row for row in rows(tmp_path / "out", "pairs") if not row["accepted"])
    assert pair["reason"] == "partner_failed" and str(victim) in pair["detail"]
    assert any(str(victim) in log.read_text() for log in (tmp_path / "out" / "logs").glob("*.log"))

    victim.write_bytes(
        whole
    )  # mended, its time of change as before: prepare cannot see that it is another file
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepare(raw, tmp_path / "out", QUICK).failed == 1
    watch = Watch()
    summary = prepare(raw, tmp_path / "out", replace(QUICK, retry_failed=("all",)), watch)
    assert watch.stages["extract"] == (12, 11) and summary.failed == 0 and summary.pairs == {"": 8}
    assert prepare(raw, tmp_path / "out", QUICK).made == 0


def many_takes(folder: Path, corpus, takes: int) -> Path:
    """A manifest that lists two recordings, under `takes` names each, as takes of one sentence."""
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
def test_an_utterance_of_many_takes_comes_in_parts_and_every_pair_once(
    corpus, tmp_path, monkeypatch, reference
):
    manifest = many_takes(tmp_path / "raw", corpus, 6)
    monkeypatch.setattr(write, "MAX_CLIPS", 8)
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


# --- where it writes ---------------------------------------------------------------------------------------------------------


def test_raw_is_not_touched(prepared, corpus):
    """The session's corpus, after all runs of this session so far, is what the renderer wrote."""
    newest = max(path.stat().st_mtime_ns for path in corpus.folder.rglob("*"))
    assert newest < min(
        path.stat().st_mtime_ns for path in (prepared.out / "work" / "clips").rglob("*.npz")
    )
    record = json.loads((corpus.folder / "truth" / "demo.json").read_text())
    there = {
        str(path.relative_to(corpus.folder)) for path in corpus.folder.rglob("*") if path.is_file()
    }
    assert there == {*record["files"], "truth/demo.json"}


def test_a_corpus_that_may_only_be_read_is_enough(corpus, nobodys):
    if os.getuid() == 0:
        os.seteuid(0)
    raw = shutil_copy(corpus.folder, nobodys / "raw")
    for path in (raw, *raw.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.getuid() == 0:
        os.seteuid(65534)
    before = tree(raw)
    assert prepare(raw, nobodys / "out", QUICK).pairs == {"": 8}
    assert tree(raw) == before


def test_a_place_that_may_not_be_written_to_is_refused(nobodys):
    (nobodys / "raw").mkdir()
    (nobodys / "raw" / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.wav,a,sad,1\nb.wav,a,neutral,1\n"
    )
    for name in ("a.wav", "b.wav"):
        (nobodys / "raw" / name).touch()
    (nobodys / "shut").mkdir(0o500)
    with pytest.raises(PrepareError, match=r"shut/out cannot be written: .*Permission denied"):
        prepare(nobodys / "raw", nobodys / "shut" / "out", QUICK)


def test_out_must_not_lie_in_raw(corpus, tmp_path):
    raw = shutil_copy(corpus.folder, tmp_path / "raw")
    before = tree(raw)
    (tmp_path / "link").symlink_to(raw)
    for out in (
        raw,
        raw / "out",
        tmp_path / "link" / "out",
        tmp_path / "raw" / "M003" / ".." / "out",
    ):
        with pytest.raises(PrepareError, match="never written to: give another folder"):
            prepare(raw, out, QUICK)
    assert tree(raw) == before


def test_out_must_not_be_a_file(corpus, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(PrepareError, match="out is a file"):
        prepare(corpus.folder, tmp_path / "out", QUICK)


def test_a_second_run_on_the_same_out_is_refused(corpus, tmp_path):
    with (
        Store(tmp_path).locked(),
        pytest.raises(StoreBusyError, match=f"is being prepared by process {os.getpid()}"),
    ):
        prepare(corpus.folder, tmp_path, QUICK)


def test_a_folder_without_clips_is_no_corpus(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(PrepareError, match="no clip was found in"):
        prepare(tmp_path / "raw", tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists(), "nothing is written before there is something to do"


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_a_model_that_cannot_be_opened_ends_the_run_with_its_sentence(corpus, tmp_path, executor):
    (tmp_path / "wrong.task").write_bytes(b"no model" * 100)
    config = PrepareConfig(
        landmarker_model=str(tmp_path / "wrong.task"), executor=executor, workers=1
    )
    with pytest.raises(PrepareError, match=r"wrong\.task is no face landmarker"):
        prepare(corpus.folder, tmp_path / "out", config)


# --- what it survives --------------------------------------------------------------------------------------------------------


def stccl(*arguments: object) -> "subprocess.Popen[str]":
    """The command as a person starts it, in a process group of its own, as a terminal gives it."""
    command = [
        sys.executable,
        "-c",
        "from stccl_cli.main import main; main()",
        *map(str, arguments),
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, process_group=0, preexec_fn=hear_ctrl_c)


def hear_ctrl_c() -> None:
    """A suite that runs in the background of a shell ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until_extracted(out: Path, count: int, process: "subprocess.Popen[str]") -> None:
    while len(list((out / "work").glob("clips/*/*.npz"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_run_that_was_killed_and_interrupted_ends_with_the_shards_of_an_undisturbed_one(
    prepared, corpus, tmp_path
):
    out = tmp_path / "out"
    command = (
        "prepare",
        corpus.folder,
        out,
        "--audio",
        "--workers",
        2,
        "--split",
        prepared.config.split,
    )
    process = stccl(*command)
    until_extracted(out, 2, process)
    process.kill()
    process.communicate()

    process = stccl(*command)
    until_extracted(out, 5, process)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches every process of the terminal
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 130, complaint
    assert (
        complaint.strip().splitlines()[-1]
        == f"Interrupted. What is done is kept in {out}: the same command goes on from there."
    )
    assert "Traceback" not in complaint and said == ""
    kept = tree(out / "work" / "clips")
    assert 5 <= len([name for name in kept if name.endswith(".npz")]) < 12

    process = stccl(*command, "--json")
    said, complaint = process.communicate(timeout=600)
    assert process.returncode == 0, complaint
    assert json.loads(said)["pairs"] == {"": 8}
    assert sums(out) == sums(prepared.out)
    after = tree(out / "work" / "clips")
    assert all(after[name] == found for name, found in kept.items() if name.endswith(".npz")), (
        "nothing is done twice"
    )
    assert not list(out.rglob("*.tmp")), "and nothing is left lying about"


SMALL_FILES = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from stccl_cli.main import main
main()
"""


@pytest.mark.parametrize("limit", [2_000, 100_000])
def test_files_that_may_not_grow_stop_the_run_with_a_sentence_and_it_goes_on_afterwards(
    corpus, tmp_path, limit
):
    """`ulimit -f`: the nearest thing to a full disk that every user can have."""
    options = [
        "--crops",
        "none",
        "--align",
        "audio",
        "--audio",
        "--executor",
        "inline",
        "--split",
        "train=1",
    ]
    command = ["prepare", str(corpus.folder), str(tmp_path / "out"), *options]
    done = subprocess.run(
        [sys.executable, "-c", SMALL_FILES, str(limit), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    last = done.stderr.strip().splitlines()[-1]
    assert (
        last.startswith("Error: ")
        and "free some space and run again" in last
        and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "out" / "shards.json").exists()
    process = stccl(*command)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0 and "8 of 8 accepted" in said, complaint
    assert verify(tmp_path / "out") == []


FULL_DISK = """
mount -t tmpfs -o size=$1 none "$2" || exit 77
shift; out="$1"; shift
"$@" 2>"$out.first"; echo "first $?"
mount -o remount,size=100m "$out"
"$@" 2>"$out.second"; echo "second $?"
cp -r "$out/shards" "$out.shards"
"""


def test_a_disk_that_fills_up_stops_the_run_with_a_sentence_and_it_goes_on_afterwards(
    corpus, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    options = [
        "--crops",
        "none",
        "--align",
        "audio",
        "--audio",
        "--workers",
        "1",
        "--split",
        "train=1",
    ]
    command = [
        sys.executable,
        "-c",
        "from stccl_cli.main import main; main()",
        "prepare",
        str(corpus.folder),
        str(out),
        *options,
    ]
    try:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", "600k", str(out), *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare")
    if done.returncode in (1, 77) and "first" not in done.stdout:
        pytest.skip("no disk of one's own may be mounted here")
    first = (tmp_path / "out.first").read_text()
    assert "first 1" in done.stdout, first
    assert (
        first.strip().splitlines()[-1].startswith("Error: ")
        and "free some space and run again" in first
    )
    assert "No space left on device" in first or "disk is full" in first
    assert "Traceback" not in first
    assert "second 0" in done.stdout, (tmp_path / "out.second").read_text()
    prepare(corpus.folder, tmp_path / "undisturbed", replace(QUICK, audio=True))
    assert tree(tmp_path / "out.shards").keys() == tree(tmp_path / "undisturbed" / "shards").keys()
    assert {digest for digest, _ in tree(tmp_path / "out.shards").values()} == set(
        sums(tmp_path / "undisturbed").values()
    )


# --- work on pairs that fails ------------------------------------------------------------------------------------------------


def fails(*_arguments, **_options):
    raise MemoryError("no more")


def test_pairs_whose_content_could_not_be_checked_are_refused_said_and_tried_again(
    corpus, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr("stccl_data.pipeline.tasks.check_content", fails)
        summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"content_unchecked": 8} and summary.failed == 2, "two speakers"
    assert all(
        row["content_score"] is None and "too much memory" in row["detail"]
        for row in rows(tmp_path, "pairs")
    )
    assert any("could not be checked, and they are refused" in note for note in summary.notes)
    assert not any("Traceback" in note for note in summary.notes)
    again = prepare(corpus.folder, tmp_path, QUICK)
    assert again.pairs == {"": 8} and again.failed == 0
    assert verify(tmp_path) == []


def test_pairs_that_could_not_be_aligned_are_said_and_tried_again(corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("stccl_data.pipeline.tasks.align", fails)
        summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"out_of_memory": 8} and summary.failed == 4, "utterances"
    assert any("could not be aligned" in note for note in summary.notes)
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}


def damage(victim: Path, method: int) -> None:
    """As a disk does it that gives back other bytes than it took, and as many."""
    data = bytearray(victim.read_bytes())
    data[8:10] = method.to_bytes(
        2, "little"
    )  # the first member's method of compression, in front of it,
    directory = data.rindex(b"PK\x05\x06")
    first = int.from_bytes(data[directory + 16 : directory + 20], "little")
    data[first + 10 : first + 12] = method.to_bytes(2, "little")  # and in the directory
    victim.write_bytes(data)


@pytest.mark.parametrize("executor", ["inline", "local"])
@pytest.mark.parametrize("method", [99, 8])
def test_artefacts_that_cannot_be_unpacked_are_made_anew_within_the_run(
    digests, corpus, tmp_path, method, executor
):
    config = replace(QUICK, executor=executor)
    prepare(corpus.folder, tmp_path, config)
    before = digests(tmp_path)
    victims = sorted((tmp_path / "work" / "clips").rglob("*.npz"))[:2]
    for victim in victims:
        damage(victim, method)
    shutil.rmtree(tmp_path / "work" / "pairs")
    watch = Watch()
    summary = prepare(corpus.folder, tmp_path, config, watch)
    assert summary.failed == 0 and summary.made >= 2
    assert any(f"{victim} was damaged" in note for victim in victims for note in watch.notes)
    assert digests(tmp_path) == before


def test_an_artefact_that_does_not_get_better_ends_the_run(corpus, tmp_path, monkeypatch):
    def damaged(path, *more):
        raise DamagedArtefactError(str(path), f"{path} was damaged")

    monkeypatch.setattr("stccl_data.pipeline.pair_stage.load_content", damaged)
    with pytest.raises(PrepareError, match="was damaged"):
        prepare(corpus.folder, tmp_path, QUICK)


def test_a_worker_is_not_given_less_than_its_libraries_need():
    with pytest.raises(ValueError, match="memory_mb must be 1000 or more, not 300"):
        PrepareConfig(memory_mb=300)


def test_what_a_worker_made_that_was_killed_before_it_could_say_so_is_not_made_again(
    corpus, tmp_path, monkeypatch
):
    done: list[str] = []

    def twice(function):
        def unit(*args):
            said = function(*args)
            (artefact,) = (
                Path(arg) for arg in args if isinstance(arg, str) and arg.endswith(".npz")
            )
            made = artefact.stat()
            assert function(*args) == said and artefact.stat() == made
            done.append(function.__name__)
            return said

        return unit

    for name in ("extract_unit", "align_unit", "content_unit"):
        monkeypatch.setattr(stages, name, twice(getattr(stages, name)))
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}
    assert Counter(done) == {"extract_unit": 12, "align_unit": 4, "content_unit": 2}
