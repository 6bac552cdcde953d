"""Manifests written on other systems: their paths are resolved if one file fits, and it is said."""

import unicodedata
from pathlib import Path

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.errors import Reason

HEADER = "path,speaker,emotion,sentence\n"
NFD = unicodedata.normalize("NFD", "zoë/été 1.mp4")


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a manifest with one path, and creates files beside it."""

    def write(cell, *files, content=b"x"):
        raw = tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        for file in files:
            (raw / file).parent.mkdir(parents=True, exist_ok=True)
            (raw / file).write_bytes(content)
        quoted = cell.replace('"', '""')
        text = f'{HEADER}"{quoted}",a,sad,1\n'
        (raw / "manifest.csv").write_text(text, encoding="utf-8")
        return raw

    return write


@pytest.mark.parametrize(
    ("cell", "file", "difference"),
    [
        ("clips\\a.mp4", "clips/a.mp4", "backslashes"),
        (".\\clips\\sub\\..\\a.mp4", "clips/a.mp4", "backslashes"),
        ("Clips/A.MP4", "clips/a.mp4", "case"),
        ("clips\\A.mp4", "clips/a.mp4", "backslashes and upper and lower case"),
        ("zoë/été 1.mp4", NFD, "NFC"),
        (NFD, "zoë/été 1.mp4", "NFC"),
        ("a  b.mp4", "a b.mp4", "spaces"),
        ("a\N{NO-BREAK SPACE}b.mp4", "a b.mp4", "spaces"),
        ("\N{ZERO WIDTH SPACE}a.mp4", "a.mp4", "look alike"),
        ("happy/a.mp4", " happy /a.mp4", "spaces"),
        ("C:\\Users\\Ann\\data\\clips\\a.mp4", "clips/a.mp4", "drive C:"),
        ("c:/data/a.mp4", "a.mp4", "drive C:"),
        ("\\\\server\\share\\clips\\a.mp4", "clips/a.mp4", "another machine"),
        ("/home/ann/clips/a.mp4", "clips/a.mp4", "another machine"),
        ("file:///C:/data/clips/a%20b.mp4", "clips/a b.mp4", "file:// URL"),
        ("file:///home/ann/clips/a.mp4", "clips/a.mp4", "file:// URL"),
        ("clips/a%20b%2B.mp4", "clips/a b+.mp4", "%-encoded"),
        ("caf%C3%A9.mp4", "café.mp4", "%-encoded"),
        ('"C:\\data\\a.mp4"', "a.mp4", "quotes"),
    ],
)
def test_a_path_in_another_spelling_is_read_and_said(written, cell, file, difference):
    raw = written(cell, file)
    (clip,) = scan_corpus(raw).clips
    assert Path(clip.path) == raw / file
    (finding,) = scan_corpus(raw).findings
    assert (finding.reason, finding.files) == (Reason.READ_AS, 0)
    assert finding.detail.startswith("manifest.csv, row 2: path ")
    assert f" is read as {file}," in finding.detail
    assert difference in finding.detail


def test_an_absolute_file_url_is_read(written, tmp_path):
    raw = written("a.mp4", "clips/a b.mp4")
    written((raw / "clips/a b.mp4").as_uri())
    (clip,) = scan_corpus(raw).clips
    assert clip.path == str(raw / "clips/a b.mp4")


@pytest.mark.parametrize(
    "name", ["clips\\a.mp4", "a%20b.mp4", "A.mp4", "'a'.mp4", " a.mp4", "C:a.mp4", "file:a.mp4"]
)
def test_a_path_that_exists_as_it_is_written_is_used_as_it_is(written, name):
    raw = written(str(Path("/nowhere")), name, "clips/a.mp4", "a b.mp4", "a.mp4")
    written(str(raw / name))
    (clip,) = scan_corpus(raw).clips
    assert clip.path == str(raw / name)
    assert not scan_corpus(raw).findings


@pytest.mark.parametrize(
    ("cell", "files"),
    [
        ("CLIP.mp4", ("clip.mp4", "Clip.mp4")),
        ("Clips\\a.mp4", ("clips/a.mp4", "CLIPS/A.mp4")),
        ("D:\\data\\clips\\a.mp4", ("a.mp4", "clips/a.mp4")),
        ("e\N{COMBINING ACUTE ACCENT}.MP4", ("é.mp4", "É.mp4")),
    ],
)
def test_a_path_that_fits_several_files_is_not_guessed(written, cell, files):
    raw = written(cell, *files)
    scan = scan_corpus(raw)
    assert not scan.clips
    (finding,) = scan.findings
    assert finding.reason is Reason.AMBIGUOUS_FILE
    assert finding.detail.startswith(f"manifest.csv, row 2: path {cell} ")
    assert all(file in finding.detail for file in files)


def test_a_path_that_fits_nothing_is_missing_and_the_message_says_where_it_was_looked_for(written):
    for cell in ("C:\\clips\\gone.mp4", "gone.mp4", "clips/gone.mp4", "/x/gone.mp4", "file://%%"):
        raw = written(cell, "clips/a.mp4")
        (finding,) = scan_corpus(raw).findings
        assert (finding.reason, cell in finding.detail) == (Reason.MISSING_FILE, True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".a.mp4.icloud", Reason.CLOUD_PLACEHOLDER),
        ("a.mp4.dvc", Reason.DVC_POINTER),
        ("a.mp4.crdownload", Reason.PARTIAL_DOWNLOAD),
    ],
)
def test_what_stands_for_a_missing_file_is_named(written, name, reason):
    (finding,) = scan_corpus(written("a.mp4", name)).findings
    assert (finding.reason, name in finding.detail) == (reason, True)


def test_an_empty_file_and_a_dead_link_are_named_with_their_row(written):
    raw = written("A.mp4", "a.mp4", content=b"")
    (finding,) = scan_corpus(raw).findings
    assert (finding.reason, finding.detail[:26]) == (
        Reason.EMPTY_FILE,
        "manifest.csv, row 2: path ",
    )
    (raw / "a.mp4").unlink()
    (raw / "a.mp4").symlink_to("../.git/annex/objects/1/2/KEY/KEY")
    (finding,) = scan_corpus(raw).findings
    assert finding.reason is Reason.GIT_ANNEX_LINK


def test_rows_that_are_read_as_one_file_are_not_both_used(written):
    raw = written("a.mp4", "a.mp4")
    (raw / "manifest.csv").write_text(HEADER + "a.mp4,a,sad,1\nA.mp4,a,angry,1\n")
    scan = scan_corpus(raw)
    assert not scan.clips
    assert [finding.reason for finding in scan.findings] == [Reason.LABEL_CONFLICT] * 2


@pytest.mark.parametrize(
    ("text", "encoding", "remark"),
    [
        ("sep=;\r\npath;speaker;emotion;sentence\r\na.mp4;a;sad;1\r\n", "utf-8", "';'"),
        ('"SEP=;"\npath;speaker;emotion;sentence\na.mp4;a;sad;1\n', "utf-8-sig", "';'"),
        ("sep=|\npath|speaker|emotion|sentence\na.mp4|a|sad|1\n", "utf-16", "'|'"),
        ("sep=,,,\npath,speaker,emotion,sentence\na.mp4,a,sad,1\n", "utf-8", "','"),
        ("path\tspeaker\temotion\tsentence\r\na.mp4\ta\tsad\t1\r\n", "utf-16-le", "UTF-16"),
        ("path;speaker;emotion;sentence\r\na.mp4;a;sad;1\r\n", "utf-16-be", "UTF-16"),
    ],
)
def test_a_table_as_excel_writes_it_is_read_and_said(written, text, encoding, remark):
    raw = written("a.mp4", "a.mp4")
    (raw / "manifest.csv").write_bytes(text.encode(encoding))
    scan = scan_corpus(raw)
    assert len(scan.clips) == 1
    (finding,) = scan.findings
    assert (finding.reason, finding.files) == (Reason.READ_AS, 0)
    assert finding.detail.startswith("manifest.csv ") and remark in finding.detail


def test_rows_below_a_separator_line_are_counted_as_excel_shows_them(written):
    raw = written("a.mp4")
    (raw / "manifest.csv").write_text("sep=;\npath;speaker;emotion;sentence\ngone.mp4;a;sad;1\n")
    details = [finding.detail for finding in scan_corpus(raw).findings]
    assert any(detail.startswith("manifest.csv, row 2: path gone.mp4") for detail in details)


def test_a_manifest_in_another_case_is_found(written):
    raw = written("a.mp4", "a.mp4")
    (raw / "manifest.csv").rename(raw / "Manifest.CSV")
    assert len(scan_corpus(raw).clips) == 1


def test_labels_in_two_unicode_forms_are_one_and_other_lookalikes_are_said(written):
    raw = written("a.mp4", "a.mp4", "b.mp4", "c.mp4")
    decomposed = unicodedata.normalize("NFD", "Zoë")
    lines = [f"a.mp4,Zoë,neutral,1\nb.mp4,{decomposed},sad,1\nc.mp4,zoë,sad,1\n"]
    (raw / "manifest.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    scan = scan_corpus(raw)
    assert sorted(clip.speaker for clip in scan.clips) == ["Zoë", "Zoë", "zoë"]
    (finding,) = scan.findings
    assert (finding.reason, finding.files) == (Reason.SIMILAR_LABELS, 0)
    assert "'Zoë' and 'zoë'" in finding.detail
    assert len(scan_corpus(raw, speakers=[decomposed]).clips) == 2


def test_an_emotion_that_looks_like_a_known_one_is_said_and_others_are_not(written):
    raw = written("a.mp4", "a.mp4", "b.mp4", "c.mp4", "d.mp4")
    rows = zip("abcd", ("hapy", "proud", "suprised", "Joy"), strict=True)
    lines = [f"{name}.mp4,ann,{emotion},1\n" for name, emotion in rows]
    (raw / "manifest.csv").write_text(HEADER + "".join(lines))
    details = [f.detail for f in scan_corpus(raw).findings if f.reason is Reason.SIMILAR_LABELS]
    assert len(details) == 2
    assert "'hapy' (1 clip) looks like 'happy'" in details[0]
    assert "'suprised' (1 clip) looks like 'surprised'" in details[1]
