"""What `prepare` will not do: overwrite what is not its own, replace a dataset by nothing, or stumble over a damaged artefact."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.demo import DemoCorpus
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.plan import plan_run
from stccl_data.pipeline.prepare import PrepareError, prepare


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_a_folder_with_files_of_others_is_not_written_to(
    corpus: DemoCorpus, prepared, tmp_path: Path
) -> None:
    (tmp_path / "shards" / "train").mkdir(parents=True)
    (tmp_path / "shards" / "train" / "stccl-mine.tar").write_bytes(b"mine")
    (tmp_path / "README.md").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(PrepareError, match="holds files, and none that `stccl prepare` wrote"):
        prepare(corpus.folder, tmp_path, prepared.config)
    assert digests(tmp_path) == before


def test_the_folder_of_the_manifest_is_not_written_to(prepared, tmp_path: Path) -> None:
    shutil.copy(prepared.out / "clips.parquet", tmp_path / "clips.parquet")
    before = digests(tmp_path)
    with pytest.raises(PrepareError, match="holds the manifest"):
        prepare(tmp_path / "clips.parquet", tmp_path, prepared.config)
    assert digests(tmp_path) == before


def test_a_dataset_of_other_clips_is_not_replaced(
    corpus: DemoCorpus, prepared, prepared_copy: Path, tmp_path: Path
) -> None:
    clip = scan_corpus(corpus.folder).clips[0]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"path,speaker,emotion,sentence\n{clip.path},s,happy,x\n")
    before = digests(prepared_copy)
    with pytest.raises(PrepareError, match="a dataset of other clips"):
        prepare(manifest, prepared_copy, prepared.config)
    assert digests(prepared_copy) == before


def test_options_that_leave_no_pair_leave_the_shards(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    before = digests(prepared_copy / "shards")
    with pytest.raises(PrepareError, match="would hold no pair"):
        prepare(corpus.folder, prepared_copy, replace(prepared.config, limit=1))
    assert digests(prepared_copy / "shards") == before


def test_an_extracted_clip_that_was_cut_short_is_noticed_and_made_anew(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    victim = sorted((prepared_copy / "work" / "clips").rglob("*.npz"))[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert digests(prepared_copy / "work" / "clips") == digests(prepared.out / "work" / "clips")


@pytest.mark.parametrize("kind", ["pairs", "content"])
def test_a_damaged_artefact_is_removed_and_made_anew(
    corpus: DemoCorpus, prepared, prepared_copy: Path, kind: str
) -> None:
    victim = sorted((prepared_copy / "work" / kind).rglob("*.npz"))[0]
    victim.write_bytes(victim.read_bytes()[:1000])
    prepare(corpus.folder, prepared_copy, prepared.config)
    assert digests(prepared_copy / "shards") == digests(prepared.out / "shards")


def test_clips_of_the_dataset_that_are_not_asked_for_now_are_counted_beforehand(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    config = replace(prepared.config, speakers=("M003",), split="train=1")
    said = "6 of the 12 clips of the dataset in OUT are not asked for now: it is written again without them"
    assert any(said in note for note in plan_run(corpus.folder, prepared_copy, config).notes)
    assert any(said in note for note in prepare(corpus.folder, prepared_copy, config).notes)
    assert not any(
        "not asked for" in note
        for note in prepare(corpus.folder, prepared_copy, prepared.config).notes
    )


@pytest.mark.parametrize("threshold", [float("nan"), 0.0])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="max_duration_ratio must be"):
        GateConfig(max_duration_ratio=threshold)


def test_other_thresholds_than_those_in_the_tables_are_said(
    corpus: DemoCorpus, prepared, prepared_copy: Path
) -> None:
    config = replace(prepared.config, gates=GateConfig(max_longest_repeat=44))
    assert any(
        "judged anew" in note for note in prepare(corpus.folder, prepared_copy, config).notes
    )
    assert not any(
        "judged anew" in note for note in prepare(corpus.folder, prepared_copy, config).notes
    )
