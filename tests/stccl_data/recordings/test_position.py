"""Takes get their row of the script by order, unless they contradict it."""

import random

import pytest

from stccl_data.recordings.position import Order, read_order
from stccl_data.recordings.script import ScriptRow


def script(lines, emotions):
    """Every line in each emotion, one emotion after the other."""
    return [ScriptRow(line, emotion) for emotion in emotions for line in range(lines)]


def texts(rows):
    return [row.text for row in rows]


@pytest.mark.parametrize(
    ("takes", "rows"),
    [
        ([0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 7]),
        ([0, 0, 1, 2, 2, 3, 0, 1, 2, 3], [0, 0, 1, 2, 2, 3, 4, 5, 6, 7]),
        ([0, 1, 0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 0, 1, 2, 3, 4, 5, 6, 7]),
        ([0, 1, 2, 3, 0, 2, 3], [0, 1, 2, 3, 4, 6, 7]),
        ([0, 1], [None, None]),
        ([], []),
    ],
    ids=["as written", "repeated", "gone back", "one left out", "either emotion", "nothing"],
)
def test_rows_follow_the_order_of_the_script(takes, rows):
    assert read_order(takes, script(4, ["neutral", "sad"])).rows == rows


def test_takes_of_one_text_after_another_are_told_apart_by_their_number_only():
    rows = script(1, ["neutral", "sad"])
    assert read_order([0, 0, 0], rows).rows == [0, None, 1]
    assert read_order([0, 0, 0, 0], rows, limit=2).rows == [0, 0, 1, 1]
    assert read_order([0, 0, 0], rows, limit=2).rows.count(None) > 0


def test_lines_may_be_spoken_in_any_order_within_an_emotion():
    rows = script(8, ["neutral", "sad", "angry"])
    order = random.Random(1)
    spoken = [row for n in range(0, 24, 8) for row in order.sample(rows[n : n + 8], 8)]
    reading = read_order(texts(spoken), rows)
    assert [rows[row] for row in reading.rows] == spoken


@pytest.mark.parametrize("lines", [2, 3, 10])
@pytest.mark.parametrize("emotions", [2, 3])
def test_a_script_that_is_spoken_line_by_line_tells_no_emotion_but_is_noticed(lines, emotions):
    rows = script(lines, ["neutral", "sad", "angry"][:emotions])
    reading = read_order(sorted(texts(rows)), rows)
    assert set(reading.rows) == {None}
    assert reading.order is Order.BY_LINE


def test_a_script_that_is_written_line_by_line_tells_emotions_in_its_own_order_only():
    rows = sorted(script(4, ["neutral", "sad"]), key=lambda row: row.text)
    assert read_order(texts(rows), rows).rows == list(range(8))
    reading = read_order([0, 1, 2, 3, 0, 1, 2, 3], rows)
    assert (set(reading.rows), reading.order) == ({None}, Order.BY_EMOTION)


def test_emotions_in_another_order_are_noticed_if_their_lines_differ():
    rows = [*script(3, ["neutral"]), *(ScriptRow(line, "sad") for line in (0, 1, 3))]
    reading = read_order([0, 1, 3, 0, 1, 2], rows)
    assert (set(reading.rows), reading.order) == ({None}, Order.OTHER_EMOTIONS)


def test_takes_in_no_order_have_no_emotion():
    rows = script(10, ["neutral", "sad", "angry"])
    for seed in range(5):
        spoken = random.Random(seed).sample(texts(rows), len(rows))
        reading = read_order(spoken, rows)
        assert (set(reading.rows), reading.order) == ({None}, Order.UNKNOWN)


def test_repeated_takes_of_one_emotion_are_not_given_to_two():
    reading = read_order([0, 0, 1, 2, 3, 3, 4], script(5, ["neutral", "sad"]))
    assert set(reading.rows) == {None}
