"""Manifests and folder names of arbitrary content: a scan finds clips, or reports why not."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stccl_data.clip import Clip, emotion_label, slug
from stccl_data.corpora import Scan, ScanError, scan_corpus
from stccl_data.corpora.tree import MEDIA_SUFFIXES
from stccl_data.pairs.candidates import candidate_pairs, clip_names, utterance_key

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
EXTENSIVE = settings(SLOW, max_examples=150)

#: Cells as people and programs write them, and cells that nobody should write.
CELL = st.one_of(
    st.sampled_from(
        [
            "a.mp4",
            "b.wav",
            "./a.mp4",
            "neutral",
            "angry",
            "s001",
            "1",
            "2.0",
            "",
            "NaN",
            "-1",
            "1e400",
            "a.mp4\0",
        ]
    ),
    st.sampled_from(
        [
            "../../../etc/passwd",
            "/dev/zero",
            ".",
            "~nobody/a",
            "a" * 5000,
            "\ud800",
            "𝕒.mp4",
            "a\nb",
            '"',
            "\u202e.a",
        ]
    ),
    st.text(max_size=12),
)
COLUMNS = (
    "path",
    "speaker",
    "emotion",
    "sentence",
    "clip_id",
    "audio_path",
    "level",
    "take",
    "view",
    "text",
    "corpus",
    "face",
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, CELL)), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELL,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)


@contextmanager
def raw_folder() -> Iterator[Path]:
    """Make a folder with the two files that the manifests name."""
    with tempfile.TemporaryDirectory() as name:
        for file in ("a.mp4", "b.wav"):
            (Path(name) / file).write_bytes(b"x")
        yield Path(name)


def scanned(raw: Path, corpus: str = "auto") -> Scan | None:
    """Scan a corpus and check the invariants of every scan; None if the scan is an error."""
    try:
        scan = scan_corpus(raw, corpus, views=["all"])
    except ScanError as error:
        assert str(error) and "Traceback" not in str(error)
        return None
    ids = [clip.clip_id for clip in scan.clips]
    assert ids == sorted(set(ids))
    for clip in scan.clips:
        assert os.path.isabs(clip.path) and os.path.isfile(clip.path)  # noqa: PTH117, PTH113
        assert emotion_label(clip.emotion) == clip.emotion
        assert Clip.from_row(clip.row()) == clip
    for finding in scan.findings:
        assert finding.reason.advice and finding.detail
    candidates = candidate_pairs(scan.clips, "any")
    keys = [utterance_key(clip) for pair in candidates.pairs for clip in pair]
    assert all(
        key.isascii()
        and "." not in key
        and " " not in key
        and ".." not in key
        and not key.startswith("/")
        for key in keys
    )
    json.dumps([clip.row() for clip in scan.clips], ensure_ascii=False).encode()  # it can be stored
    json.dumps([finding.detail for finding in scan.findings], ensure_ascii=False).encode()
    pa.Table.from_pylist([clip.row() for clip in scan.clips])
    return scan


# tables


@EXTENSIVE
@given(st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), st.binary(max_size=300))
@example("jsonl", b"[" * 200_000)
@example("jsonl", b'{"path": ' * 50_000)
@example("csv", b"path,speaker,emotion,sentence\n" + b"a" * 200_000 + b",a,sad,1\n")
@example("csv", b"path,speaker,emotion,sentence\n\x00,\x00,\x00,\x00\n")
@example("csv", b"\xff\xfep\x00a")
@example("parquet", b"PAR1" + bytes(20) + b"PAR1")
def test_a_manifest_of_arbitrary_bytes_is_scanned_or_refused(suffix, content):
    with raw_folder() as raw:
        (raw / f"manifest.{suffix}").write_bytes(content)
        scanned(raw)


@EXTENSIVE
@given(ROWS)
@example([{"path": "~nobody/a", "speaker": "a", "emotion": "sad", "sentence": "1"}])
@example([{"path": "a.mp4", "speaker": "\ud800", "emotion": "sad", "sentence": "1"}])
@example([{"path": "a.mp4", "speaker": "a", "emotion": "sad", "sentence": "1", "level": "1e400"}])
def test_a_manifest_of_arbitrary_cells_is_scanned_or_refused(rows):
    with raw_folder() as raw:
        lines = [json.dumps(row) for row in rows]
        (raw / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        scanned(raw)


@EXTENSIVE
@given(st.lists(JSON, max_size=4))
@example([{"path": "a.mp4", "speaker": 10**400, "emotion": "sad", "sentence": float("inf")}])
def test_json_lines_of_arbitrary_shape_are_scanned_or_refused(values):
    with raw_folder() as raw:
        (raw / "manifest.jsonl").write_text("\n".join(json.dumps(value) for value in values))
        scanned(raw)


@SLOW
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS[:4], CELL)), min_size=1, max_size=4))
def test_equal_cells_in_parquet_and_json_lines_give_equal_clips(rows):
    rows = [
        {name: cell.encode("utf-8", "replace").decode() for name, cell in row.items()}
        for row in rows
    ]
    with raw_folder() as raw:
        pq.write_table(pa.Table.from_pylist(rows), raw / "manifest.parquet")
        from_parquet = scanned(raw)
        (raw / "manifest.parquet").unlink()
        (raw / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
        from_lines = scanned(raw)
        assert from_parquet is not None
        assert from_lines is not None
        assert from_parquet.clips == from_lines.clips


KINDS = (
    pa.binary(),
    pa.list_(pa.string()),
    pa.struct([("a", pa.int32())]),
    pa.timestamp("ns"),
    pa.null(),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_parquet_column_of_another_type_is_a_finding(tmp_path, kind):
    values = {
        "binary": [b"\xff\xfe"],
        "list<item: string>": [["a.mp4"]],
        "timestamp[ns]": [0],
        "null": [None],
    }
    column = pa.array(values.get(str(kind), [{"a": 1}]), kind)
    (tmp_path / "a.mp4").write_bytes(b"x")
    pq.write_table(pa.table(dict.fromkeys(COLUMNS, column)), tmp_path / "manifest.parquet")
    scan = scanned(tmp_path)
    assert scan is not None
    assert not scan.clips
    assert len(scan.findings) == 1


# names

WORD = st.one_of(
    st.sampled_from(
        [
            "M003",
            "W009",
            "video",
            "audio",
            "front",
            "top",
            "angry",
            "neutral",
            "level_1",
            "level_9",
            "Actor_01",
        ]
    ),
    st.sampled_from(
        [
            "001",
            "000",
            "999",
            "1001_IEO_ANG_XX",
            "01-01-05-01-02-01-12",
            "M003_front_angry_level_1_001",
            "VideoFlash",
        ]
    ),
    st.sampled_from(
        [
            "...",
            "-",
            "--help",
            "%s%n",
            "a\\b",
            "$(touch x)",
            "`x`",
            "é",
            "e\u0301",
            "\u202e",
            "M003;rm",
            "01-01",
        ]
    ),
    st.text(
        st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]),
        min_size=1,
        max_size=8,
    ).filter(lambda name: name.strip(".") != ""),
)
PLACE = st.tuples(
    st.lists(WORD, max_size=5),
    WORD,
    st.sampled_from([".mp4", ".MP4", ".wav", ".m4a", ".flv", ".txt", ".tar", ""]),
)


@EXTENSIVE
@given(
    st.lists(PLACE, min_size=1, max_size=8), st.sampled_from(["auto", "mead", "ravdess", "cremad"])
)
def test_every_media_file_of_an_arbitrary_tree_is_accounted_for(places, corpus):
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        raw.mkdir()
        for parts, stem, suffix in places:
            try:
                path = raw.joinpath(*parts, stem + suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
            except (
                OSError,
                ValueError,
            ):  # a file is in the place of a folder, or the name is too long
                continue
        if any(path.name in ("manifest.csv", "manifest.jsonl") for path in raw.iterdir()):
            return
        scan = scanned(raw, corpus)
        if scan is None or scan.corpus == "own":
            return
        used = {clip.path for clip in scan.clips} | {
            clip.audio_path for clip in scan.clips if clip.audio_path
        }
        media = [
            path
            for path in raw.rglob("*")
            if path.is_file()
            and path.suffix.lower() in MEDIA_SUFFIXES
            and not any(p.startswith(".") for p in path.relative_to(raw).parts)
        ]
        reported = sum(finding.files for finding in scan.findings)
        assert len(used) + reported >= len(media)


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_slug_can_stand_in_a_key_and_is_unique_to_its_text(first, second):
    assert slug(first).isascii()
    assert slug(first)
    assert not set(slug(first)) & set("./\\ +\n\0")
    assert (slug(first) == slug(second)) == (first == second)


@given(
    st.lists(
        st.tuples(st.sampled_from(["sad", "happy"]), st.integers(0, 3), st.integers(1, 2)),
        min_size=1,
        max_size=8,
    )
)
def test_the_clips_of_an_utterance_have_unique_names(labels):
    template = Clip(clip_id="", corpus="own", speaker="a", emotion="sad", sentence="1", path="")
    clips = [
        replace(template, clip_id=str(i), emotion=e, level=level, take=take)
        for i, (e, level, take) in enumerate(labels)
    ]
    names = clip_names(clips)
    assert len(set(names.values())) == len(clips)
    assert clip_names(clips[::-1]) == names
