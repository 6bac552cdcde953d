"""What `stccl measure` makes of its arguments."""

from pathlib import Path

import pytest

from stccl_data.errors import UsageError
from stccl_train.measures.controls import comparisons
from stccl_train.measures.request import Row, read_rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("source/a.mp4", "source/b.mov", "ours/a.mp4", "ours/b.mp4", "theirs/b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def csv(folder: Path, text: str) -> Path:
    (folder / "rows.csv").write_text(text)
    return folder / "rows.csv"


def test_folders_are_matched_by_name_and_name_the_methods(folder: Path) -> None:
    rows = read_rows([folder / "source", folder / "ours", folder / "theirs"])
    assert [(row.method, Path(row.source).name, Path(row.generated).name) for row in rows] == [
        ("ours", "a.mp4", "a.mp4"),
        ("ours", "b.mov", "b.mp4"),
        ("theirs", "b.mov", "b.avi"),
    ]


def test_paths_of_a_csv_are_relative_to_it(folder: Path) -> None:
    listing = csv(folder, "source,generated,emotion\nsource/a.mp4,ours/a.mp4, happy\n")
    (row,) = read_rows([listing])
    assert row.source == str(folder / "source/a.mp4") and row.emotion == "happy"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("source\na.mp4\n", "generated"),
        ("source,generated,metod\na,b,c\n", "metod"),
        ("source,generated\na.mp4,\n", "line 2"),
        ("source,generated\na.mp4,b.mp4,c.mp4\n", "line 2"),
        ("source,generated\n", "nothing to measure"),
        ("source,generated,method\na,b,copy\n", "copy"),
        ("source,generated\na,b\na,c\n", "two clips"),
        ("", "generated"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused(folder: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        read_rows([csv(folder, text)])


def test_folders_without_a_common_name_are_refused(folder: Path) -> None:
    (folder / "theirs/b.avi").unlink()
    with pytest.raises(UsageError, match="same name"):
        read_rows([folder / "source", folder / "theirs"])


def test_controls_are_listed_once_for_each_source() -> None:
    rows = [Row(s, f"{m}/{s}", m, speaker=s[0]) for s in ("a1", "a2", "b1") for m in ("x", "y")]
    groups = comparisons(rows)
    made = {
        source: [(c.control, c.row.generated) for c in group if c.control]
        for source, group in groups.items()
    }
    assert made == {
        "a1": [("copy", "a1"), ("other", "b1")],
        "a2": [("copy", "a2"), ("other", "b1")],
        "b1": [("copy", "b1"), ("other", "a1")],
    }


def test_a_reference_gives_a_real_row() -> None:
    (group,) = comparisons([Row("a", "x", reference="r", emotion="sad")]).values()
    assert [(c.control, c.row.generated) for c in group[1:]] == [("copy", "a"), ("real", "r")]
