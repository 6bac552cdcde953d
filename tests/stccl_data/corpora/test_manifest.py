"""Manifests of one's own: what is read, and how each bad row is named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.errors import Reason

ROWS = [
    {"path": "a.mp4", "speaker": "Ann", "emotion": "neutral", "sentence": "1"},
    {"path": "clips of mine/b c.mp4", "speaker": "Ann", "emotion": "Anger", "sentence": "1"},
    {"path": "zoë.mp4", "speaker": "Zoë", "emotion": "happy", "sentence": "hello, you"},
]


@pytest.fixture
def own(tmp_path):
    """Write a manifest and the files that it names; `text` as it is, or rows in the form of the suffix."""

    def write(
        rows,
        name="manifest.csv",
        files=("a.mp4", "b.mp4", "c.mp4", "d.mp4", "clips of mine/b c.mp4", "zoë.mp4"),
    ):
        raw = tmp_path / "raw"
        for file in files:
            (raw / file).parent.mkdir(parents=True, exist_ok=True)
            (raw / file).touch()
        path = raw / name
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif isinstance(rows, str):
            path.write_text(rows, encoding="utf-8")
        elif path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        else:
            cell = "{}".format if path.suffix == ".tsv" else '"{}"'.format
            between = "\t" if path.suffix == ".tsv" else ","
            lines = [
                between.join(rows[0]),
                *(between.join(cell(value) for value in row.values()) for row in rows),
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "name", ["manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet"]
)
def test_every_form_of_manifest_gives_the_same_clips(own, name):
    path = own(ROWS, name)
    scan = scan_corpus(path)
    assert scan == scan_corpus(path, "own")
    assert (scan.corpus, scan.findings) == ("own", ())
    assert [
        (clip.speaker, clip.emotion, clip.sentence, clip.level, clip.take, clip.view)
        for clip in scan.clips
    ] == [
        ("Ann", "angry", "1", 1, 1, "front"),
        ("Ann", "neutral", "1", 1, 1, "front"),
        ("Zoë", "happy", "hello, you", 1, 1, "front"),
    ]
    assert [Path(clip.path).relative_to(path.parent).as_posix() for clip in scan.clips] == [
        "clips of mine/b c.mp4",
        "a.mp4",
        "zoë.mp4",
    ]
    assert scan.clips[1].clip_id == "own/Ann/front/neutral-1/1-t001"
    assert all(
        clip.clip_id.isascii() and " " not in clip.clip_id and "." not in clip.clip_id
        for clip in scan.clips
    )
    assert scan_corpus(path.parent).clips == scan.clips


def test_byte_order_mark_line_ends_semicolons_and_header_case_are_read(own):
    text = "Path;Speaker;Emotion;Sentence;Notes\r\na.mp4;Ann;neutral;one;x\r\n\r\nb.mp4;Ann;sad;one;\r\n"
    for written in (text.encode("utf-8-sig"), text.encode("utf-16")):
        scan = scan_corpus(own(written))
        assert len(scan.clips) == 2, scan.findings
        assert not scan.findings


def test_optional_columns_are_kept_and_clip_id_word_for_word(own):
    row = {
        **ROWS[0],
        "clip_id": "My clip 1.final",
        "audio_path": "s.wav",
        "level": 2,
        "take": 4,
        "view": "left",
        "text": "Hi",
        "corpus": "mine",
    }
    (clip,) = scan_corpus(own([row], files=("a.mp4", "s.wav"))).clips
    assert (clip.clip_id, clip.level, clip.take, clip.view, clip.text, clip.corpus) == (
        "My clip 1.final",
        2,
        4,
        "left",
        "Hi",
        "mine",
    )
    assert clip.audio_path is not None
    assert clip.audio_path.endswith("s.wav")


def test_numbers_in_a_table_are_read_as_people_wrote_them(own):
    (clip,) = scan_corpus(
        own(
            [{**ROWS[0], "speaker": 7.0, "sentence": 12, "level": 2.0, "take": None}],
            "manifest.parquet",
        )
    ).clips
    assert (clip.speaker, clip.sentence, clip.level) == ("7", "12", 2)


def test_absolute_paths_and_paths_from_home_are_read(own, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "raw"))
    path = own(
        [{**ROWS[0], "path": "~/a.mp4"}, {**ROWS[1], "path": str(tmp_path / "raw" / "b.mp4")}]
    )
    assert {Path(clip.path).name for clip in scan_corpus(path).clips} == {"a.mp4", "b.mp4"}


def test_a_file_whose_name_begins_with_a_tilde_is_a_file(own):
    path = own(
        [{**ROWS[0], "path": "~a.mp4"}, {**ROWS[1], "path": "b.mp4"}], files=("~a.mp4", "b.mp4")
    )
    assert {Path(clip.path).name for clip in scan_corpus(path).clips} == {"~a.mp4", "b.mp4"}


@pytest.mark.parametrize(
    ("row", "reason", "said"),
    [
        ("~nobody/b.mp4,Ann,sad,one", Reason.MISSING_FILE, "~nobody/b.mp4 is not there"),
        ("b.mp4,Ann,,one", Reason.BAD_ROW, "no value in column emotion"),
        ("b.mp4,,sad,", Reason.BAD_ROW, "no value in column speaker, sentence"),
        ("b.mp4,Ann", Reason.BAD_ROW, "no value in column emotion, sentence"),
        (
            "b.mp4,Ann,bored,one",
            Reason.BAD_ROW,
            "'bored' is not known; the words are neutral, calm",
        ),
        ("b.mp4,Ann,sad,one,two", Reason.BAD_ROW, "5 cells where the header names 4"),
        ("gone.mp4,Ann,sad,one", Reason.MISSING_FILE, "gone.mp4 is not there"),
        ("clips of mine,Ann,sad,one", Reason.MISSING_FILE, "is no file"),
        ("notes.txt,Ann,sad,one", Reason.NOT_MEDIA, "'.txt'"),
        ("a.mp4,Ann,neutral,one", Reason.DUPLICATE_CLIP, "was listed in row 2"),
    ],
)
def test_a_bad_row_is_named_by_its_number_and_the_others_go_on(own, row, reason, said):
    text = (
        "path,speaker,emotion,sentence\na.mp4,Ann,neutral,one\n"
        + "\n" * 3
        + f"{row}\nc.mp4,Ann,happy,one\n"
    )
    path = own(text, files=("a.mp4", "b.mp4", "c.mp4", "notes.txt", "clips of mine/x.mp4"))
    scan = scan_corpus(path)
    assert [clip.emotion for clip in scan.clips] == ["happy", "neutral"]
    (finding,) = scan.findings
    assert (finding.reason, finding.path) == (reason, str(path))
    assert finding.detail.startswith("manifest.csv, row 6: ")
    assert said in finding.detail
    assert "\n" not in finding.detail


def test_a_cell_over_two_lines_is_one_row(own):
    text = 'path,speaker,emotion,sentence,text\na.mp4,Ann,neutral,one,"first\nsecond"\nb.mp4,Ann,sad,,x\n'
    scan = scan_corpus(own(text))
    assert len(scan.clips) == 1
    assert scan.findings[0].detail.startswith("manifest.csv, row 3: ")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("level", "high"),
        ("level", "-1"),
        ("level", "1.5"),
        ("take", "0"),
        ("take", "nan"),
        ("level", "inf"),
    ],
)
def test_a_level_or_take_that_is_no_count_is_a_bad_row(own, column, value):
    (finding,) = scan_corpus(own([{**ROWS[0], column: value}])).findings
    assert finding.reason == Reason.BAD_ROW
    assert f"{column} '{value}'" in finding.detail


def test_json_lines_that_are_none_are_named(own):
    good = json.dumps(ROWS[0])
    scan = scan_corpus(own(f'{good}\n{{"path": \n[1, 2]\n{{"path": "b.mp4"}}\n', "manifest.jsonl"))
    assert len(scan.clips) == 1
    assert [finding.detail.split(":")[0] for finding in scan.findings] == [
        f"manifest.jsonl, row {number}" for number in (2, 3, 4)
    ]


def test_a_missing_column_stops_the_scan_and_the_columns_found_are_named(own):
    for name in ("manifest.csv", "manifest.jsonl", "manifest.parquet"):
        row = {"path": "a.mp4", "speaker": "Ann", "feeling": "sad", "sentence": "1"}
        with pytest.raises(
            ScanError, match="no column emotion; its columns are path, speaker, feeling, sentence"
        ):
            scan_corpus(own([row], name))
        (own([row], name)).unlink()
    with pytest.raises(ScanError, match="its columns are none"):
        scan_corpus(own(""))
    with pytest.raises(ScanError, match="column path more than once"):
        scan_corpus(own("path,path,speaker,emotion,sentence\n"))


def test_what_is_no_manifest_stops_the_scan(own):
    with pytest.raises(ScanError, match="not UTF-8"):
        scan_corpus(own("path,speaker,emotion,sentence\nzoë.mp4,Zoë,sad,1\n".encode("latin-1")))
    own(ROWS).unlink()
    with pytest.raises(ScanError, match="not a Parquet file"):
        scan_corpus(own(b"PK nonsense", "manifest.parquet"))
    with pytest.raises(ScanError, match="is no manifest"):
        scan_corpus(own("x", "clips.xlsx"))


def test_two_manifests_in_a_folder_are_not_chosen_between(own):
    path = own(ROWS)
    own(ROWS, "manifest.jsonl")
    with pytest.raises(ScanError, match=r"manifest.csv and manifest.jsonl: name the one"):
        scan_corpus(path.parent)
    assert scan_corpus(path).clips


def test_a_clip_id_given_twice_is_a_finding_for_the_second(own):
    rows = [{**row, "clip_id": "same"} for row in ROWS[:2]]
    scan = scan_corpus(own(rows))
    assert [clip.emotion for clip in scan.clips] == ["neutral"]
    assert scan.findings[0].reason == Reason.DUPLICATE_CLIP
    assert "row 3: clip_id same was given in row 2" in scan.findings[0].detail


def test_one_file_under_two_labels_is_used_under_neither(own):
    scan = scan_corpus(own([ROWS[0], {**ROWS[0], "sentence": "2"}, ROWS[1]]))
    assert [clip.emotion for clip in scan.clips] == ["angry"]
    assert [finding.reason for finding in scan.findings] == [Reason.LABEL_CONFLICT] * 2
    assert "row 2: " in scan.findings[0].detail
    assert "other labels in row 3" in scan.findings[0].detail


def test_equal_labels_are_takes_in_the_order_of_the_rows(own):
    rows = [
        {**ROWS[0], "path": path, "take": take}
        for path, take in (("a.mp4", ""), ("b.mp4", "1"), ("c.mp4", ""), ("d.mp4", "1"))
    ]
    scan = scan_corpus(own(rows))
    assert {Path(clip.path).name: clip.take for clip in scan.clips} == {
        "b.mp4": 1,
        "a.mp4": 2,
        "c.mp4": 3,
    }
    (finding,) = scan.findings
    assert "row 5: the labels are those of row 3" in finding.detail


def test_labels_that_differ_never_share_a_clip_id(own):
    speakers = ["A.1", "A 1", "A-1", "a.1"]
    rows = [
        {**ROWS[0], "path": path, "speaker": speaker}
        for path, speaker in zip("abcd", speakers, strict=True)
    ]
    rows = [{**row, "path": row["path"] + ".mp4"} for row in rows]
    scan = scan_corpus(own(rows))
    assert len({clip.clip_id for clip in scan.clips}) == 4


def test_a_made_id_gives_way_to_a_given_one(own):
    taken = "own/Ann/front/angry-1/1-t001"
    scan = scan_corpus(own([{**ROWS[0], "clip_id": taken}, {**ROWS[1], "clip_id": ""}]))
    assert sorted(clip.clip_id for clip in scan.clips) == [taken, f"{taken}-row3"]


def test_all_views_of_an_own_corpus_are_wanted_unless_some_are_named(own):
    path = own(
        [{**row, "view": view} for row, view in zip(ROWS, ("front", "left", "cam2"), strict=True)]
    )
    assert len(scan_corpus(path).clips) == 3
    assert [clip.view for clip in scan_corpus(path, views=["cam2"]).clips] == ["cam2"]


def test_a_file_that_cannot_be_reached_is_not_called_missing(nobodys):
    (nobodys / "locked").mkdir()
    (nobodys / "locked" / "a.mp4").touch()
    manifest = nobodys / "manifest.csv"
    manifest.write_text("path,speaker,emotion,sentence\nlocked/a.mp4,Ann,sad,1\n")
    (nobodys / "locked").chmod(0)
    (finding,) = scan_corpus(manifest).findings
    assert finding.reason == Reason.NOT_PERMITTED
    assert "row 2: path locked/a.mp4 cannot be reached" in finding.detail
    manifest.chmod(0)
    with pytest.raises(ScanError, match="cannot read the manifest"):
        scan_corpus(manifest)
