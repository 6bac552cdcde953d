"""Manifests: what is read, and how invalid rows are reported."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.errors import Reason
from tests.testing.media import record
from tests.testing.numbered import counted_frames

ROWS = [
    {"path": "a.mp4", "speaker": "Ann", "emotion": "neutral", "sentence": "1"},
    {"path": "clips of mine/b c.mp4", "speaker": "Ann", "emotion": "Anger", "sentence": "1"},
    {"path": "zoë.mp4", "speaker": "Zoë", "emotion": "happy", "sentence": "hello, you"},
]


@pytest.fixture
def write_manifest(tmp_path):
    """Return a function that writes a manifest and creates the files it lists.

    Text and bytes are written as they are, rows in the format of the suffix.
    """

    def write(
        rows,
        name="manifest.csv",
        files=("a.mp4", "b.mp4", "c.mp4", "d.mp4", "clips of mine/b c.mp4", "zoë.mp4"),
    ):
        raw = tmp_path / "raw"
        for file in files:
            (raw / file).parent.mkdir(parents=True, exist_ok=True)
            (raw / file).write_bytes(b"x")
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
            delimiter = "\t" if path.suffix == ".tsv" else ","
            lines = [
                delimiter.join(rows[0]),
                *(delimiter.join(cell(value) for value in row.values()) for row in rows),
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "name", ["manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet"]
)
def test_every_format_gives_the_same_clips(write_manifest, name):
    path = write_manifest(ROWS, name)
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


def test_byte_order_mark_crlf_semicolons_and_header_case_are_accepted(write_manifest):
    text = (
        "Path;Speaker;Emotion;Sentence;Notes\r\n"
        "a.mp4;Ann;neutral;one;x\r\n\r\nb.mp4;Ann;sad;one;\r\n"
    )
    for written in (text.encode("utf-8-sig"), text.encode("utf-16")):
        scan = scan_corpus(write_manifest(written))
        assert len(scan.clips) == 2, scan.findings
        assert not scan.findings


def test_optional_columns_and_the_clip_id_are_kept_unchanged(write_manifest):
    row = {
        **ROWS[0],
        "clip_id": "My clip 1.final",
        "audio_path": "s.wav",
        "level": 2,
        "take": 4,
        "view": "left",
        "text": "Hi",
        "corpus": "mine",
        "face": "10.0, 20 30;40",
    }
    (clip,) = scan_corpus(write_manifest([row], files=("a.mp4", "s.wav"))).clips
    assert (clip.clip_id, clip.level, clip.take, clip.view, clip.text, clip.corpus) == (
        "My clip 1.final",
        2,
        4,
        "left",
        "Hi",
        "mine",
    )
    assert clip.face == "10,20,30,40"
    assert clip.audio_path is not None
    assert clip.audio_path.endswith("s.wav")


def test_whole_floats_are_read_as_integers(write_manifest):
    (clip,) = scan_corpus(
        write_manifest(
            [{**ROWS[0], "speaker": 7.0, "sentence": 12, "level": 2.0, "take": None}],
            "manifest.parquet",
        )
    ).clips
    assert (clip.speaker, clip.sentence, clip.level) == ("7", "12", 2)


def test_absolute_paths_and_paths_from_home_are_accepted(write_manifest, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "raw"))
    path = write_manifest(
        [{**ROWS[0], "path": "~/a.mp4"}, {**ROWS[1], "path": str(tmp_path / "raw" / "b.mp4")}]
    )
    assert {Path(clip.path).name for clip in scan_corpus(path).clips} == {"a.mp4", "b.mp4"}


def test_an_existing_file_whose_name_starts_with_a_tilde_is_used(write_manifest):
    path = write_manifest(
        [{**ROWS[0], "path": "~a.mp4"}, {**ROWS[1], "path": "b.mp4"}], files=("~a.mp4", "b.mp4")
    )
    assert {Path(clip.path).name for clip in scan_corpus(path).clips} == {"~a.mp4", "b.mp4"}


def test_emotions_outside_the_vocabulary_are_kept_and_safe_in_clip_ids(write_manifest):
    words = ("Boredom", "boredom ", "überdreht", "Uberdreht", "退屈", "a.b c", "Wut")
    rows = [{**ROWS[0], "path": f"{n}.mp4", "emotion": word} for n, word in enumerate(words)]
    scan = scan_corpus(write_manifest(rows, files=[row["path"] for row in rows]))
    assert scan.findings == ()
    labels = {Path(clip.path).stem: (clip.emotion, clip.take) for clip in scan.clips}
    assert [labels[str(n)] for n in range(len(words))] == [
        ("boredom", 1),
        ("boredom", 2),
        ("überdreht", 1),
        ("uberdreht", 1),
        ("退屈", 1),
        ("a.b c", 1),
        ("angry", 1),
    ]
    ids = [clip.clip_id for clip in scan.clips]
    assert len(set(ids)) == len(words)
    assert "own/Ann/front/boredom-1/1-t002" in ids
    assert all(clip_id.isascii() and not set(clip_id) & set(". ") for clip_id in ids)
    assert [clip.emotion for clip in scan_corpus(scan.root, emotions=["Überdreht"]).clips] == [
        "überdreht"
    ]


@pytest.mark.parametrize(
    ("row", "reason", "value"),
    [
        ("~nobody/b.mp4,Ann,sad,one", Reason.MISSING_FILE, "~nobody/b.mp4"),
        ("b.mp4,Ann,,one", Reason.BAD_ROW, "emotion"),
        ("b.mp4,,sad,", Reason.BAD_ROW, "speaker, sentence"),
        ("b.mp4,Ann", Reason.BAD_ROW, "emotion, sentence"),
        ("b.mp4,Ann,../../x,one", Reason.BAD_ROW, "'../../x'"),
        ("b.mp4,Ann,?!,one", Reason.BAD_ROW, "'?!'"),
        ("b.mp4,Ann,sad,one,two", Reason.BAD_ROW, "5"),
        ("gone.mp4,Ann,sad,one", Reason.MISSING_FILE, "gone.mp4"),
        ("clips of mine,Ann,sad,one", Reason.MISSING_FILE, "clips of mine"),
        ("notes.txt,Ann,sad,one", Reason.NOT_MEDIA, "'.txt'"),
        ("a.mp4,Ann,neutral,one", Reason.DUPLICATE_CLIP, "row 2"),
    ],
)
def test_an_invalid_row_is_a_finding_with_its_number(write_manifest, row, reason, value):
    text = (
        "path,speaker,emotion,sentence\na.mp4,Ann,neutral,one\n"
        + "\n" * 3
        + f"{row}\nc.mp4,Ann,happy,one\n"
    )
    path = write_manifest(
        text, files=("a.mp4", "b.mp4", "c.mp4", "notes.txt", "clips of mine/x.mp4")
    )
    scan = scan_corpus(path)
    assert [clip.emotion for clip in scan.clips] == ["happy", "neutral"]
    (finding,) = scan.findings
    assert (finding.reason, finding.path) == (reason, str(path))
    assert finding.detail.startswith("manifest.csv, row 6: ")
    assert value in finding.detail
    assert "\n" not in finding.detail


def test_a_cell_with_a_line_break_belongs_to_one_row(write_manifest):
    text = (
        "path,speaker,emotion,sentence,text\n"
        'a.mp4,Ann,neutral,one,"first\nsecond"\nb.mp4,Ann,sad,,x\n'
    )
    scan = scan_corpus(write_manifest(text))
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
def test_a_level_or_take_that_is_not_a_whole_number_is_a_bad_row(write_manifest, column, value):
    (finding,) = scan_corpus(write_manifest([{**ROWS[0], column: value}])).findings
    assert finding.reason == Reason.BAD_ROW
    assert f"{column} '{value}'" in finding.detail


def test_invalid_json_lines_are_findings_with_their_number(write_manifest):
    good = json.dumps(ROWS[0])
    scan = scan_corpus(
        write_manifest(f'{good}\n{{"path": \n[1, 2]\n{{"path": "b.mp4"}}\n', "manifest.jsonl")
    )
    assert len(scan.clips) == 1
    assert [finding.detail.split(":")[0] for finding in scan.findings] == [
        f"manifest.jsonl, row {number}" for number in (2, 3, 4)
    ]


def test_a_missing_or_repeated_column_raises_and_names_the_columns(write_manifest):
    for name in ("manifest.csv", "manifest.jsonl", "manifest.parquet"):
        row = {"path": "a.mp4", "speaker": "Ann", "feeling": "sad", "sentence": "1"}
        with pytest.raises(ScanError, match=r"emotion.*path, speaker, feeling, sentence"):
            scan_corpus(write_manifest([row], name))
        (write_manifest([row], name)).unlink()
    with pytest.raises(ScanError, match=r"path, speaker, emotion, sentence.*none"):
        scan_corpus(write_manifest(""))
    with pytest.raises(ScanError, match=r"manifest\.csv.*\bpath\b"):
        scan_corpus(write_manifest("path,path,speaker,emotion,sentence\n"))


def test_a_file_that_is_not_a_manifest_raises(write_manifest):
    with pytest.raises(ScanError, match=r"manifest\.csv, line 2.*UTF-8"):
        scan_corpus(
            write_manifest("path,speaker,emotion,sentence\nzoë.mp4,Zoë,sad,1\n".encode("latin-1"))
        )
    write_manifest(ROWS).unlink()
    with pytest.raises(ScanError, match=r"manifest\.parquet.*Parquet"):
        scan_corpus(write_manifest(b"PK nonsense", "manifest.parquet"))
    with pytest.raises(ScanError, match=r"clips\.xlsx"):
        scan_corpus(write_manifest("x", "clips.xlsx"))


def test_two_manifests_in_a_folder_raise(write_manifest):
    path = write_manifest(ROWS)
    write_manifest(ROWS, "manifest.jsonl")
    with pytest.raises(ScanError, match=r"manifest\.csv and manifest\.jsonl"):
        scan_corpus(path.parent)
    assert scan_corpus(path).clips


def test_a_repeated_clip_id_is_a_finding_for_the_second_row(write_manifest):
    rows = [{**row, "clip_id": "same"} for row in ROWS[:2]]
    scan = scan_corpus(write_manifest(rows))
    assert [clip.emotion for clip in scan.clips] == ["neutral"]
    assert scan.findings[0].reason == Reason.DUPLICATE_CLIP
    assert re.search("row 3: .*same.*row 2", scan.findings[0].detail)


def test_a_file_with_two_labels_is_not_used(write_manifest):
    scan = scan_corpus(write_manifest([ROWS[0], {**ROWS[0], "sentence": "2"}, ROWS[1]]))
    assert [clip.emotion for clip in scan.clips] == ["angry"]
    assert [finding.reason for finding in scan.findings] == [Reason.LABEL_CONFLICT] * 2
    assert re.search("row 2: .*row 3", scan.findings[0].detail)


def test_rows_with_equal_labels_are_takes_in_order(write_manifest):
    rows = [
        {**ROWS[0], "path": path, "take": take}
        for path, take in (("a.mp4", ""), ("b.mp4", "1"), ("c.mp4", ""), ("d.mp4", "1"))
    ]
    scan = scan_corpus(write_manifest(rows))
    assert {Path(clip.path).name: clip.take for clip in scan.clips} == {
        "b.mp4": 1,
        "a.mp4": 2,
        "c.mp4": 3,
    }
    (finding,) = scan.findings
    assert re.search("row 5: .*take 1.*row 3", finding.detail)


def test_different_labels_never_share_a_clip_id(write_manifest):
    speakers = ["A.1", "A 1", "A-1", "a.1"]
    rows = [
        {**ROWS[0], "path": path, "speaker": speaker}
        for path, speaker in zip("abcd", speakers, strict=True)
    ]
    rows = [{**row, "path": row["path"] + ".mp4"} for row in rows]
    scan = scan_corpus(write_manifest(rows))
    assert len({clip.clip_id for clip in scan.clips}) == 4


def test_a_generated_id_avoids_a_given_one(write_manifest):
    taken = "own/Ann/front/angry-1/1-t001"
    scan = scan_corpus(write_manifest([{**ROWS[0], "clip_id": taken}, {**ROWS[1], "clip_id": ""}]))
    assert sorted(clip.clip_id for clip in scan.clips) == [taken, f"{taken}-row3"]


def test_all_views_of_a_manifest_are_used_by_default(write_manifest):
    path = write_manifest(
        [{**row, "view": view} for row, view in zip(ROWS, ("front", "left", "cam2"), strict=True)]
    )
    assert len(scan_corpus(path).clips) == 3
    assert [clip.view for clip in scan_corpus(path, views=["cam2"]).clips] == ["cam2"]


def test_an_inaccessible_file_is_not_reported_as_missing(nobodys):
    (nobodys / "locked").mkdir()
    (nobodys / "locked" / "a.mp4").write_bytes(b"x")
    manifest = nobodys / "manifest.csv"
    manifest.write_text("path,speaker,emotion,sentence\nlocked/a.mp4,Ann,sad,1\n")
    (nobodys / "locked").chmod(0)
    (finding,) = scan_corpus(manifest).findings
    assert finding.reason == Reason.NOT_PERMITTED
    assert "row 2: path locked/a.mp4 " in finding.detail
    manifest.chmod(0)
    with pytest.raises(ScanError, match=r"manifest\.csv"):
        scan_corpus(manifest)


@pytest.mark.parametrize("face", ["12", "a,b", "1,2,3", "-4,5", "30,20,10,40", "1,nan"])
def test_an_invalid_place_of_the_face_is_an_invalid_row(write_manifest, face):
    scan = scan_corpus(write_manifest([{**ROWS[0], "face": face}, ROWS[1]]))
    assert [finding.reason for finding in scan.findings] == [Reason.BAD_ROW]
    assert face in scan.findings[0].detail and len(scan.clips) == 1


def test_a_file_with_two_faces_is_two_clips(write_manifest):
    rows = [{**ROWS[0], "face": "10,20"}, {**ROWS[0], "speaker": "other", "face": "300,20"}]
    scan = scan_corpus(write_manifest(rows, files=("a.mp4",)))
    assert not scan.findings
    assert [clip.face for clip in sorted(scan.clips, key=lambda c: c.speaker != "other")] == [
        "300,20",
        "10,20",
    ]


def test_rows_can_be_parts_of_one_recording(tmp_path):
    (tmp_path / "long.mp4").write_bytes(b"x")
    table = tmp_path / "manifest.csv"
    table.write_text(
        "path,speaker,emotion,sentence,start,end,license,consent\n"
        "long.mp4,ann,sad,s1,1.25,3,CC BY 4.0,form-7\n"
        "long.mp4,ann,happy,s1,1:02:03.5,1:02:06,,\n"
        "long.mp4,ann,angry,s1,3800,,,\n"
    )
    sad, happy, angry = (
        next(clip for clip in scan_corpus(table).clips if clip.emotion == emotion)
        for emotion in ("sad", "happy", "angry")
    )
    assert (sad.cut.start, sad.cut.end, sad.license, sad.consent) == (
        1.25,
        3,
        "CC BY 4.0",
        "form-7",
    )
    assert (happy.cut.start, happy.cut.end) == (3723.5, 3726)
    assert (angry.start, angry.end) == (3800, None)


@pytest.mark.parametrize(
    ("start", "end"),
    [("3", "2"), ("1", "1"), ("-1", "2"), ("soon", "2"), ("1:70", "99"), ("0", "inf")],
)
def test_an_invalid_part_is_a_bad_row(tmp_path, start, end):
    (tmp_path / "long.mp4").write_bytes(b"x")
    table = tmp_path / "manifest.csv"
    table.write_text(f"path,speaker,emotion,sentence,start,end\nlong.mp4,a,sad,s,{start},{end}\n")
    (finding,) = scan_corpus(table).findings
    assert finding.reason is Reason.BAD_ROW


def test_rows_outside_the_file_have_that_reason_and_contradict_nothing(tmp_path):
    record(tmp_path / "long.mp4", counted_frames(50))
    table = tmp_path / "manifest.csv"
    head = "path,speaker,emotion,sentence,start,end\n"
    outside = "long.mp4,a,sad,s,100,102\nlong.mp4,a,happy,s,100.5,103\n"
    table.write_text(head + outside + "long.mp4,a,neutral,s,1,\nlong.mp4,a,fear,s,0,1\n")
    scan = scan_corpus(table)
    assert [clip.emotion for clip in scan.clips] == ["fear", "neutral"]
    assert [finding.reason for finding in scan.findings] == [Reason.CUT_OUTSIDE] * 2
    assert re.search(r"row 2: .*ends 1\.960 s after", scan.findings[0].detail)


def test_a_row_without_an_end_that_covers_others_is_named(tmp_path):
    record(tmp_path / "long.mp4", counted_frames(100))
    table = tmp_path / "manifest.csv"
    head = "path,speaker,emotion,sentence,start,end\n"
    table.write_text(head + "long.mp4,a,sad,s,1,\nlong.mp4,a,happy,s,2,\n")
    details = [finding.detail for finding in scan_corpus(table).findings]
    assert [re.search("row (.) has no end", detail)[1] for detail in details] == ["2", "2"]


def test_parts_that_overlap_by_more_than_half_are_one_clip(tmp_path):
    (tmp_path / "long.mp4").write_bytes(b"x")
    table = tmp_path / "manifest.csv"
    head = "path,speaker,emotion,sentence,start,end\n"
    table.write_text(head + "long.mp4,a,sad,s,0,4\nlong.mp4,a,sad,s,3,6\nlong.mp4,a,sad,t,3.5,6\n")
    listing = scan_corpus(table)
    assert [clip.cut.end for clip in listing.clips] == [4]
    assert {finding.reason for finding in listing.findings} == {Reason.LABEL_CONFLICT}
    table.write_text(head + "long.mp4,a,sad,s,1,4\nlong.mp4,a,sad,s,,\n")
    assert [f.reason for f in scan_corpus(table).findings] == [Reason.DUPLICATE_CLIP]
