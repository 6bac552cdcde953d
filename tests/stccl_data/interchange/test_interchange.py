"""The published pair file: read, audited, written; what a prepared dataset becomes in it, and what an imported file becomes."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.alignment.warping_path import FramePath
from stccl_data.clip import Clip
from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.dataset import open_dataset
from stccl_data.dataset.verify.verify import verify
from stccl_data.errors import ClipError, Reason
from stccl_data.interchange.aligned_path import export_aligned_path, pair_path
from stccl_data.interchange.audit import audit, mead_sentences
from stccl_data.interchange.folders import export_folders
from stccl_data.interchange.import_pairs import choose_pairs, import_pairs
from stccl_data.interchange.names import published_names
from stccl_data.interchange.pair_file import (
    FilePair,
    PairFileError,
    longest_run,
    pair_file_bytes,
    path_faults,
    read_pair_file,
)
from stccl_data.interchange.selection import ExportConfig, ExportError
from stccl_data.pairs.imported import follow_path
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.refilter import refilter, stored_gates

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "reference" / "aligned_path36.json"


def pair(key="001_001", emotion="happy", speaker="M003", source=(0, 1, 2), target=(0, 1, 2)):
    return FilePair(speaker, emotion, key, np.array(source, np.int32), np.array(target, np.int32))


def frames_of(source, target):
    return np.array(source, np.int32), np.array(target, np.int32)


def path_of(source, target):
    return FramePath(*frames_of(source, target))


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "pairs.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


# the file


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "is no pair file"),
        (b"{", "is no pair file"),
        (b"\xff\xfe\xff", "is not UTF-8 text"),
        (b"[" * 100_000, "nested too deep"),
        ([], "the file is not an object of speakers, but []"),
        ({"M003": 1}, "M003 is not an object of emotions, but 1"),
        ({"M003": {"sad": None}}, "M003 sad is not an object of pairs such as 001_001, but null"),
        ({"M003": {"sad": {"001_001": [[0]]}}}, "M003 sad 001_001 is not two lists of frames"),
        (
            {"M003": {"sad": {"001_001": [[0], 0]}}},
            "M003 sad 001_001: the list of target frames is not a list, but 0",
        ),
        (
            {"M003": {"sad": {"001_001": [[0, 1.5], [0, 1]]}}},
            "the list of source frames has 1.5 at place 1",
        ),
        (
            {"M003": {"sad": {"001_001": [[0], [True]]}}},
            "the list of target frames has true at place 0",
        ),
        ({"M003": {"sad": {"001_001": [[0], [10**20]]}}}, "has 100000000000000000000 at place 0"),
        (b'{"M003": {"sad": {"001_001": [[0], [NaN]]}}}', "has NaN at place 0"),
        (b'{"M003": {}, "M003": {}}', "the name 'M003' occurs twice"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(written, content, place):
    with pytest.raises(PairFileError) as error:
        read_pair_file(written(content))
    assert place in str(error.value)
    assert "pairs.json" in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PairFileError, match=r"nothing\.json cannot be read: No such file"):
        read_pair_file(tmp_path / "nothing.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
NEARLY = st.dictionaries(
    st.sampled_from(["M003", "W009", "?"]),
    st.dictionaries(
        st.sampled_from(["sad", "disgusted", "neutral", "joy", ""]),
        st.dictionaries(
            st.sampled_from(
                ["001_001", "001_028", "1_1", "a_b", "", "_", "٣_٣", "999_999", "1_2_3"]
            ),
            st.lists(st.lists(st.integers(-3, 300), max_size=6) | JSON, min_size=2, max_size=2)
            | JSON,
            max_size=2,
        ),
        max_size=2,
    )
    | JSON,
    max_size=2,
)


@settings(max_examples=300, deadline=None)
@given(JSON | NEARLY)
def test_whatever_a_file_holds_it_is_audited_or_refused_with_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        pairs = read_pair_file(path)
    except PairFileError as error:
        assert str(path) in str(error)
        return
    found = audit(pairs, mead_sentences())
    assert found.pairs == len(pairs)
    assert found.wrong + found.unknown <= found.pairs
    json.dumps([finding.detail for finding in found.findings])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("MW"), st.sampled_from(["sad", "fear"]), st.integers(1, 40)),
        unique=True,
        min_size=1,
        max_size=8,
    )
)
def test_what_is_written_is_read_back(tmp_path_factory, keys):
    path = tmp_path_factory.getbasetemp() / "written.json"
    pairs = [
        pair(f"001_{n:03d}", emotion, speaker + "003", range(n), range(n))
        for speaker, emotion, n in keys
    ]
    path.write_bytes(pair_file_bytes(pairs))
    read = {one.place: (one.source.tolist(), one.target.tolist()) for one in read_pair_file(path)}
    assert read == {one.place: (one.source.tolist(), one.target.tolist()) for one in pairs}


# its paths


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ([0, 1], [0], "2 source frames and 1 target frames"),
        ([], [], "no frames"),
        ([1, 2], [0, 1], "begins at (1, 0)"),
        ([-1, 0], [0, 0], "frames below 0"),
        ([0, 1, 0], [0, 1, 2], "goes back at entry 2"),
        ([0, 0, 1], [0, 0, 1], "stands still at entry 1"),
        ([0, 2, 4], [0, 1, 2], "jumps at entry 1, 2 times"),
        ([0, 1, 1], [0, 0, 1], "turns a corner at entry 2"),
        ([0, 0, 1], [0, 1, 1], "turns a corner at entry 2"),
    ],
)
def test_each_fault_of_a_path_is_named(source, target, fault):
    assert fault in path_faults(*frames_of(source, target))


def test_a_path_as_published_has_no_fault():
    assert path_faults(*frames_of([0, 1, 2, 3, 4, 4, 4, 5], [0, 1, 1, 1, 2, 3, 4, 5])) == []


def test_the_longest_run_is_counted_on_both_sides():
    assert longest_run(*frames_of([0, 1, 2, 3], [0, 0, 0, 1])) == 3
    assert longest_run(*frames_of([0, 0, 1], [0, 1, 2])) == 2
    assert longest_run(*frames_of([], [])) == 0


# the audit


def test_a_pair_of_two_sentences_is_wrong_and_the_right_clip_is_named():
    found = audit([pair("001_028", "disgusted", "M035")], mead_sentences())
    (finding,) = found.findings
    assert (found.pairs, found.wrong, found.unknown) == (1, 1, 0)
    assert (finding.source_sentence, finding.target_sentence) == ("s009", "s007")
    assert (finding.suggestion, finding.suggested_key) == (1, "001_001")


def test_a_wrong_pair_without_a_twin_has_no_suggestion():
    sentences = {("A", "neutral", 1, 1): "s001", ("A", "sad", 3, 1): "s002"}
    (finding,) = audit([pair("001_001", "sad", "A")], sentences).findings
    assert finding.verdict == "wrong"
    assert finding.suggestion is None
    assert finding.suggested_key is None


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (pair(speaker="M999"), "does not have the speaker M999"),
        (pair("001_099"), "does not have happy 099 of level 3 by M003"),
        (pair("1-1"), "is not two clip numbers"),
        (pair("٣_٣"), "is not two clip numbers"),
        (pair(emotion="joyless"), "joyless is no emotion of MEAD"),
        (pair(emotion="neutral"), "neutral is no emotion of MEAD that is paired with neutral"),
    ],
)
def test_what_cannot_be_judged_says_why(one, why):
    found = audit([one], mead_sentences())
    assert (found.wrong, found.unknown) == (0, 1)
    assert why in found.findings[0].detail


def test_a_clip_that_transcripts_contradict_is_unknown():
    sentences = {("A", "neutral", 1, 1): "s001", ("A", "sad", 3, 1): None}
    (finding,) = audit([pair("001_001", "sad", "A")], sentences).findings
    assert finding.verdict == "unknown"
    assert "contradict" in finding.detail


def test_the_level_decides_which_clip_is_meant():
    sentences = {
        ("A", "neutral", 1, 1): "s001",
        ("A", "sad", 3, 1): "s001",
        ("A", "sad", 2, 1): "s002",
    }
    one = pair("001_001", "sad", "A")
    assert audit([one], sentences).wrong == 0
    assert audit([one], sentences, level=2).wrong == 1


def test_a_right_pair_with_a_bad_path_is_a_finding():
    found = audit([pair(source=(0, 2), target=(0, 1)), pair("002_002")], mead_sentences())
    assert (found.wrong, found.unknown, found.faulty_paths) == (0, 0, 1)
    assert [(one.pair, one.verdict) for one in found.findings] == [("001_001", "right")]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published file is not here")
def test_the_published_file_joins_different_sentences_in_78_pairs():
    found = audit(read_pair_file(PUBLISHED), mead_sentences())
    assert (found.pairs, found.wrong, found.unknown, found.faulty_paths) == (648, 78, 0, 0)
    assert (found.frame_pairs, found.wrong_frame_pairs, found.longest_repeat) == (
        70_303,
        11_490,
        153,
    )
    assert found.emotions["disgusted"].wrong == 69
    assert len(found.findings) == 78


# names


def clip_of(path, **labels):
    known = {
        "corpus": "mead",
        "speaker": "M003",
        "emotion": "sad",
        "sentence": "s001",
        "level": 3,
    } | labels
    return Clip(
        clip_id=labels.get("clip_id", path),
        path=path,
        **{k: v for k, v in known.items() if k != "clip_id"},
    )


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        (clip_of("/raw/M003/video/front/sad/level_3/031.mp4"), "031"),
        (clip_of("/raw/M003_front_sad_level_3_007.mp4"), "007"),
        (clip_of("/raw/my film.mp4"), "s001-t001"),
        (clip_of("/raw/031.mp4", corpus="own", sentence="front_door"), "front-door-t001"),
        (clip_of("/raw/1001_IEO_SAD_HI.flv", corpus="cremad", sentence="ieo", take=2), "ieo-t002"),
        (clip_of("/raw/a.mp4", sentence=None), "unknown-t001"),
    ],
)
def test_a_clip_is_named_by_its_number_or_by_sentence_and_take(clip, name):
    assert published_names([clip]) == {clip.clip_id: name}


def test_no_two_clips_of_one_place_share_a_name():
    clips = [clip_of(f"/raw/{x}.mp4", corpus="own", sentence=x) for x in ("a_b", "a-b")]
    assert sorted(published_names(clips).values()) == ["a-b-t001", "a-b-t001-2"]
    assert published_names(clips) == published_names(clips[::-1])


# a prepared dataset as a pair file


def stored(out):
    dataset = open_dataset(out)
    return {
        (pair.source.clip_id, pair.target.clip_id): pair
        for key in dataset.keys()  # noqa: SIM118 - not a mapping
        for pair in dataset[key].pairs()
    }


def numbers(out):
    rows = pq.read_table(out / "clips.parquet").to_pylist()
    return {
        row["clip_id"]: (row["speaker"], row["emotion"], Path(row["path"]).stem) for row in rows
    }


def test_the_exported_file_has_the_published_files_invariants(prepared, tmp_path):
    written = export_aligned_path(prepared.out, tmp_path / "pairs.json")
    pairs = read_pair_file(tmp_path / "pairs.json")
    assert written.pairs == len(pairs) == len(stored(prepared.out))
    assert written.frame_pairs == sum(len(one.source) for one in pairs)
    for one in pairs:
        assert path_faults(one.source, one.target) == []
    found = audit(pairs, mead_sentences())
    assert (found.wrong, found.unknown, found.faulty_paths) == (0, 0, 0)


def test_the_exported_paths_lead_from_the_first_frames_to_the_last_along_the_map(
    prepared, tmp_path
):
    export_aligned_path(prepared.out, tmp_path / "pairs.json")
    read = {
        (one.speaker, one.emotion, one.key): one for one in read_pair_file(tmp_path / "pairs.json")
    }
    number = numbers(prepared.out)
    for (source, target), pair in stored(prepared.out).items():
        speaker, emotion, name = number[target]
        one = read[speaker, emotion, f"{number[source][2]}_{name}"]
        assert (one.source[-1], one.target[-1]) == (len(pair.source) - 1, len(pair.target) - 1)
        on_the_map = np.zeros(len(pair.source), np.bool_)
        on_the_map[one.source[pair.frame_map[one.source] == one.target]] = True
        assert on_the_map.mean() > 0.95


def test_a_file_that_is_there_is_kept(prepared, tmp_path):
    file = tmp_path / "pairs.json"
    assert export_aligned_path(prepared.out, file).written
    assert not export_aligned_path(prepared.out, file).written
    file.write_text("mine")
    with pytest.raises(ExportError, match="holds something else"):
        export_aligned_path(prepared.out, file)
    assert file.read_text() == "mine"


def test_nothing_is_exported_into_the_dataset_itself(prepared):
    before = sorted(prepared.out.rglob("*"))
    for place in (
        prepared.out,
        prepared.out / "pairs.json",
        prepared.out / "shards" / ".." / "faces",
    ):
        for export in (export_aligned_path, export_folders):
            with pytest.raises(ExportError, match="lies in the dataset"):
                export(prepared.out, place)
    assert sorted(prepared.out.rglob("*")) == before


def test_options_choose_level_view_and_split(prepared, tmp_path):
    whole = export_aligned_path(prepared.out, tmp_path / "whole.json")
    assert any("levels: angry 3, happy 3, neutral 1" in note for note in whole.notes)
    half = export_aligned_path(prepared.out, tmp_path / "half.json", ExportConfig(split=("train",)))
    assert half.pairs < whole.pairs
    assert any("of other splits" in note for note in half.notes)
    with pytest.raises(ExportError, match="of other levels"):
        export_aligned_path(prepared.out, tmp_path / "none.json", ExportConfig(level=2))
    with pytest.raises(ExportError, match="no pairs of the view top; it has front"):
        export_aligned_path(prepared.out, tmp_path / "none.json", ExportConfig(view="top"))
    assert not (tmp_path / "none.json").exists()


def change(out, table, rows):
    schema = pq.read_schema(out / table)
    pq.write_table(pq.read_table(out / table).from_pylist(rows, schema=schema), out / table)


def test_of_several_levels_each_emotions_highest_is_written(prepared_copy, tmp_path):
    clips = pq.read_table(prepared_copy / "clips.parquet").to_pylist()
    angry = [row for row in clips if row["emotion"] == "angry"]
    angry[0]["level"] = 1  # as if this one had been recorded at another level
    change(prepared_copy, "clips.parquet", clips)
    written = export_aligned_path(prepared_copy, tmp_path / "pairs.json")
    assert written.pairs == len(stored(prepared_copy)) - 1
    assert "left out: 1 pairs of other levels" in written.notes
    low = export_aligned_path(prepared_copy, tmp_path / "low.json", ExportConfig(level=1))
    assert low.pairs == 1


def test_of_several_takes_the_first_pair_is_written_on_request(prepared_copy, tmp_path):
    pairs = pq.read_table(prepared_copy / "pairs.parquet").to_pylist()
    clips = pq.read_table(prepared_copy / "clips.parquet").to_pylist()
    first = next(row for row in pairs if row["target_emotion"] == "angry")
    second = next(row for row in pairs if row["target_emotion"] == "angry" and row is not first)
    second["utterance"] = first["utterance"]
    next(row for row in clips if row["clip_id"] == second["target"])["take"] = 2
    change(prepared_copy, "pairs.parquet", pairs)
    change(prepared_copy, "clips.parquet", clips)
    written = export_aligned_path(
        prepared_copy, tmp_path / "pairs.json", ExportConfig(takes="first")
    )
    assert "left out: 1 pairs of later takes" in written.notes


def test_refused_pairs_are_not_written(prepared_copy, tmp_path):
    refilter(prepared_copy, replace(stored_gates(prepared_copy), min_eye_distance=10_000.0))
    with pytest.raises(ExportError, match="that were refused"):
        export_aligned_path(prepared_copy, tmp_path / "pairs.json")


# and as folders


def test_labels_of_a_table_by_somebody_else_lead_nowhere(prepared_copy, tmp_path):
    rows = pq.read_table(prepared_copy / "clips.parquet")
    emotions = [
        "../../../ESCAPED" if emotion == "angry" else emotion
        for emotion in rows["emotion"].to_pylist()
    ]
    column = rows.column_names.index("emotion")
    pq.write_table(
        rows.set_column(column, "emotion", pa.array(emotions)), prepared_copy / "clips.parquet"
    )
    with pytest.raises(
        ExportError, match=r"has the emotion '\.\./\.\./\.\./ESCAPED'\); run `stccl verify`"
    ):
        export_folders(prepared_copy, tmp_path / "deep" / "faces", size=64)
    assert not (tmp_path / "deep").exists()


def test_every_frame_becomes_a_picture_under_its_number(prepared, tmp_path):
    written = export_folders(prepared.out, tmp_path / "faces", size=64)
    number = numbers(prepared.out)
    clips = {
        clip.clip_id: clip
        for pair in stored(prepared.out).values()
        for clip in (pair.source, pair.target)
    }
    assert (written.clips, written.made, written.frames) == (
        len(clips),
        len(clips),
        sum(len(clip) for clip in clips.values()),
    )
    for clip_id, clip in clips.items():
        speaker, emotion, name = number[clip_id]
        folder = tmp_path / "faces" / speaker / "align_img" / emotion / name
        assert sorted(path.name for path in folder.iterdir()) == [
            f"{i:06d}.jpg" for i in range(len(clip))
        ]
    image = cv2.cvtColor(cv2.imread(str(folder / "000003.jpg")), cv2.COLOR_BGR2RGB)
    small = cv2.resize(clip.frames("face", [3])[0], (64, 64), interpolation=cv2.INTER_AREA)
    assert image.shape == (64, 64, 3)
    assert np.abs(image.astype(int) - small).mean() < 3


def test_pictures_of_the_wanted_size_are_copied_byte_by_byte(prepared, tmp_path):
    export_folders(prepared.out, tmp_path / "faces", size=prepared.config.face_size)
    (source, _), pair = next(iter(stored(prepared.out).items()))
    speaker, emotion, name = numbers(prepared.out)[source]
    place = tmp_path / "faces" / speaker / "align_img" / emotion / name / "000005.jpg"
    assert place.read_bytes() == pair.source.jpeg("face", 5)


def test_the_pair_file_names_folders_and_pictures_that_are_there(prepared, tmp_path):
    export_aligned_path(prepared.out, tmp_path / "pairs.json")
    export_folders(prepared.out, tmp_path / "faces", size=32)
    for one in read_pair_file(tmp_path / "pairs.json"):
        for name, emotion, frames in zip(
            one.names, ("neutral", one.emotion), (one.source, one.target), strict=True
        ):
            folder = tmp_path / "faces" / one.speaker / "align_img" / emotion / name
            assert (folder / f"{frames[-1]:06d}.jpg").exists()
            assert not (folder / f"{frames[-1] + 1:06d}.jpg").exists()


def test_an_export_that_was_cut_off_goes_on(prepared, tmp_path):
    faces = tmp_path / "faces"
    whole = export_folders(prepared.out, faces, size=32)
    there = {path: path.read_bytes() for path in sorted(faces.rglob("*.jpg"))}
    angry = next(faces.glob("*/align_img/angry/*"))
    angry.rename(angry.with_name(f".{angry.name}.unfinished"))  # as a killed run leaves it
    again = export_folders(prepared.out, faces, size=32)
    assert (again.clips, again.made) == (whole.clips, 1)
    assert {path: path.read_bytes() for path in sorted(faces.rglob("*.jpg"))} == there
    assert export_folders(prepared.out, faces, size=32).made == 0


def test_folders_of_others_are_never_written_to(prepared, tmp_path):
    number = next(iter(numbers(prepared.out).values()))
    foreign = tmp_path / "faces" / number[0] / "align_img" / number[1] / number[2]
    foreign.mkdir(parents=True)
    (foreign / "000000.jpg").write_bytes(b"mine")
    with pytest.raises(ExportError, match="was not written by stccl"):
        export_folders(prepared.out, tmp_path / "faces", size=32)
    assert [path.name for path in (tmp_path / "faces").rglob("*.jpg")] == ["000000.jpg"]
    assert (foreign / "000000.jpg").read_bytes() == b"mine"


def test_an_export_in_another_size_wants_another_folder(prepared, tmp_path):
    export_folders(prepared.out, tmp_path / "faces", size=32)
    with pytest.raises(ExportError, match="another size or quality"):
        export_folders(prepared.out, tmp_path / "faces", size=64)


# a path that is given


TIMES = np.array([0.0, 0.04, 0.08, 0.12, 0.2, 0.24])


def test_a_given_path_says_one_target_frame_for_each_source_frame():
    alignment = follow_path(TIMES, TIMES, path_of([0, 1, 1, 1, 2, 3, 3], [0, 1, 2, 3, 4, 4, 5]))
    assert alignment.frame_map.tolist() == [0, 2, 4, 4, -1, -1]
    assert alignment.mode == "given"
    assert alignment.longest_repeat == 2
    assert np.isnan(alignment.cost)
    assert (np.diff(alignment.source_time) > 0).all()
    assert (np.diff(alignment.target_time) >= 0).all()


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ([0, 1, 6], [0, 1, 2], "names frame 6 of the source, which has 6 frames"),
        ([0, 1], [0, 9], "names frame 9 of the target, which has 6 frames"),
        ([-1, 0], [0, 0], "names frame -1 of the source"),
        ([0, 1, 0], [0, 1, 2], "goes back at entry 2"),
        ([0, 1], [0], "2 source frames and 1 target frames"),
        ([], [], "fewer than two source frames"),
        ([1, 1], [0, 1], "fewer than two source frames"),
        ([0, 0, 0], [1, 1, 1], "fewer than two source frames"),
    ],
)
def test_a_path_that_is_none_of_these_clips_is_a_reason(source, target, why):
    with pytest.raises(ClipError) as error:
        follow_path(TIMES, TIMES, path_of(source, target))
    assert error.value.reason is Reason.BAD_PATH
    assert why in error.value.detail


@st.composite
def published_paths(draw):
    """A path as published: unit steps from (0, 0), no corner."""
    cells, last = [(0, 0)], 0
    for move in draw(st.lists(st.integers(0, 2), min_size=1, max_size=60)):
        if move and last and move != last:
            move = 0
        last = move
        cells.append((cells[-1][0] + (move != 2), cells[-1][1] + (move != 1)))
    return np.array(cells, np.int32)


@settings(max_examples=200, deadline=None)
@given(published_paths(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_a_published_path_is_followed_and_given_back_entry_by_entry(cells, more, seed):
    if cells[-1, 0] == 0:
        return
    random = np.random.default_rng(seed)
    times = [np.cumsum(random.uniform(0.01, 0.1, cells[-1, side] + 1 + more)) for side in (0, 1)]
    alignment = follow_path(*times, FramePath(cells[:, 0], cells[:, 1]))
    assert path_faults(cells[:, 0], cells[:, 1]) == []

    class Stored:
        class source:  # noqa: N801
            pass

        class target:  # noqa: N801
            pass

    Stored.source.times, Stored.target.times = times
    Stored.scores = {"mode": alignment.mode}
    Stored.source_time, Stored.target_time = alignment.source_time, alignment.target_time
    assert pair_path(Stored).tolist() == cells.tolist()
    mapped = alignment.frame_map[alignment.frame_map >= 0]
    assert (np.diff(mapped) >= 0).all()
    assert len(mapped) == cells[-1, 0] + 1


# a file imported


@pytest.fixture(scope="module")
def round_trip(corpus, prepared, tmp_path_factory):
    """The prepared dataset exported, and the file imported from the same clips."""
    folder = tmp_path_factory.mktemp("round")
    export_aligned_path(prepared.out, folder / "pairs.json")
    config = PrepareConfig(workers=2, split="train=0.5,test=0.5")
    return (
        folder / "pairs.json",
        folder / "out",
        import_pairs(folder / "pairs.json", corpus.folder, folder / "out", config),
    )


def test_an_imported_file_becomes_a_dataset_like_any_other(round_trip, prepared):
    _, out, imported = round_trip
    assert verify(out, decode=True) == []
    assert stored(out).keys() == stored(prepared.out).keys()
    assert (imported.named, imported.not_found, imported.numbering, imported.content) == (
        len(stored(out)),
        0,
        (),
        (),
    )
    assert json.loads((out / "provenance.json").read_text())["pairs_from"].endswith("pairs.json")


def test_an_exported_map_comes_back_wherever_a_path_without_corners_can_say_it(
    round_trip, prepared
):
    before, after = stored(prepared.out), stored(round_trip[1])
    apart = np.concatenate([np.abs(before[ids].frame_map - after[ids].frame_map) for ids in before])
    assert (apart == 0).mean() > 0.95
    assert apart.max() <= 3


def test_an_imported_file_exported_again_is_the_same_file(round_trip, tmp_path):
    file, out, _ = round_trip
    export_aligned_path(out, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_importing_again_does_nothing(round_trip, corpus):
    file, out, _ = round_trip
    again = import_pairs(
        file, corpus.folder, out, PrepareConfig(workers=2, split="train=0.5,test=0.5")
    )
    assert again.summary.made == 0


def test_every_pair_that_cannot_be_imported_has_a_reason(round_trip, corpus, prepared, tmp_path):
    """Three frames past the end, a clip that is not there, two sentences under one key, a key that is none; the others are made."""
    content = json.loads(round_trip[0].read_text())
    speaker = sorted(content)[0]
    angry = content[speaker]["angry"]
    good, spoiled = sorted(angry)
    source, target = angry[spoiled]
    angry[spoiled] = [[*source, *(source[-1] + i for i in (1, 2, 3))], [*target, *[target[-1]] * 3]]
    happy = sorted(content[speaker]["happy"])
    crossed = f"{happy[0].split('_')[0]}_{happy[1].split('_')[1]}"
    angry |= {"001_777": [[0, 1], [0, 1]], "nonsense": [[0, 1], [0, 1]]}
    content = {speaker: {"angry": angry, "happy": {crossed: angry[good]}}}
    (tmp_path / "pairs.json").write_text(json.dumps(content))
    out = tmp_path / "out"
    imported = import_pairs(
        tmp_path / "pairs.json",
        corpus.folder,
        out,
        PrepareConfig(workers=2, crops="none", align="audio"),
    )
    assert verify(out) == []
    assert (imported.named, imported.not_found) == (5, 2)
    assert imported.summary.pairs == {"": 1, "bad_path": 1, "content_mismatch": 1}
    (contradicted,) = imported.numbering
    assert "by their labels the source says s0" in contradicted["detail"]
    assert contradicted["content_score"] is not None
    found = [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]
    assert {finding["reason"] for finding in found} == {"bad_row", "missing_file", "not_selected"}
    assert any(
        "angry 001_777 names the angry clip 777, which is not there" in finding["detail"]
        for finding in found
    )
    refilter(out, replace(stored_gates(out), min_content_score=0.0))
    rows = pq.read_table(out / "pairs.parquet").to_pylist()
    assert sorted(row["reason"] or "" for row in rows) == ["", "bad_path", "content_mismatch"]


def test_a_file_of_other_speakers_is_refused_before_any_work(corpus, tmp_path):
    (tmp_path / "pairs.json").write_text('{"M999": {"sad": {"001_001": [[0, 1], [0, 1]]}}}')
    with pytest.raises(ScanError, match="has the clips of none of the 1 pairs"):
        import_pairs(tmp_path / "pairs.json", corpus.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def empty_mead(tmp_path):
    """Names alone, in two views and two levels."""
    for name in (
        "front/neutral/level_1",
        "front/sad/level_2",
        "front/sad/level_3",
        "top/neutral/level_1",
        "top/sad/level_3",
    ):
        path = tmp_path / "raw" / "M003" / "video" / name / "001.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "raw"


def test_the_highest_level_is_meant_unless_one_is_named(empty_mead):
    scan = scan_corpus(empty_mead)
    pairs = [pair("1_1", "sad")]
    for level, wanted in ((None, 3), (3, 3), (2, 2)):
        given = choose_pairs(scan, pairs, Path("pairs.json"), level)
        assert [clip.level for clip in given.scan.clips if clip.emotion == "sad"] == [wanted]
    with pytest.raises(ScanError, match="none of the 1 pairs"):
        choose_pairs(scan, pairs, Path("pairs.json"), 1)


def test_a_file_names_no_view_so_there_may_be_only_one(empty_mead):
    with pytest.raises(ScanError, match="choose one by --views"):
        choose_pairs(
            scan_corpus(empty_mead, views=["all"]), [pair("001_001", "sad")], Path("pairs.json")
        )


def test_a_pair_that_is_named_twice_is_taken_once(empty_mead):
    given = choose_pairs(
        scan_corpus(empty_mead),
        [pair("001_001", "sad"), pair("1_1", "sadness")],
        Path("pairs.json"),
    )
    assert len(given.paths) == 1
    assert any("named before" in finding.detail for finding in given.scan.findings)
