"""Clips whose content is not here: named by the scan, and the others are used."""

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.errors import Reason
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, prepare
from tests.stccl_data.files.test_stubs import KEY, LFS, sparse

FOLDER = "M003/video/front/angry/level_1"


@pytest.fixture
def angry(grow):
    """A MEAD folder with one angry clip, 001; RAW is its `parents[5]`."""
    return grow([f"{FOLDER}/001.mp4"]) / FOLDER


def findings_of(raw, **options):
    """Return (name of the file, reason, number of files) of each finding."""
    findings = scan_corpus(raw, **options).findings
    return {(Path(finding.path).name, finding.reason, finding.files) for finding in findings}


CONTENTS = {
    "002.mp4": (lambda path: path.write_text(LFS), Reason.GIT_LFS_POINTER),
    "003.mp4": (
        lambda path: path.symlink_to(f"../../.git/annex/objects/1/2/{KEY}/{KEY}"),
        Reason.GIT_ANNEX_LINK,
    ),
    "004.mp4": (lambda path: path.write_text(f"/annex/objects/{KEY}\n"), Reason.GIT_ANNEX_LINK),
    "005.mp4": (sparse, Reason.CLOUD_PLACEHOLDER),
    ".006.mp4.icloud": (lambda path: path.write_bytes(b"bplist00"), Reason.CLOUD_PLACEHOLDER),
    "007.mp4.dvc": (lambda path: path.write_text("outs:\n- path: 007.mp4\n"), Reason.DVC_POINTER),
    "008.mp4.crdownload": (lambda path: path.write_bytes(b"x"), Reason.PARTIAL_DOWNLOAD),
    "009.MP4.part": (lambda path: path.write_bytes(b"x"), Reason.PARTIAL_DOWNLOAD),
    "010.mp4": (lambda path: path.touch(), Reason.EMPTY_FILE),
    "011.mp4": (lambda path: path.symlink_to("/media/gone/011.mp4"), Reason.BROKEN_LINK),
    "012.gdoc": (lambda path: path.write_text("{}"), Reason.CLOUD_PLACEHOLDER),
}


def test_each_stub_has_its_reason_and_the_others_are_clips(angry):
    for name, (make, _) in CONTENTS.items():
        make(angry / name)
    raw = angry.parents[4]
    scan = scan_corpus(raw)
    assert [clip.path for clip in scan.clips] == [str(angry / "001.mp4")]
    assert findings_of(raw) == {(name, reason, 1) for name, (_, reason) in CONTENTS.items()}
    assert all(name in "".join(f.detail for f in scan.findings) for name in CONTENTS)


def test_leftovers_beside_a_whole_file_do_not_hide_it(angry):
    for name in ("001.mp4.dvc", ".001.mp4.icloud", "001.mp4.part"):
        (angry / name).write_bytes(b"x")
    scan = scan_corpus(angry.parents[4])
    assert len(scan.clips) == 1
    assert [finding.reason for finding in scan.findings] == [Reason.PARTIAL_DOWNLOAD]


def test_a_download_in_progress_is_not_used(angry):
    (angry / "001.mp4.aria2").write_bytes(b"x")
    (angry / "002.mp4.download").mkdir()
    (angry / "002.mp4.download" / "002.mp4").write_bytes(b"x")
    raw = angry.parents[4]
    assert not scan_corpus(raw).clips
    assert {(name, reason) for name, reason, _ in findings_of(raw)} == {
        ("001.mp4", Reason.PARTIAL_DOWNLOAD),
        ("002.mp4", Reason.PARTIAL_DOWNLOAD),
    }


def test_a_whole_copy_is_used_instead_of_a_stub(angry, grow):
    raw = grow([f"copy/{FOLDER}/001.mp4"])
    (angry / "001.mp4").write_text(LFS)
    scan = scan_corpus(raw)
    assert [clip.path for clip in scan.clips] == [str(raw / "copy" / FOLDER / "001.mp4")]


def test_the_whole_modality_of_ravdess_is_used_instead_of_a_stub(grow):
    raw = grow([f"Actor_01/0{modality}-01-03-01-01-01-01.mp4" for modality in (1, 2)])
    (raw / "Actor_01/01-01-03-01-01-01-01.mp4").write_text(LFS)
    scan = scan_corpus(raw)
    assert [clip.path[-24:] for clip in scan.clips] == ["02-01-03-01-01-01-01.mp4"]
    assert findings_of(raw) == {("01-01-03-01-01-01-01.mp4", Reason.GIT_LFS_POINTER, 1)}


def test_a_corpus_of_stubs_is_recognised_and_the_command_says_what_to_run(grow):
    raw = grow(["VideoFlash/1001_TIE_NEU_XX.flv", "VideoFlash/1001_TIE_SAD_XX.flv"])
    for path in (raw / "VideoFlash").iterdir():
        path.write_text(LFS)
    scan = scan_corpus(raw)
    assert (scan.corpus, scan.clips) == ("cremad", ())
    result = CliRunner().invoke(stccl, ["scan", str(raw)])
    assert result.exit_code == 1
    assert "git lfs pull" in result.output and "1001_TIE_NEU_XX.flv" in result.output
    assert "manifest" not in result.output
    with pytest.raises(PrepareError, match="git lfs pull"):
        prepare(raw, raw.parent / "out")


def test_stubs_of_views_that_are_not_selected_are_not_reported(angry, grow):
    raw = grow(["M003/video/top/angry/level_1/001.mp4"])
    (raw / "M003/video/top/angry/level_1/001.mp4").write_text(LFS)
    assert findings_of(raw) == {("raw", Reason.NOT_SELECTED, 1)}
    assert {reason for _, reason, _ in findings_of(raw, views=["all"])} == {Reason.GIT_LFS_POINTER}


def test_a_clip_is_used_without_a_sound_that_is_not_here(angry, grow):
    raw = grow(["M003/audio/angry/level_1/001.m4a"])
    (raw / "M003/audio/angry/level_1/001.m4a").write_text(LFS)
    (clip,) = scan_corpus(raw).clips
    assert clip.audio_path is None
    assert findings_of(raw) == {("001.m4a", Reason.GIT_LFS_POINTER, 1)}


def test_archives_folders_and_tables_that_are_not_here_are_named(grow, tmp_path):
    raw = grow(["M003/video/front/neutral/level_1/001.mp4"])
    (raw / "M005").mkdir()
    (raw / "M005" / "video.tar").write_text(LFS)
    (raw / "M007.dvc").write_text("outs:\n- path: M007\n")
    assert findings_of(raw) == {
        ("video.tar", Reason.GIT_LFS_POINTER, 1),
        ("M007.dvc", Reason.DVC_POINTER, 1),
    }
    (tmp_path / "list.txt").write_text(LFS)
    with pytest.raises(ScanError, match="git lfs pull"):
        scan_corpus(raw, transcripts=tmp_path / "list.txt")


@pytest.mark.parametrize(
    ("name", "advice"),
    [("manifest.csv", "git lfs pull"), ("manifest.csv.dvc", "dvc pull"), ("manifest.gsheet", "")],
)
def test_a_manifest_that_is_not_here_is_named(tmp_path, name, advice):
    (tmp_path / name).write_text(LFS)
    with pytest.raises(ScanError, match=f"(?s){name}.*{advice}"):
        scan_corpus(tmp_path)


def test_attributes_of_macos_are_counted_once(angry):
    for number in range(3):
        (angry / f"._00{number}.mp4").write_bytes(b"\x00\x05\x16\x07")
    assert findings_of(angry.parents[4]) == {("raw", Reason.APPLE_DOUBLE, 3)}


def test_a_dead_link_of_an_unknown_name_is_a_broken_link(tmp_path):
    (tmp_path / "holiday.mp4").symlink_to("/media/gone/holiday.mp4")
    assert findings_of(tmp_path) == {("holiday.mp4", Reason.BROKEN_LINK, 1)}


def test_a_dead_link_of_a_folder_and_a_folder_named_like_a_clip_are_named(angry):
    (angry / "002.mp4").mkdir()
    raw = angry.parents[4]
    (raw / "M005").symlink_to("/media/gone/M005")
    (raw / "README.md").symlink_to("/media/gone/README.md")  # no clip: nobody misses it
    assert findings_of(raw) == {
        ("002.mp4", Reason.NOT_MEDIA, 1),
        ("M005", Reason.BROKEN_LINK, 1),
    }


def test_a_pipe_in_place_of_a_table_is_not_waited_for(angry, tmp_path):
    os.mkfifo(tmp_path / "list.txt")
    with pytest.raises(ScanError, match=r"list\.txt.*a pipe"):
        scan_corpus(angry.parents[4], transcripts=tmp_path / "list.txt")
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(ScanError, match=r"manifest\.csv.*a pipe"):
        scan_corpus(tmp_path)


def test_prepare_records_stubs_and_uses_the_rest(corpus, tmp_path):
    lines = ["path,speaker,emotion,sentence"]
    for clip in corpus.clips[:2]:
        name = f"{clip.emotion}.mp4"
        (tmp_path / name).symlink_to(corpus.folder / clip.path)
        lines.append(f"{name},a,{clip.emotion},1")
    lines += ["lfs.mp4,a,sad,1", "empty.mp4,a,sad,1"]
    (tmp_path / "lfs.mp4").write_text(LFS)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    config = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
    summary = prepare(tmp_path / "manifest.csv", out, config)
    assert summary.findings == {"git_lfs_pointer": 1, "empty_file": 1}
    assert any("git lfs pull" in note for note in summary.notes)
    assert len(pq.read_table(out / "clips.parquet")) == 2
    findings = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    assert ["lfs.mp4" in finding["detail"] for finding in findings] == [False, True]
