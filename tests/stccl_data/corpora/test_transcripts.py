"""MEAD's sentences from a transcript list. The texts here are made up."""

from collections import Counter
from pathlib import Path

import pytest

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.corpora.tables import mead_numbering
from stccl_data.corpora.transcripts import normalise, read_transcripts
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import candidate_pairs

CLIPS = [
    "M003/video/front/neutral/level_1/001.mp4",
    "M003/video/front/neutral/level_1/002.mp4",
    "M003/video/front/angry/level_1/001.mp4",
    "M003/video/front/angry/level_1/002.mp4",
]


@pytest.fixture
def write_list(tmp_path):
    """Return a function that writes a transcript list."""

    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "transcripts.txt"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def pairs(raw, path):
    clips = scan_corpus(raw, transcripts=path).clips
    return [(a.path[-7:-4], b.path[-7:-4]) for a, b in candidate_pairs(clips).pairs]


def test_the_list_overrides_the_numbering(grow, write_list):
    raw = grow(CLIPS)
    assert pairs(raw, None) == [("002", "002"), ("001", "001")]  # ids s001 and s009
    crossed = write_list(
        "M003_level_1_neutral_001 Green boats drift past.\n"
        "M003_level_1_neutral_002 Who painted this wall?\n"
        "M003_level_1_angry_001 WHO PAINTED THIS WALL\n"
        "M003_level_1_angry_002 green boats -- drift past\n"
    )
    assert sorted(pairs(raw, crossed)) == [("001", "002"), ("002", "001")]
    clip = next(
        clip
        for clip in scan_corpus(raw, transcripts=crossed).clips
        if clip.path.endswith("neutral/level_1/001.mp4")
    )
    assert clip.text == "Green boats drift past."


def test_texts_get_the_ids_of_the_numbering(grow, write_list):
    path = write_list("M003_level_1_neutral_001 green boats\nM003_level_1_angry_001 Green Boats\n")
    assert {
        clip.sentence for clip in scan_corpus(grow([CLIPS[0], CLIPS[2]]), transcripts=path).clips
    } == {"s009"}


def test_a_text_that_contradicts_the_numbering_gets_a_new_id(grow, write_list):
    lines = [
        f"{actor}_level_1_neutral_001 green boats drift past" for actor in ("M003", "M005", "M007")
    ]
    path = write_list("\n".join([*lines, "M009_level_1_neutral_001 who painted this wall"]))
    raw = grow(f"{actor}/video/front/neutral/level_1/001.mp4" for actor in ("M003", "M009"))
    usual, other = scan_corpus(raw, transcripts=path).clips
    assert usual.sentence == "s009"
    assert other.sentence is not None
    assert other.sentence.startswith("x-")
    assert other.clip_id == f"mead/M009/front/neutral-1/{other.sentence}-t001"


def test_a_misspelt_text_is_the_same_sentence_if_the_numbering_agrees(write_list):
    path = write_list(
        "M003_level_1_neutral_001 green boats drift past\n"
        "M005_level_1_neutral_001 green boats drifft past\n"
    )
    assert set(read_transcripts(path, mead_numbering()).sentences.values()) == {"s009"}
    unknown = write_list(
        "M098_level_1_neutral_001 green boats drift past\n"
        "M099_level_1_neutral_001 green boats drifft past\n"
    )
    assert len(set(read_transcripts(unknown, mead_numbering()).sentences.values())) == 2


def test_two_clips_with_one_text_are_two_takes(grow, write_list):
    path = write_list("M003_level_1_angry_001 green boats\nM003_level_1_angry_002 green boats\n")
    clips = scan_corpus(grow(CLIPS[2:]), transcripts=path).clips
    assert [clip.take for clip in clips] == [1, 2]
    assert len({clip.sentence for clip in clips}) == 1
    assert [clip.path[-7:-4] for clip in clips] == ["001", "002"]


def test_invalid_lines_are_findings_and_the_others_are_used(grow, write_list):
    path = write_list(
        "\ufeffM003_level_1_neutral_001 green boats\r\n\r\n"
        "M003 neutral green boats\r\n"
        "M003_level_1_bored_001 green boats\r\n"
        "M003_level_1_angry_001\r\n"
        "M003_level_1_angry_002 green boats\r\n"
        "M003_level_1_angry_002 another text\r\n"
    )
    scan = scan_corpus(grow(CLIPS), transcripts=path)
    findings = [finding for finding in scan.findings if finding.path == str(path)]
    assert Counter(finding.reason for finding in findings) == {
        Reason.BAD_ROW: 2,
        Reason.UNKNOWN_CODE: 1,
        Reason.LABEL_CONFLICT: 1,
    }
    assert sorted(finding.detail.split(":")[0] for finding in findings) == [
        f"transcripts.txt, line {number}" for number in (3, 4, 5, 7)
    ]
    sentences = {clip.path[len(str(scan.root)) + 1 :]: clip.sentence for clip in scan.clips}
    assert sentences[CLIPS[0]] is not None
    # Two lines contradict each other, and the numbering does not overrule the list.
    assert sentences[CLIPS[3]] is None


def test_an_unreadable_list_raises(grow, write_list, tmp_path):
    raw = grow(CLIPS)
    with pytest.raises(ScanError, match=r"absent\.txt"):
        scan_corpus(raw, transcripts=tmp_path / "absent.txt")
    with pytest.raises(ScanError, match=r"transcripts\.txt.*UTF-8"):
        scan_corpus(raw, transcripts=write_list("M003_level_1_neutral_001 grüne Boote", "latin-1"))
    with pytest.raises(ScanError, match=r"transcripts\.txt"):
        scan_corpus(raw, transcripts=write_list("hello\n"))


def test_transcripts_are_for_mead_only(grow, write_list):
    with pytest.raises(ScanError, match="cremad"):
        scan_corpus(
            grow(["1001_IEO_ANG_HI.flv"]),
            transcripts=write_list("M003_level_1_neutral_001 green boats\n"),
        )


def test_texts_are_compared_without_case_punctuation_and_spacing():
    assert (
        normalise(" Don\u2019t  ask, ME\tto -- carry_it. ")
        == normalise("DONT ASK ME TO CARRY IT")
        == "dont ask me to carry it"
    )
    assert normalise("Zeit für Öl") == "zeit für öl"


def test_the_numbering_pairs_all_of_mead_as_the_texts_do(grow, real):
    """31,060 clips, 14,582 of them with a neutral twin, and 130,001 pairs of two emotions."""
    path = real / "reference" / "mead_transcripts.txt"
    names = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            actor, _, level, emotion, number = line.split(maxsplit=1)[0].split("_")
            names.append(f"{actor}/video/front/{emotion}/level_{level}/{number}.mp4")
    raw = grow(names)
    by_table, by_text = scan_corpus(raw), scan_corpus(raw, transcripts=path)
    assert len(by_table.clips) == 31_060
    assert [(clip.path, clip.sentence) for clip in by_table.clips] == [
        (clip.path, clip.sentence) for clip in by_text.clips
    ]
    neutral = candidate_pairs(by_table.clips).pairs
    assert len(neutral) == len({target.clip_id for _, target in neutral}) == 14_582
    assert len(candidate_pairs(by_table.clips, "any").pairs) == 130_001
    assert {clip.take for clip in by_table.clips} == {1}
    # Group by the words themselves, apart from spellings: no two sentences share an id.
    words: dict[str, Counter[str]] = {}
    for clip in by_text.clips:
        words.setdefault(clip.sentence, Counter())[normalise(clip.text)] += 1
    usual = {counts.most_common(1)[0][0] for counts in words.values()}
    assert len(usual) == len(words) == 144
