"""The audit of a pair file by MEAD's numbering."""

from pathlib import Path

import pytest

from stccl_data.corpora.tables import MeadKey
from stccl_data.interchange.audit import audit, mead_sentences
from stccl_data.interchange.pair_file import read_pair_file
from tests.testing.pair_files import file_pair

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "reference" / "aligned_path36.json"
NEUTRAL = MeadKey("A", "neutral", 1, 1)
SAD = MeadKey("A", "sad", 3, 1)


def test_a_pair_of_two_sentences_is_wrong_and_the_right_clip_is_suggested():
    result = audit([file_pair("001_028", "disgusted", "M035")], mead_sentences())
    (finding,) = result.findings
    assert (result.pairs, result.wrong, result.unknown) == (1, 1, 0)
    assert (finding.source_sentence, finding.target_sentence) == ("s009", "s007")
    assert (finding.suggestion, finding.suggested_key) == (1, "001_001")


def test_a_wrong_pair_without_a_right_clip_has_no_suggestion():
    sentences = {NEUTRAL: "s001", SAD: "s002"}
    (finding,) = audit([file_pair("001_001", "sad", "A")], sentences).findings
    assert finding.verdict == "wrong"
    assert finding.suggestion is None
    assert finding.suggested_key is None


@pytest.mark.parametrize(
    ("pair", "place"),
    [
        (file_pair(speaker="M999"), "M999"),
        (file_pair("001_099"), "happy 099 of level 3 by M003"),
        (file_pair("1-1"), "1-1"),
        (file_pair("٣_٣"), "٣_٣"),
        (file_pair(emotion="joyless"), "joyless"),
        (file_pair(emotion="neutral"), "neutral"),
    ],
)
def test_a_pair_that_cannot_be_judged_is_unknown_and_says_why(pair, place):
    result = audit([pair], mead_sentences())
    assert (result.wrong, result.unknown) == (0, 1)
    assert place in result.findings[0].detail


def test_a_clip_on_which_transcripts_contradict_each_other_is_unknown():
    sentences = {NEUTRAL: "s001", SAD: None}
    (finding,) = audit([file_pair("001_001", "sad", "A")], sentences).findings
    assert finding.verdict == "unknown"
    assert "sad 001 of level 3" in finding.detail


def test_the_level_decides_which_emotional_clip_is_meant():
    sentences = {NEUTRAL: "s001", SAD: "s001", SAD._replace(level=2): "s002"}
    pair = file_pair("001_001", "sad", "A")
    assert audit([pair], sentences).wrong == 0
    assert audit([pair], sentences, level=2).wrong == 1


def test_a_right_pair_with_a_faulty_path_is_a_finding():
    pairs = [file_pair(source=(0, 2), target=(0, 1)), file_pair("002_002")]
    result = audit(pairs, mead_sentences())
    assert (result.wrong, result.unknown, result.faulty_paths) == (0, 0, 1)
    assert [(finding.pair, finding.verdict) for finding in result.findings] == [
        ("001_001", "right")
    ]


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published file is missing")
def test_the_published_file_pairs_different_sentences_78_times():
    result = audit(read_pair_file(PUBLISHED), mead_sentences())
    assert (result.pairs, result.wrong, result.unknown, result.faulty_paths) == (648, 78, 0, 0)
    assert (result.frame_pairs, result.wrong_frame_pairs) == (70_303, 11_490)
    assert result.longest_repeat == 153
    assert result.emotions["disgusted"].wrong == 69
    assert len(result.findings) == 78
