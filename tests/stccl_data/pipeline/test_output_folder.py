"""Where `prepare` writes: never into RAW, never over files or datasets that are not its own."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.demo import DemoCorpus
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.plan import plan_run
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.state import Store, StoreBusyError
from tests.testing.digests import digests
from tests.testing.runs import QUICK, copy_tree, snapshot


def test_raw_is_not_changed(prepared, corpus):
    """After all runs of this session so far, the corpus is what the renderer wrote."""
    newest = max(path.stat().st_mtime_ns for path in corpus.folder.rglob("*"))
    assert newest < min(
        path.stat().st_mtime_ns for path in (prepared.out / "work" / "clips").rglob("*.npz")
    )
    record = json.loads((corpus.folder / "truth" / "demo.json").read_text())
    existing = {
        str(path.relative_to(corpus.folder)) for path in corpus.folder.rglob("*") if path.is_file()
    }
    assert existing == {*record["files"], "truth/demo.json"}


def test_a_read_only_corpus_is_enough(corpus, nobodys):
    if os.getuid() == 0:
        os.seteuid(0)
    raw = copy_tree(corpus.folder, nobodys / "raw")
    for path in (raw, *raw.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.getuid() == 0:
        os.seteuid(65534)
    before = snapshot(raw)
    assert prepare(raw, nobodys / "out", QUICK).pairs == {"": 8}
    assert snapshot(raw) == before


def test_a_read_only_output_folder_is_refused(nobodys):
    (nobodys / "raw").mkdir()
    (nobodys / "raw" / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.wav,a,sad,1\nb.wav,a,neutral,1\n"
    )
    for name in ("a.wav", "b.wav"):
        (nobodys / "raw" / name).write_bytes(b"x")
    (nobodys / "shut").mkdir(0o500)
    with pytest.raises(PrepareError, match=r"shut/out.*Permission denied"):
        prepare(nobodys / "raw", nobodys / "shut" / "out", QUICK)


def test_out_inside_raw_is_refused(corpus, tmp_path):
    raw = copy_tree(corpus.folder, tmp_path / "raw")
    before = snapshot(raw)
    (tmp_path / "link").symlink_to(raw)
    for out in (
        raw,
        raw / "out",
        tmp_path / "link" / "out",
        tmp_path / "raw" / "M003" / ".." / "out",
    ):
        with pytest.raises(PrepareError, match=re.escape(str(raw))):
            prepare(raw, out, QUICK)
    assert snapshot(raw) == before


def test_out_that_is_a_file_is_refused(corpus, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(PrepareError, match=str(tmp_path / "out")):
        prepare(corpus.folder, tmp_path / "out", QUICK)


def test_a_second_run_into_the_same_out_is_refused(corpus, tmp_path):
    with Store(tmp_path).locked(), pytest.raises(StoreBusyError, match=f"process {os.getpid()}"):
        prepare(corpus.folder, tmp_path, QUICK)


def test_a_raw_folder_without_clips_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(PrepareError, match=str(tmp_path / "raw")):
        prepare(tmp_path / "raw", tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_not_written_to(
    corpus: DemoCorpus, prepared, tmp_path: Path
) -> None:
    (tmp_path / "shards" / "train").mkdir(parents=True)
    (tmp_path / "shards" / "train" / "stccl-mine.tar").write_bytes(b"mine")
    (tmp_path / "README.md").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(PrepareError, match=str(tmp_path)):
        prepare(corpus.folder, tmp_path, prepared.config)
    assert digests(tmp_path) == before


def test_the_folder_of_the_manifest_is_not_written_to(prepared, tmp_path: Path) -> None:
    shutil.copy(prepared.out / "clips.parquet", tmp_path / "clips.parquet")
    before = digests(tmp_path)
    with pytest.raises(PrepareError, match=r"clips\.parquet"):
        prepare(tmp_path / "clips.parquet", tmp_path, prepared.config)
    assert digests(tmp_path) == before


def test_a_dataset_of_other_clips_is_not_replaced(
    corpus: DemoCorpus, prepared, prepared_copy: Path, tmp_path: Path
) -> None:
    clip = scan_corpus(corpus.folder).clips[0]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"path,speaker,emotion,sentence\n{clip.path},s,happy,x\n")
    before = digests(prepared_copy)
    with pytest.raises(PrepareError, match=re.escape(str(prepared_copy))):
        prepare(manifest, prepared_copy, prepared.config)
    assert digests(prepared_copy) == before


def test_options_that_leave_no_pair_do_not_remove_the_shards(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    before = digests(prepared_copy / "shards")
    with pytest.raises(PrepareError, match=re.escape(str(prepared_copy))):
        prepare(corpus.folder, prepared_copy, replace(prepared.config, limit=1))
    assert digests(prepared_copy / "shards") == before


def test_clips_that_the_options_drop_from_the_dataset_are_counted_beforehand(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    config = replace(prepared.config, speakers=("M003",), split="train=1")
    planned = plan_run(corpus.folder, prepared_copy, config).notes
    dropped = prepare(corpus.folder, prepared_copy, config).notes
    restored = prepare(corpus.folder, prepared_copy, prepared.config).notes
    assert any("6 of the 12 clips" in note for note in planned)
    assert any("6 of the 12 clips" in note for note in dropped)
    assert not any("of the 12 clips" in note for note in restored)


def test_thresholds_that_differ_from_those_of_the_tables_give_a_note(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    config = replace(prepared.config, gates=GateConfig(max_longest_repeat=44))
    first = prepare(corpus.folder, prepared_copy, config).notes
    second = prepare(corpus.folder, prepared_copy, config).notes
    assert any("thresholds" in note for note in first)
    assert not any("thresholds" in note for note in second)
