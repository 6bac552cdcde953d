"""Every corpus: recognition, accounting for each file, and an unchanged RAW."""

import os
from pathlib import Path

import pytest

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.corpora.tree import MEDIA_SUFFIXES
from stccl_data.errors import Reason

TREES = {
    "mead": [
        *(
            f"M003/video/{view}/{emotion}/level_1/{n:03d}.mp4"
            for view in ("front", "top")
            for emotion in ("angry", "sad")
            for n in range(1, 9)
        ),
        *(f"M003/audio/angry/level_1/{n:03d}.m4a" for n in range(1, 12)),
        *(f"copy/M003/video/front/angry/level_1/{n:03d}.mp4" for n in range(1, 5)),
        "M003/video/front/angry/level_1/M003_front_sad_level_1_001.mp4",
        "M003/video/front/angry/level_9/001.mp4",
        "M003/video/front/angry/level_1/outtake.mov",
    ],
    "ravdess": [
        *(
            f"Actor_{a:02d}/0{m}-01-0{e}-01-01-01-{a:02d}.mp4"
            for a in range(1, 5)
            for m in (1, 2)
            for e in range(1, 9)
        ),
        "Actor_01/01-01-03-01-01-01-02.mp4",
        "Actor_01/01-01-99-01-01-01-01.mp4",
    ],
    "cremad": [
        *(
            f"VideoFlash/10{a:02d}_{s}_{e}_XX.flv"
            for a in range(1, 9)
            for s in ("TIE", "IOM")
            for e in ("NEU", "SAD")
        ),
        "AudioWAV/1099_TIE_NEU_XX.wav",
        "VideoFlash/1001_TIE_NEU_YY.flv",
        "VideoFlash/1064_IEO_DIS_MD.flv",
    ],
    "emodb": [
        *(f"wav/{s}{t}{e}a.wav" for s in ("03", "16") for t in ("a01", "b10") for e in "NLW"),
        "copy/03a01Na.wav",
        "wav/03a01Xa.wav",
        "wav/hello.wav",
    ],
    "esd": [
        *(f"{s}/Angry/train/{s}_{n:06d}.wav" for s in ("0001", "0020") for n in range(351, 355)),
        "0001/Happy/0001_000355.wav",
    ],
    "savee": [
        *(
            f"AudioData/{s}/{e}{n:02d}.wav"
            for s in ("DC", "KL")
            for e in ("n", "su")
            for n in (1, 9)
        ),
        "AudioData/other.wav",
    ],
    "tess": ["OAF_angry/OAF_back_angry.wav", "OAF_angry/OAF_back_sad.wav", "YAF_bar_ps.wav"],
    "emovdb": ["bea/Angry/anger_1-28_0011.wav", "x/anger_1-28_0012.wav"],
    "emovo": ["f1/dis-f1-b1.wav", "f2/dis-f1-b2.wav"],
    "unknown": ["one/a.mp4", "one/b.mp4", "two/c.wav", "d.mov"],
}


@pytest.mark.parametrize("corpus", TREES)
def test_a_corpus_is_recognised_and_every_media_file_is_used_or_in_a_finding(grow, corpus):
    raw = grow(TREES[corpus])
    scan = scan_corpus(raw)
    assert scan.corpus == corpus
    assert scan.root == raw
    ids = [clip.clip_id for clip in scan.clips]
    assert ids == sorted(set(ids))
    used = {clip.path for clip in scan.clips} | {
        clip.audio_path for clip in scan.clips if clip.audio_path
    }
    media = [path for path in raw.rglob("*") if path.suffix in MEDIA_SUFFIXES]
    assert len(used) + sum(finding.files for finding in scan.findings) == len(media)
    assert not used & {finding.path for finding in scan.findings}


def test_a_scan_does_not_depend_on_the_working_directory(grow, monkeypatch):
    raw = grow(TREES["mead"])
    monkeypatch.chdir(raw.parent)
    assert scan_corpus(Path("raw")) == scan_corpus(raw)


def test_a_scan_changes_nothing_in_raw(grow):
    raw = grow(TREES["mead"])
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [raw, *raw.rglob("*")]
    }
    scan_corpus(raw)
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [raw, *raw.rglob("*")]
    } == before


def test_a_named_corpus_is_not_guessed(grow):
    scan = scan_corpus(grow(TREES["cremad"]), "ravdess")
    assert scan.corpus == "ravdess"
    assert not scan.clips
    assert {finding.reason for finding in scan.findings} == {Reason.UNKNOWN_NAME}


def test_a_folder_without_media_gives_an_empty_scan(grow):
    scan = scan_corpus(grow(["read me.txt"]))
    assert (scan.corpus, scan.clips, scan.findings) == ("unknown", (), ())


def test_an_invalid_request_raises(tmp_path, grow):
    with pytest.raises(ScanError, match="absent"):
        scan_corpus(tmp_path / "absent")
    with pytest.raises(ScanError, match=r"'grid'.*auto, mead"):
        scan_corpus(tmp_path, "grid")
    with pytest.raises(ScanError, match=r"manifest\.csv"):
        scan_corpus(grow(TREES["mead"]), "own")
    with pytest.raises(ScanError, match=r"a\.mp4"):
        scan_corpus(grow(["a.mp4"]) / "a.mp4", "mead")


def test_a_locked_folder_is_a_finding_and_the_others_are_scanned(nobodys):
    for actor in ("M003", "M005"):
        (nobodys / actor).mkdir()
        (nobodys / actor / f"{actor}_neu_1_001.mp4").write_bytes(b"x")
    (nobodys / "M003").chmod(0)
    scan = scan_corpus(nobodys)
    assert [clip.speaker for clip in scan.clips] == ["M005"]
    (finding,) = scan.findings
    assert (finding.reason, finding.path) == (Reason.NOT_PERMITTED, str(nobodys / "M003"))
    assert "M003" in finding.detail
    assert "Permission denied" in finding.detail


def test_a_locked_raw_is_a_finding_and_a_folder_in_it_raises(
    nobodys,
):
    (nobodys / "raw").mkdir()
    (nobodys / "raw").chmod(0)
    scan = scan_corpus(nobodys / "raw")
    assert [(finding.reason, finding.path) for finding in scan.findings] == [
        (Reason.NOT_PERMITTED, str(nobodys / "raw"))
    ]
    with pytest.raises(ScanError, match="raw/MEAD"):
        scan_corpus(nobodys / "raw" / "MEAD")


def test_a_name_that_is_not_utf8_is_escaped(grow):
    raw = grow(["M003_neu_1_001.mp4"])
    Path(os.fsdecode(os.fsencode(raw) + b"/M003_neu_1_00\xff.mp4")).write_bytes(b"x")
    scan = scan_corpus(raw)
    assert len(scan.clips) == 1
    (finding,) = scan.findings
    assert finding.reason == Reason.UNKNOWN_NAME
    assert "\\xff" in finding.detail
    finding.path.encode("utf-8")


def test_linked_folders_are_followed_once(grow, tmp_path):
    raw = grow(["M003/video/front/angry/level_1/001.mp4"])
    (tmp_path / "elsewhere" / "video" / "front" / "angry" / "level_1").mkdir(parents=True)
    (tmp_path / "elsewhere/video/front/angry/level_1/001.mp4").write_bytes(b"x")
    (raw / "M005").symlink_to(tmp_path / "elsewhere")
    (raw / "A").symlink_to(raw / "M003")
    (raw / "M003" / "again").symlink_to(raw)
    scan = scan_corpus(raw)
    assert [clip.speaker for clip in scan.clips] == ["M003", "M005"]
    assert scan.clips[1].path == str(raw / "M005/video/front/angry/level_1/001.mp4")
    assert [finding.reason for finding in scan.findings] == [Reason.DUPLICATE_CLIP] * 2
    assert {Path(finding.path).name for finding in scan.findings} == {"A", "again"}


def test_a_link_to_itself_does_not_affect_other_files(grow):
    raw = grow(["M003/video/front/angry/level_1/001.mp4"])
    for name in ("M003/video/front/angry/level_1/002.mp4", "M003/nowhere"):
        (raw / name).symlink_to(raw / name)
    scan = scan_corpus(raw)
    assert scan.clips[0].clip_id.startswith("mead/M003/front/angry-1")
    assert {Path(clip.path).name for clip in scan.clips} <= {"001.mp4", "002.mp4"}
