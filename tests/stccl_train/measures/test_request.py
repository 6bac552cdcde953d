"""What `stccl measure` makes of its arguments."""

from pathlib import Path

import pytest

from stccl_data.errors import UsageError
from stccl_train.measures.controls import MOST_OTHERS, comparisons
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


@pytest.mark.parametrize("source", ["M003/happy/1.mp4", "M003/neutral/1.mp4", "M003/1.mp4"])
def test_speaker_and_emotion_are_read_from_the_folders(tmp_path: Path, source: str) -> None:
    for name in (f"source/{source}", "ours/M003/happy/1.mp4", "ours/M003/2.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (row,) = read_rows([tmp_path / "source", tmp_path / "ours"])
    assert (row.speaker, row.emotion) == ("M003", "happy")
    assert row.source == str(tmp_path / "source" / source)


def test_several_sources_on_the_command_line_are_refused_with_advice(folder: Path) -> None:
    (folder / "theirs/a.mp4").touch()
    with pytest.raises(UsageError, match="several sources give folders"):
        read_rows([folder / name for name in ("source/a.mp4", "ours/a.mp4", "theirs/a.mp4")])


def test_an_emotion_of_a_csv_has_one_spelling(folder: Path) -> None:
    lines = [f"{n},x,{emotion}" for n, emotion in enumerate(("happy", "Happy", "my own"))]
    rows = read_rows([csv(folder, "\n".join(["source,generated,emotion", *lines]))])
    assert [row.emotion for row in rows] == ["happy", "happy", "my own"]


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
        ("source;generated\na.mp4;b.mp4\n", "separated by ';'"),
        ("source,generated\n", "nothing to measure"),
        ("source,generated,method\na,b,copy\n", "copy"),
        ("source,generated\na,b\na,c\n", "two clips"),
        ("", "generated"),
    ],
)
def test_a_csv_that_cannot_be_meant_is_refused(folder: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        read_rows([csv(folder, text)])


def test_arguments_of_two_kinds_or_without_a_partner_are_refused(folder: Path) -> None:
    video, empty = folder / "source/a.mp4", folder / "empty"
    empty.mkdir()
    for paths, named in (
        ([video], "alone"),
        ([folder / "source"], "alone"),
        ([video, folder / "ours"], "is a folder"),
        ([folder / "source", video], "is not a folder"),
        ([folder / "source", empty], "no video"),
    ):
        with pytest.raises(UsageError, match=named):
            read_rows(paths)


def test_folders_without_a_common_name_are_refused(folder: Path) -> None:
    (folder / "theirs/b.avi").rename(folder / "theirs/c.avi")
    with pytest.raises(UsageError, match="same name"):
        read_rows([folder / "source", folder / "theirs"])


def controls(rows: list[Row]) -> dict[str, list[tuple[str, str]]]:
    """The controls of each source: their kind and clip, sorted."""
    return {
        source: sorted((c.control, c.row.generated) for c in group if c.control)
        for source, group in comparisons(rows).items()
    }


def test_controls_are_listed_once_for_each_source() -> None:
    rows = [Row(s, f"{m}/{s}", m, speaker=s[0]) for s in ("a1", "a2", "b1") for m in ("x", "y")]
    assert controls(rows) == {
        "a1": [("copy", "a1"), ("other", "b1")],
        "a2": [("copy", "a2"), ("other", "b1")],
        "b1": [("copy", "b1"), ("other", "a1"), ("other", "a2")],
    }


def test_others_do_not_depend_on_the_order_of_the_rows() -> None:
    rows = [Row(f"{n}", f"x/{n}", speaker=f"{n}") for n in range(3 * MOST_OTHERS)]
    made = controls(rows)
    assert {len(group) for group in made.values()} == {1 + MOST_OTHERS}
    assert controls(rows[::-1]) == made
    assert len({clip for group in made.values() for kind, clip in group if kind == "other"}) > 10


def test_others_in_the_same_emotion_come_first() -> None:
    rows = [Row(f"{n}", f"x/{n}", emotion="sad" if n < 3 else "happy") for n in range(20)]
    assert {"0", "1"} < {clip for kind, clip in controls(rows)["2"] if kind == "other"}


def test_who_says_the_same_is_no_other() -> None:
    texts = {"a1": "It is time.", "b1": "it is  TIME", "c2": "Not yet."}
    rows = [Row(s, f"x/{s}", speaker=s[0], sentence=text) for s, text in texts.items()]
    assert controls(rows)["a1"] == [("copy", "a1"), ("other", "c2")]


def test_a_reference_gives_real_rows_and_others_aligned_like_them() -> None:
    rows = [Row("a", "x", reference="r", emotion="sad"), Row("b", "y")]
    assert controls(rows) == {
        "a": [("copy", "a"), ("other", "b"), ("other aligned", "b"), ("real", "r")],
        "b": [("copy", "b"), ("other", "a")],
    }
