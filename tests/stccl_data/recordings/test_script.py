"""Scripts, and how their words are spoken."""

import pytest

from stccl_data.recordings.pronunciation import COLUMN, PronunciationError, pronounce
from stccl_data.recordings.script import ScriptError, read_script


def script(tmp_path, text, name="lines.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_script(path)


def test_a_text_file_has_a_line_per_line(tmp_path):
    lines = script(
        tmp_path, "# scene 1\nDogs are sitting.\n\nKids are talking!\ndogs ARE sitting\n"
    )
    assert lines.texts == ("Dogs are sitting.", "Kids are talking!")
    assert [row.text for row in lines.rows] == [0, 1, 0]
    assert lines.sentences == ("s001", "s002")


def test_a_table_has_emotions_and_ids(tmp_path):
    lines = script(tmp_path, "emotion;text;sentence\nWut;Dogs sit;a1\nsad;Dogs sit;a1\n", "l.csv")
    assert [row.emotion for row in lines.rows] == ["angry", "sad"]
    assert lines.sentences == ("a1",)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("\n", "a.txt", "has no lines"),
        ("words\nx\n", "a.csv", "no column text"),
        ("text,emotion\nDogs,/\n", "a.csv", "row 2: invalid emotion"),
        ("Dogs\n!?\n", "a.txt", "line 2: .* has no words"),
        ("text,sentence\nDogs,a\nCats,a\n", "a.csv", "one id .* two texts"),
        ("text,sentence\nDogs,a\ndogs,b\n", "a.csv", "'dogs' has two ids"),
    ],
)
def test_a_script_that_cannot_be_used_says_where(tmp_path, text, name, message):
    with pytest.raises(ScriptError, match=message):
        script(tmp_path, text, name)


def test_numbers_and_other_alphabets_are_named(tmp_path):
    with pytest.raises(ScriptError, match="'25' contains digits; write the number in words"):
        script(tmp_path, "I have 25 books").pronounced()
    with pytest.raises(PronunciationError, match="'дверь' is not a word in English letters"):
        pronounce("дверь")


def test_words_have_their_pronunciations_and_unknown_ones_are_spelled_out():
    names = {column: name for name, column in COLUMN.items()}
    the, zorblax = pronounce("the Zorblax")
    spoken = {" ".join(names[c] for c in p) for p in the.pronunciations}
    assert spoken == {"DH AH", "DH IY"}
    assert [names[c] for c in zorblax.pronunciations[0]][:3] == ["Z", "AO", "R"]
