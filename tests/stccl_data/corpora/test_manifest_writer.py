"""Manifests written from paths."""

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.corpora.manifest_writer import manifest_of_folder
from stccl_data.corpora.path_pattern import PathPattern, PatternError
from stccl_data.errors import Reason

PATTERN = "{speaker}/{emotion}/{sentence}_{take}.mp4"


def test_labels_come_from_the_paths_and_values_are_translated(grow):
    raw = grow(["ann/Wut/s1_2.mp4", "ann/neutral/s1_1.MP4", "ann/lustig/s1_1.mp4"])
    written = manifest_of_folder(raw, PATTERN, translations=["emotion:lustig=happy"])
    clips = scan_corpus(raw).clips
    assert written.rows == 3
    assert {(c.speaker, c.emotion, c.sentence, c.take) for c in clips} == {
        ("ann", "angry", "s1", 2),
        ("ann", "neutral", "s1", 1),
        ("ann", "happy", "s1", 1),
    }


def test_a_translation_that_changes_nothing_is_said(grow):
    raw = grow(["ann/lustig/s1_1.mp4", "ann/neutral/s1_1.mp4"])
    maps = ["emotion:lusitg=happy", "emotion:Neutral=calm"]
    (finding,) = manifest_of_folder(raw, PATTERN, translations=maps).findings
    assert (finding.reason, finding.files) == (Reason.READ_AS, 0)
    assert "emotion:lusitg" in finding.detail and "lustig, neutral" in finding.detail


def test_files_that_do_not_match_are_named(grow):
    raw = grow(["ann/sad/s1_1.mp4", "ann/sad/s1_one.mp4", "notes.mp4"])
    written = manifest_of_folder(raw, PATTERN)
    assert {f.detail.split()[0] for f in written.findings} == {"ann/sad/s1_one.mp4", "notes.mp4"}
    assert {f.reason for f in written.findings} == {Reason.UNKNOWN_NAME}


def test_a_path_that_fits_in_two_ways_has_no_row(grow):
    raw = grow(["a_b_c.mp4", "d_e.mp4"])
    written = manifest_of_folder(
        raw, "{speaker}_{sentence}.mp4", raw.parent / "m.csv", constants=["emotion=sad"]
    )
    assert written.rows == 1
    assert "fits {speaker}_{sentence}.mp4 in two ways" in written.findings[0].detail
    clip = scan_corpus(written.path).clips[0]
    assert (clip.speaker, clip.sentence, clip.path) == ("d", "e", str(raw / "d_e.mp4"))


def test_folders_above_the_pattern_do_not_matter(grow):
    raw = grow(["day 1/x/ann/sad/s1_1.mp4"])
    assert manifest_of_folder(raw, PATTERN).rows == 1


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{speaker}/{mood}.mp4", "'{mood}' is not one of {speaker}"),
        ("{speaker/x.mp4", "'{' is not one of"),
        ("clips/*.mp4", "it has no label"),
    ],
)
def test_invalid_patterns_are_named(pattern, message):
    with pytest.raises(PatternError, match="invalid pattern") as error:
        PathPattern.parse(pattern)
    assert message in str(error.value)


def test_a_missing_label_and_a_folder_without_matches_are_errors(grow):
    raw = grow(["ann/x.mp4"])
    with pytest.raises(PatternError, match=r"gives no emotion, sentence: add \{emotion\}, or give"):
        manifest_of_folder(raw, "{speaker}/*.mp4")
    with pytest.raises(PatternError, match=r"no media file of .*; ann/x\.mp4 does not match"):
        manifest_of_folder(raw, PATTERN)
    with pytest.raises(PatternError, match="invalid --map 'wut=angry'"):
        manifest_of_folder(raw, PATTERN, translations=["wut=angry"])
