"""Whatever a table, a name, a signal or a shard says: the answer is what it means, or a sentence. Never another exception."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.clip import Clip, parse_emotion, slug
from stccl_data.corpora import Scan, ScanError, scan_corpus
from stccl_data.corpora.tree import MEDIA_SUFFIXES
from stccl_data.dataset.members import ShardError, member_arrays
from stccl_data.dataset.tar import read_stream
from stccl_data.errors import ClipError
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from stccl_data.pairs.candidates import candidate_pairs, clip_names, utterance_key
from tests.testing import datasets as small

SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
EXTENSIVE = settings(SLOW, max_examples=150)

#: What people and machines write into cells, and what neither should.
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
def folder() -> Iterator[Path]:
    """A fresh folder for each example, with the two files that manifests name."""
    with tempfile.TemporaryDirectory() as name:
        for file in ("a.mp4", "b.wav"):
            (Path(name) / file).touch()
        yield Path(name)


def scanned(raw: Path, corpus: str = "auto") -> Scan | None:
    """The scan, checked for what holds of every scan; None where there is a sentence instead."""
    try:
        scan = scan_corpus(raw, corpus, views=["all"])
    except ScanError as error:
        assert str(error) and "Traceback" not in str(error)
        return None
    ids = [clip.clip_id for clip in scan.clips]
    assert ids == sorted(set(ids))
    for clip in scan.clips:
        assert os.path.isabs(clip.path) and os.path.isfile(clip.path)  # noqa: PTH117, PTH113
        assert parse_emotion(clip.emotion) == clip.emotion
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


# --- tables ------------------------------------------------------------------------------------------------------------------


@EXTENSIVE
@given(st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), st.binary(max_size=300))
@example("jsonl", b"[" * 200_000)
@example("jsonl", b'{"path": ' * 50_000)
@example("csv", b"path,speaker,emotion,sentence\n" + b"a" * 200_000 + b",a,sad,1\n")
@example("csv", b"path,speaker,emotion,sentence\n\x00,\x00,\x00,\x00\n")
@example("csv", b"\xff\xfep\x00a")
@example("parquet", b"PAR1" + bytes(20) + b"PAR1")
def test_bytes_that_call_themselves_a_manifest(suffix, content):
    with folder() as raw:
        (raw / f"manifest.{suffix}").write_bytes(content)
        scanned(raw)


@EXTENSIVE
@given(ROWS)
@example([{"path": "~nobody/a", "speaker": "a", "emotion": "sad", "sentence": "1"}])
@example([{"path": "a.mp4", "speaker": "\ud800", "emotion": "sad", "sentence": "1"}])
@example([{"path": "a.mp4", "speaker": "a", "emotion": "sad", "sentence": "1", "level": "1e400"}])
def test_rows_of_anything(rows):
    with folder() as raw:
        lines = [json.dumps(row) for row in rows]
        (raw / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        scanned(raw)


@EXTENSIVE
@given(st.lists(JSON, max_size=4))
@example([{"path": "a.mp4", "speaker": 10**400, "emotion": "sad", "sentence": float("inf")}])
def test_json_lines_of_any_shape(values):
    with folder() as raw:
        (raw / "manifest.jsonl").write_text("\n".join(json.dumps(value) for value in values))
        scanned(raw)


@SLOW
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS[:4], CELL)), min_size=1, max_size=4))
def test_cells_of_anything_in_csv_and_parquet_mean_the_same(rows):
    rows = [
        {name: cell.encode("utf-8", "replace").decode() for name, cell in row.items()}
        for row in rows
    ]
    with folder() as raw:
        pq.write_table(pa.Table.from_pylist(rows), raw / "manifest.parquet")
        one = scanned(raw)
        (raw / "manifest.parquet").unlink()
        (raw / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
        other = scanned(raw)
        assert one is not None and other is not None and one.clips == other.clips


KINDS = (
    pa.binary(),
    pa.list_(pa.string()),
    pa.struct([("a", pa.int32())]),
    pa.timestamp("ns"),
    pa.null(),
)


@pytest.mark.parametrize("kind", KINDS)
def test_parquet_columns_of_other_types_are_findings(tmp_path, kind):
    values = {
        "binary": [b"\xff\xfe"],
        "list<item: string>": [["a.mp4"]],
        "timestamp[ns]": [0],
        "null": [None],
    }
    column = pa.array(values.get(str(kind), [{"a": 1}]), kind)
    (tmp_path / "a.mp4").touch()
    pq.write_table(pa.table(dict.fromkeys(COLUMNS, column)), tmp_path / "manifest.parquet")
    scan = scanned(tmp_path)
    assert scan is not None and not scan.clips and len(scan.findings) == 1


# --- names -------------------------------------------------------------------------------------------------------------------

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
def test_trees_of_any_names(places, corpus):
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        raw.mkdir()
        for parts, stem, suffix in places:
            try:
                path = raw.joinpath(*parts, stem + suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except (
                OSError,
                ValueError,
            ):  # a file stands where a folder is to be, or the name is too long
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
        told = sum(finding.files for finding in scan.findings)
        assert len(used) + told >= len(media), "every media file is a clip, a sound or in a finding"


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_slug_is_fit_for_a_key_and_no_two_texts_share_one(one, other):
    assert slug(one).isascii() and slug(one) and not set(slug(one)) & set("./\\ +\n\0")
    assert (slug(one) == slug(other)) == (one == other)


@given(
    st.lists(
        st.tuples(st.sampled_from(["sad", "happy"]), st.integers(0, 3), st.integers(1, 2)),
        min_size=1,
        max_size=8,
    )
)
def test_clips_of_an_utterance_have_names_of_their_own(labels):
    one = Clip(clip_id="", corpus="own", speaker="a", emotion="sad", sentence="1", path="")
    clips = [
        replace(one, clip_id=str(i), emotion=e, level=level, take=take)
        for i, (e, level, take) in enumerate(labels)
    ]
    names = clip_names(clips)
    assert len(set(names.values())) == len(clips) and clip_names(clips[::-1]) == names


# --- signals -----------------------------------------------------------------------------------------------------------------

ODD = st.floats(width=32) | st.sampled_from(
    [0.0, 1.0, -1.0, float("nan"), float("inf"), 1e-38, 3e38]
)
SOUND = st.one_of(
    arrays(np.float32, st.integers(0, 40), elements=ODD).map(lambda a: np.repeat(a, 400)),
    st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).normal(size=24_000).astype(np.float32) * 0.1
    ),
    st.just(np.zeros(16_000, np.float32)),
)
CLOCK = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(0, 60)).map(
    lambda c: c[0] + c[1] * np.arange(c[2])
)


@st.composite
def signals(draw) -> Signals:
    """Of a clip whose sound, face and clock are anything."""
    with np.errstate(all="ignore"):
        rate, start = (
            draw(st.sampled_from([8_000, 16_000, 44_100])),
            draw(st.sampled_from([0.0, -3.0, 1e5])),
        )
        speech = speech_features(draw(SOUND), rate, start)
    clock = draw(CLOCK)
    mouth = None
    if len(clock) and draw(st.booleans()):
        spread = draw(st.sampled_from([0, 1, 1e6]))
        points = np.random.default_rng(draw(st.integers(0, 99))).normal(
            300, spread, (len(clock), 68, 2)
        )
        points[draw(st.integers(0, len(clock))) :] = draw(ODD)
        with np.errstate(all="ignore"):
            mouth = mouth_features(
                points, clock, np.arange(len(clock)) % draw(st.integers(1, 5)) == 0
            )
    return Signals(speech, mouth, clock, None, "clip.mp4")


@SLOW
@given(signals(), signals(), st.sampled_from(["audio", "visual", "both", "auto"]))
def test_signals_of_anything_align_or_have_a_reason(source, target, mode):
    try:
        with np.errstate(all="ignore"):
            found = align(source, target, AlignConfig(mode=mode))
    except ClipError as error:
        assert "clip.mp4" in error.detail and error.reason.advice
        return
    assert np.isfinite(found.source_time).all() and (np.diff(found.source_time) > 0).all()
    assert np.isfinite(found.target_time).all() and (np.diff(found.target_time) >= 0).all()
    assert len(found.frame_map) == len(source.frame_times) and (np.diff(found.frame_map) >= 0).all()
    inside = -1 if not len(target.frame_times) else len(target.frame_times) - 1
    assert not len(found.frame_map) or (
        found.frame_map.min() >= min(0, inside) and found.frame_map.max() <= inside
    )


# --- shards ------------------------------------------------------------------------------------------------------------------


class _Stream:
    """A stream that says how much is asked of it at once."""

    def __init__(self, data: bytes) -> None:
        self.data, self.most = data, 0

    def read(self, size: int) -> bytes:
        self.most = max(self.most, size)
        piece, self.data = self.data[:size], self.data[size:]
        return piece


@pytest.fixture(scope="module")
def tar(tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("tar")
    small.make_dataset(out)
    return min((out / "shards").rglob("*.tar"), key=lambda path: path.stat().st_size).read_bytes()


@SLOW
@given(st.data())
def test_a_damaged_tar_is_read_or_has_a_sentence(tar, data):
    damaged = bytearray(tar)
    for _ in range(data.draw(st.integers(1, 6))):
        header = 512 * data.draw(st.integers(0, len(tar) // 512 - 1))
        damaged[header + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    stream = _Stream(
        bytes(
            damaged[: data.draw(st.integers(0, len(tar)))] if data.draw(st.booleans()) else damaged
        )
    )
    try:
        for member, content in read_stream(stream, "x.tar"):
            assert (
                len(content) == member.size
                and ".." not in member.name
                and not member.name.startswith("/")
            )
    except ShardError as error:
        assert "x.tar" in str(error)
    assert stream.most <= 2**20, "nothing is asked for by a size that is only claimed"


@SLOW
@given(st.data())
def test_a_damaged_npz_member_is_read_or_has_a_sentence(tar, data):
    content = bytearray(
        next(
            content
            for member, content in read_stream(_Stream(tar), "x")
            if member.suffix == "pairs.npz"
        )
    )
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = member_arrays(bytes(content), "x.npz")
    except ShardError as error:
        assert "x.npz" in str(error)
    else:
        assert all(array.dtype != object for array in found.values())
        assert sum(array.nbytes for array in found.values()) <= len(content)
