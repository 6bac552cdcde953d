"""Importing a pair file: which clips it means, and the dataset that it becomes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stccl_data.clip import Clip
from stccl_data.corpora import Scan, ScanError, scan_corpus
from stccl_data.dataset.tables import read_pairs
from stccl_data.dataset.verify import verify
from stccl_data.interchange.aligned_path import export_aligned_path
from stccl_data.interchange.import_pairs import import_pairs, match_pairs
from stccl_data.interchange.names import published_emotion
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.refilter import refilter, stored_gates
from tests.testing.pair_files import file_pair, stored_pairs

CONFIG = PrepareConfig(audio=True, executor="inline", split="train=0.5,test=0.5")


@pytest.fixture(scope="module")
def round_trip(corpus, prepared, tmp_path_factory):
    """Export the prepared dataset, and import the file from the same, extracted clips."""
    folder = tmp_path_factory.mktemp("round")
    file, out = folder / "pairs.json", folder / "out"
    shutil.copytree(prepared.out / "work", out / "work")
    export_aligned_path(prepared.out, file)
    return file, out, import_pairs(file, corpus.folder, out, CONFIG)


def test_an_imported_file_becomes_a_valid_dataset_with_its_pairs(round_trip, prepared):
    _, out, imported = round_trip
    assert verify(out, decode=True) == []
    assert stored_pairs(out).keys() == stored_pairs(prepared.out).keys()
    assert (imported.named, imported.not_found) == (len(stored_pairs(out)), 0)
    assert (imported.numbering, imported.content) == ((), ())
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["pairs_from"].endswith("pairs.json")


def test_an_exported_frame_map_is_imported_almost_unchanged(round_trip, prepared):
    before, after = stored_pairs(prepared.out), stored_pairs(round_trip[1])
    difference = np.concatenate(
        [np.abs(before[ids].frame_map - after[ids].frame_map) for ids in before]
    )
    assert (difference == 0).mean() > 0.95
    assert difference.max() <= 3


def test_an_imported_file_exported_again_is_the_same_file(round_trip, tmp_path):
    file, out, _ = round_trip
    export_aligned_path(out, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_importing_again_does_nothing(round_trip, corpus):
    file, out, _ = round_trip
    assert import_pairs(file, corpus.folder, out, CONFIG).summary.made == 0


def test_every_pair_that_cannot_be_imported_has_a_reason(round_trip, corpus, tmp_path):
    content = json.loads(round_trip[0].read_text())
    speaker = sorted(content)[0]
    angry = content[speaker]["angry"]
    good, too_long = sorted(angry)
    source, target = angry[too_long]
    past_the_end = [source[-1] + i for i in (1, 2, 3)]
    angry[too_long] = [[*source, *past_the_end], [*target, *[target[-1]] * 3]]
    happy = sorted(content[speaker]["happy"])
    two_sentences = f"{happy[0].split('_')[0]}_{happy[1].split('_')[1]}"
    angry |= {"001_777": [[0, 1], [0, 1]], "nonsense": [[0, 1], [0, 1]]}
    content = {speaker: {"angry": angry, "happy": {two_sentences: angry[good]}}}
    file, out = tmp_path / "pairs.json", tmp_path / "out"
    file.write_text(json.dumps(content))
    config = PrepareConfig(executor="inline", crops="none", align="audio")
    imported = import_pairs(file, corpus.folder, out, config)
    assert verify(out) == []
    assert (imported.named, imported.not_found) == (5, 2)
    assert imported.summary.pairs == {"": 1, "bad_path": 1, "content_mismatch": 1}
    (contradicted,) = imported.numbering
    assert contradicted["reason"] == "content_mismatch"
    assert contradicted["content_score"] is not None
    findings = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    reasons = {finding["reason"] for finding in findings}
    assert reasons == {"bad_row", "missing_file", "not_selected"}
    assert any("angry 001_777" in finding["detail"] for finding in findings)
    refilter(out, replace(stored_gates(out), min_content_score=0.0))
    reasons = sorted(row["reason"] or "" for row in read_pairs(out))
    assert reasons == ["", "bad_path", "content_mismatch"]


def test_a_file_of_other_speakers_is_an_error_before_any_work(corpus, tmp_path):
    (tmp_path / "pairs.json").write_text('{"M999": {"sad": {"001_001": [[0, 1], [0, 1]]}}}')
    with pytest.raises(ScanError, match=r"pairs\.json"):
        import_pairs(tmp_path / "pairs.json", corpus.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def empty_mead(tmp_path):
    """Create empty files with MEAD names, in two views and two levels."""
    for name in (
        "front/neutral/level_1",
        "front/sad/level_2",
        "front/sad/level_3",
        "top/neutral/level_1",
        "top/sad/level_3",
    ):
        path = tmp_path / "raw" / "M003" / "video" / name / "001.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "raw"


def test_the_highest_level_is_meant_unless_one_is_given(empty_mead):
    scan = scan_corpus(empty_mead)
    pairs = [file_pair("1_1", "sad")]
    for level, expected in ((None, 3), (3, 3), (2, 2)):
        imported = match_pairs(scan, pairs, Path("pairs.json"), level)
        assert [clip.level for clip in imported.scan.clips if clip.emotion == "sad"] == [expected]
    with pytest.raises(ScanError, match=r"\b1\b.*\.json"):
        match_pairs(scan, pairs, Path("pairs.json"), 1)


def test_clips_of_several_views_are_an_error(empty_mead):
    scan = scan_corpus(empty_mead, views=["all"])
    with pytest.raises(ScanError, match=r"front, top.*--views"):
        match_pairs(scan, [file_pair("001_001", "sad")], Path("pairs.json"))


def test_a_pair_named_twice_is_imported_once(empty_mead):
    pairs = [file_pair("001_001", "sad"), file_pair("1_1", "sadness")]
    imported = match_pairs(scan_corpus(empty_mead), pairs, Path("pairs.json"))
    assert len(imported.paths) == 1
    assert any(
        finding.reason == "bad_row" and "sadness 1_1" in finding.detail
        for finding in imported.scan.findings
    )


@pytest.mark.parametrize("label", ["boredom", "überdreht"])
def test_emotions_outside_the_vocabulary_are_found_by_their_published_names(label):
    source, target = (
        Clip(
            clip_id=f"own/A/{emotion}",
            corpus="own",
            speaker="A",
            emotion=emotion,
            sentence="door",
            path=f"{emotion}.mp4",
        )
        for emotion in ("neutral", label)
    )
    scan = Scan("own", Path("/raw"), (source, target), ())
    pair = file_pair("door-t001_door-t001", published_emotion(label), "A")
    imported = match_pairs(scan, [pair], Path("pairs.json"))
    assert imported.candidates.pairs == ((source, target),)
