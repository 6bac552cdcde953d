"""`prepare` run again: makes what is missing or changed, retries failures, remakes artefacts."""

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from stccl_data.dataset.verify import verify
from stccl_data.errors import Reason
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline import tasks
from stccl_data.pipeline.artefacts import DamagedArtefactError
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.state import Store
from tests.testing.progress import RecordedCalls
from tests.testing.runs import QUICK, copy_tree, rows, shard_digests, snapshot


def test_a_rerun_does_nothing(prepared, prepared_copy, corpus):
    before = snapshot(prepared_copy, "work", "logs")
    artefacts = snapshot(prepared_copy / "work" / "clips")
    progress = RecordedCalls()
    summary = prepare(corpus.folder, prepared_copy, prepared.config, progress)
    assert summary.made == 0
    assert all(total == done for total, done in progress.stages.values()), progress.stages
    assert snapshot(prepared_copy, "work", "logs") == before, "no file was written again"
    assert snapshot(prepared_copy / "work" / "clips") == artefacts
    assert replace(summary, made=0, seconds=0, out=prepared.out) == replace(
        prepared.summary, made=0, seconds=0
    )


def test_one_speaker_alone_gives_the_same_shard_as_in_the_whole_corpus(prepared, corpus, tmp_path):
    (split,) = (
        row["split"]
        for row in rows(prepared.out)
        if row["clip_id"].endswith("neutral-1/s005-t001") and "M003" in row["speaker"]
    )
    config = replace(
        prepared.config, speakers=("M003",), split=f"{split}=1", executor="inline", workers=1
    )
    prepare(corpus.folder, tmp_path / "out", config)
    name = f"{split}/stccl-{split}-000000.tar"
    assert shard_digests(tmp_path / "out") == {name: shard_digests(prepared.out)[name]}


def test_a_changed_gate_extracts_and_aligns_nothing(prepared, prepared_copy, corpus):
    progress = RecordedCalls()
    config = replace(prepared.config, gates=GateConfig(max_duration_ratio=1.001))
    summary = prepare(corpus.folder, prepared_copy, config, progress)
    assert progress.stages["extract"] == (12, 12) and progress.stages["align"] == (4, 4)
    assert summary.pairs[Reason.DURATION_RATIO] > 0 and summary.made == 1
    refused = [row for row in rows(prepared_copy, "pairs") if not row["accepted"]]
    assert {row["reason"] for row in refused} == {"duration_ratio"}
    assert verify(prepared_copy) == []
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert shard_digests(prepared_copy) == shard_digests(prepared.out), (
        "the old gate gives the old shards"
    )


def test_another_alignment_mode_extracts_nothing(prepared, prepared_copy, corpus):
    progress = RecordedCalls()
    summary = prepare(
        corpus.folder, prepared_copy, replace(prepared.config, align="visual"), progress
    )
    assert progress.stages["extract"] == (12, 12) and progress.stages["align"] == (4, 0)
    assert {row["mode"] for row in rows(prepared_copy, "pairs")} == {"visual"}
    assert sum(summary.pairs.values()) == 8


def test_changed_crops_are_cut_again_and_the_old_ones_kept(prepared, prepared_copy, corpus):
    progress = RecordedCalls()
    config = replace(prepared.config, limit=2, executor="inline")
    # Two clips make no pair, and shards are never replaced by none.
    shutil.rmtree(prepared_copy / "shards")
    prepare(corpus.folder, prepared_copy, config, progress)
    assert progress.stages["extract"] == (2, 2)
    prepare(corpus.folder, prepared_copy, replace(config, jpeg_quality=60), progress)
    assert progress.stages["extract"] == (2, 0)
    frames = list((prepared_copy / "work" / "clips").rglob("*.frames"))
    assert len(frames) == 14, "the old crops are kept"


def test_only_a_touched_file_is_extracted_again(prepared, prepared_copy, corpus, tmp_path):
    raw = copy_tree(corpus.folder, tmp_path / "raw")
    progress = RecordedCalls()
    prepare(raw, prepared_copy, prepared.config, progress)
    assert progress.stages["extract"] == (12, 12), "a moved corpus is the same corpus"
    touched = raw / corpus.clips[3].path
    os.utime(touched)
    prepare(raw, prepared_copy, replace(prepared.config, executor="inline"), progress)
    assert progress.stages["extract"] == (12, 11) and progress.stages["align"][1] == 3
    assert shard_digests(prepared_copy) == shard_digests(prepared.out), "the content is unchanged"


def test_truncated_shards_are_written_again(prepared, prepared_copy, corpus):
    victim = next((prepared_copy / "shards").rglob("*.tar"))
    victim.write_bytes(victim.read_bytes()[:-512])
    train = prepared_copy / "shards" / "train"
    (train / ".stccl-train-000009.tar.abcdefgh.tmp").write_bytes(b"left by a killed run")
    (train / "stccl-train-000009.tar").write_bytes(b"of another run")
    progress = RecordedCalls()
    assert prepare(corpus.folder, prepared_copy, prepared.config, progress).made == 1
    assert shard_digests(prepared_copy) == shard_digests(prepared.out)
    assert verify(prepared_copy) == []


def test_an_unrecorded_artefact_is_reused(prepared, prepared_copy, corpus):
    """A run can be killed between the artefact and its record."""
    with Store(prepared_copy).state() as state:
        state.execute("DELETE FROM clips")
    progress = RecordedCalls()
    assert prepare(corpus.folder, prepared_copy, prepared.config, progress).made == 0


def test_a_unit_whose_artefact_exists_does_not_remake_it(corpus, tmp_path, monkeypatch):
    calls: list[str] = []

    def identity(path: Path) -> tuple[int, int]:
        return path.stat().st_ino, path.stat().st_mtime_ns

    def twice(function):
        def unit(*args):
            result = function(*args)
            (artefact,) = (
                Path(arg) for arg in args if isinstance(arg, str) and arg.endswith(".npz")
            )
            before = identity(artefact)
            assert function(*args) == result and identity(artefact) == before
            calls.append(function.__name__)
            return result

        return unit

    for name in ("extract_unit", "align_unit", "content_unit"):
        monkeypatch.setattr(tasks, name, twice(getattr(tasks, name)))
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}
    assert Counter(calls) == {"extract_unit": 12, "align_unit": 4, "content_unit": 2}


def test_a_failed_clip_is_recorded_and_retried_only_on_request(corpus, tmp_path):
    raw = copy_tree(corpus.folder, tmp_path / "raw")
    victim = raw / next(clip.path for clip in corpus.clips if clip.emotion == "angry")
    content, status = victim.read_bytes(), victim.stat()
    victim.write_bytes(bytes(len(content)))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    summary = prepare(raw, tmp_path / "out", QUICK)
    assert summary.failed == 1 and summary.clips == {"": 11, Reason.DECODE_ERROR: 1}
    assert summary.pairs == {"": 7, Reason.PARTNER_FAILED: 1}
    (row,) = (row for row in rows(tmp_path / "out") if row["state"] == "failed")
    assert str(victim) in row["detail"] and row["reason"] == "decode_error"
    (pair,) = (row for row in rows(tmp_path / "out", "pairs") if not row["accepted"])
    assert pair["reason"] == "partner_failed" and str(victim) in pair["detail"]
    assert any(str(victim) in log.read_text() for log in (tmp_path / "out" / "logs").glob("*.log"))

    # Repaired, with the old modification time: prepare cannot see the change.
    victim.write_bytes(content)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepare(raw, tmp_path / "out", QUICK).failed == 1
    progress = RecordedCalls()
    summary = prepare(raw, tmp_path / "out", replace(QUICK, retry_failed=("all",)), progress)
    assert progress.stages["extract"] == (12, 11)
    assert summary.failed == 0 and summary.pairs == {"": 8}
    assert prepare(raw, tmp_path / "out", QUICK).made == 0


def fails(*_arguments, **_options):
    raise MemoryError("no more")


def test_pairs_with_a_failed_content_check_are_refused_and_retried(corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("stccl_data.pipeline.tasks.check_content", fails)
        summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"content_unchecked": 8} and summary.failed == 2, "two speakers"
    assert all(row["content_score"] is None and row["detail"] for row in rows(tmp_path, "pairs"))
    assert any("content" in note and "M003" in note for note in summary.notes)
    assert not any("Traceback" in note for note in summary.notes)
    again = prepare(corpus.folder, tmp_path, QUICK)
    assert again.pairs == {"": 8} and again.failed == 0
    assert verify(tmp_path) == []


def test_pairs_with_a_failed_alignment_are_refused_and_retried(corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("stccl_data.pipeline.tasks.align_takes", fails)
        summary = prepare(corpus.folder, tmp_path, QUICK)
    assert summary.pairs == {"out_of_memory": 8} and summary.failed == 4, "utterances"
    assert any("M003" in note for note in summary.notes)
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}


def damage(victim: Path, method: int) -> None:
    """Change the compression method of the first zip member, as a failing disk could.

    The method stands in front of the member and in the directory.
    """
    data = bytearray(victim.read_bytes())
    data[8:10] = method.to_bytes(2, "little")
    directory = data.rindex(b"PK\x05\x06")
    first = int.from_bytes(data[directory + 16 : directory + 20], "little")
    data[first + 10 : first + 12] = method.to_bytes(2, "little")
    victim.write_bytes(data)


@pytest.mark.parametrize(("executor", "method"), [("inline", 99), ("inline", 8), ("local", 8)])
def test_damaged_artefacts_are_remade_within_the_run(digests, corpus, tmp_path, method, executor):
    prepare(corpus.folder, tmp_path, QUICK)
    before = digests(tmp_path)
    victims = sorted((tmp_path / "work" / "clips").rglob("*.npz"))[:2]
    for victim in victims:
        damage(victim, method)
    shutil.rmtree(tmp_path / "work" / "pairs")
    progress = RecordedCalls()
    config = replace(QUICK, executor=executor, workers=2)
    summary = prepare(corpus.folder, tmp_path, config, progress)
    assert summary.failed == 0 and summary.made >= 2
    assert any(str(victim) in note for victim in victims for note in progress.notes)
    assert digests(tmp_path) == before


def test_an_artefact_that_is_damaged_twice_ends_the_run(corpus, tmp_path, monkeypatch):
    def damaged(path, *more):
        raise DamagedArtefactError(str(path), f"{path} is damaged")

    monkeypatch.setattr("stccl_data.pipeline.content_stage.load_content", damaged)
    with pytest.raises(PrepareError, match=r"content.*is damaged"):
        prepare(corpus.folder, tmp_path, QUICK)


def artefact_digests(out: Path, kind: str) -> dict[str, str]:
    return {path: digest for path, (digest, _) in snapshot(out / "work" / kind).items()}


def test_a_truncated_clip_artefact_is_remade(prepared, prepared_copy, corpus):
    victim = sorted((prepared_copy / "work" / "clips").rglob("*.npz"))[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert artefact_digests(prepared_copy, "clips") == artefact_digests(prepared.out, "clips")


@pytest.mark.parametrize("kind", ["pairs", "content"])
def test_a_truncated_artefact_of_a_later_stage_is_remade(prepared, prepared_copy, corpus, kind):
    victim = sorted((prepared_copy / "work" / kind).rglob("*.npz"))[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert shard_digests(prepared_copy) == shard_digests(prepared.out)
