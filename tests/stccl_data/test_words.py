"""Numbers with their nouns."""

import pytest

from stccl_data.words import counted


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 clips"), (1, "1 clip"), (2, "2 clips"), (1234, "1,234 clips")],
)
def test_one_thing_is_singular(number: int, words: str) -> None:
    assert counted(number, "clip") == words
