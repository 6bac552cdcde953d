"""Takes get their row of the script by order."""

import pytest

from stccl_data.recordings.position import rows_by_position

#: three texts in two emotions
SCRIPT = [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("takes", "rows"),
    [
        ([0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
        ([0, 0, 1, 2, 2, 0, 1, 2], [0, 0, 1, 2, 2, 3, 4, 5]),
        ([0, 1, 0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 0, 2], [0, 1, 2, 3, 5]),
        ([0, 1], [None, None]),
        ([], []),
    ],
    ids=["as written", "repeated", "gone back", "one left out", "either emotion", "nothing"],
)
def test_rows_follow_the_order_of_the_script(takes, rows):
    assert rows_by_position(takes, SCRIPT) == rows


def test_takes_of_one_text_after_another_are_told_apart_by_their_number_only():
    assert rows_by_position([0, 0, 0], [0, 0]) == [0, None, 1]
    assert rows_by_position([0, 0, 0, 0], [0, 0], limit=2) == [0, 0, 1, 1]
    assert rows_by_position([0, 0, 0], [0, 0], limit=2).count(None) > 0
