"""The published pair file: read, audited, written; what a prepared dataset becomes in it, and what an imported file becomes."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.interchange.audit import audit, mead_sentences
from stccl_data.interchange.pair_file import FilePair, PairFileError, longest_run, pair_file_bytes, path_faults, read_pair_file

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "reference" / "aligned_path36.json"


def pair(key="001_001", emotion="happy", speaker="M003", source=(0, 1, 2), target=(0, 1, 2)):
    return FilePair(speaker, emotion, key, np.array(source, np.int32), np.array(target, np.int32))


def frames_of(source, target):
    return np.array(source, np.int32), np.array(target, np.int32)


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
        ({"M003": {"sad": {"001_001": [[0], 0]}}}, "M003 sad 001_001: the list of target frames is not a list, but 0"),
        ({"M003": {"sad": {"001_001": [[0, 1.5], [0, 1]]}}}, "the list of source frames has 1.5 at place 1"),
        ({"M003": {"sad": {"001_001": [[0], [True]]}}}, "the list of target frames has true at place 0"),
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
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
NEARLY = st.dictionaries(
    st.sampled_from(["M003", "W009", "?"]),
    st.dictionaries(
        st.sampled_from(["sad", "disgusted", "neutral", "joy", ""]),
        st.dictionaries(
            st.sampled_from(["001_001", "001_028", "1_1", "a_b", "", "_", "٣_٣", "999_999", "1_2_3"]),
            st.lists(st.lists(st.integers(-3, 300), max_size=6) | JSON, min_size=2, max_size=2) | JSON,
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
@given(st.lists(st.tuples(st.sampled_from("MW"), st.sampled_from(["sad", "fear"]), st.integers(1, 40)), unique=True, max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, keys):
    path = tmp_path_factory.getbasetemp() / "written.json"
    pairs = [pair(f"001_{n:03d}", emotion, speaker + "003", range(n), range(n)) for speaker, emotion, n in keys]
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
    sentences = {("A", "neutral", 1, 1): "s001", ("A", "sad", 3, 1): "s001", ("A", "sad", 2, 1): "s002"}
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
    assert (found.frame_pairs, found.wrong_frame_pairs, found.longest_repeat) == (70_303, 11_490, 153)
    assert found.emotions["disgusted"].wrong == 69
    assert len(found.findings) == 78
