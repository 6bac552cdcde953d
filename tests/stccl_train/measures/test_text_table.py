"""Plain text tables in narrow terminals."""

from stccl_train.measures.text_table import align

ROWS = [["", "first", "second"], ["a title that is wide"], ["x", "1", "2"]]


def test_a_title_does_not_widen_its_column() -> None:
    assert align(ROWS) == "   first  second\na title that is wide\nx      1       2\n"


def test_columns_that_do_not_fit_follow_below() -> None:
    lines = align(ROWS, width=10).splitlines()
    assert lines == ["   first", "a title that is wide", "x      1", "",
                     "   second", "a title that is wide", "x       2"]  # fmt: skip


def test_a_column_wider_than_the_terminal_stands_alone() -> None:
    assert align(ROWS, width=2).splitlines()[0] == "   first"
