"""Reading, checking and writing the published pair file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.interchange.audit import audit, mead_sentences
from stccl_data.interchange.pair_file import (
    PairFileError,
    longest_run,
    pair_file_bytes,
    path_faults,
    read_pair_file,
)
from tests.testing.pair_files import file_pair, path_of


@pytest.fixture
def write_file(tmp_path):
    def write(content):
        path = tmp_path / "pairs.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (b"", []),
        (b"{", []),
        (b"\xff\xfe\xff", ["UTF-8"]),
        (b"[" * 100_000, []),
        ([], ["[]"]),
        ({}, []),
        ({"M003": 1}, ["M003"]),
        ({"M003": {"sad": None}}, ["M003 sad", "null"]),
        ({"M003": {"sad": {"001_001": [[0]]}}}, ["M003 sad 001_001"]),
        ({"M003": {"sad": {"001_001": [[0], 0]}}}, ["M003 sad 001_001", "target"]),
        ({"M003": {"sad": {"001_001": [[0, 1.5], [0, 1]]}}}, ["source", "1.5", "index 1"]),
        ({"M003": {"sad": {"001_001": [[0], [True]]}}}, ["target", "true", "index 0"]),
        ({"M003": {"sad": {"001_001": [[0], [10**20]]}}}, ["100000000000000000000", "index 0"]),
        (b'{"M003": {"sad": {"001_001": [[0], [NaN]]}}}', ["NaN", "index 0"]),
        (b'{"M003": {}, "M003": {}}', ["'M003'"]),
    ],
)
def test_a_malformed_file_is_an_error_that_names_the_place(write_file, content, places):
    with pytest.raises(PairFileError) as error:
        read_pair_file(write_file(content))
    assert all(place in str(error.value) for place in ["pairs.json", *places])


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(PairFileError, match=r"nothing\.json"):
        read_pair_file(tmp_path / "nothing.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
ALMOST_PAIR_FILES = st.dictionaries(
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
@given(JSON | ALMOST_PAIR_FILES)
def test_any_json_is_audited_or_gives_an_error_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    try:
        pairs = read_pair_file(path)
    except PairFileError as error:
        assert str(path) in str(error)
        return
    result = audit(pairs, mead_sentences())
    assert result.pairs == len(pairs)
    assert result.wrong + result.unknown <= result.pairs
    json.dumps([finding.detail for finding in result.findings])


def contents(pairs):
    return {pair.place: (pair.path.source.tolist(), pair.path.target.tolist()) for pair in pairs}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("MW"), st.sampled_from(["sad", "fear"]), st.integers(1, 40)),
        unique=True,
        min_size=1,
        max_size=8,
    )
)
def test_a_written_file_reads_back_equal(tmp_path_factory, keys):
    path = tmp_path_factory.getbasetemp() / "written.json"
    pairs = [
        file_pair(f"001_{n:03d}", emotion, speaker + "003", range(n), range(n))
        for speaker, emotion, n in keys
    ]
    path.write_bytes(pair_file_bytes(pairs))
    assert contents(read_pair_file(path)) == contents(pairs)


def test_a_pair_cannot_be_written_twice():
    with pytest.raises(ValueError, match="M003 happy 001_001"):
        pair_file_bytes([file_pair(), file_pair()])


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
    assert fault in path_faults(path_of(source, target))


def test_a_path_in_the_published_form_has_no_fault():
    assert path_faults(path_of([0, 1, 2, 3, 4, 4, 4, 5], [0, 1, 1, 1, 2, 3, 4, 5])) == []


def test_the_longest_run_counts_both_sides():
    assert longest_run(path_of([0, 1, 2, 3], [0, 0, 0, 1])) == 3
    assert longest_run(path_of([0, 0, 1], [0, 1, 2])) == 2
    assert longest_run(path_of([], [])) == 0
