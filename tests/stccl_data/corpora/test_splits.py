"""Splits are by speaker, deterministic, and sensible for few speakers."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.corpora.splits import SPLITS, SplitError, apportion, assign_splits, split_note

RATIOS = "train=0.8,val=0.1,test=0.1"
SPEAKERS = st.lists(st.text(min_size=1, max_size=5), max_size=40, unique=True)


@given(speakers=SPEAKERS, seed=st.integers(0, 3))
def test_every_speaker_has_one_split_in_any_order(speakers, seed):
    assigned = assign_splits(speakers, RATIOS, seed)
    assert set(assigned) == set(speakers)
    assert set(assigned.values()) <= set(SPLITS)
    assert assign_splits(random.Random(1).sample(speakers, len(speakers)), RATIOS, seed) == assigned
    assert assign_splits(speakers + speakers, RATIOS, seed) == assigned


@given(total=st.integers(0, 60), parts=st.lists(st.integers(1, 100), min_size=1, max_size=3))
def test_parts_add_up_stay_near_their_ratio_and_are_not_empty(total, parts):
    ratios = dict(zip(SPLITS, parts, strict=False))
    counts = apportion(total, ratios)
    assert sum(counts.values()) == total
    if total >= len(ratios):
        assert min(counts.values()) >= 1
        assert (
            all(
                abs(counts[split] - total * ratio / sum(parts)) < 2 or counts[split] == 1
                for split, ratio in ratios.items()
            )
            or total < 6
        )
    if 0 < total < len(ratios):
        assert counts["train"] == 1


@pytest.mark.parametrize(
    ("speakers", "counts"),
    [
        (1, (1, 0, 0)),
        (2, (1, 1, 0)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (10, (8, 1, 1)),
        (47, (37, 5, 5)),
    ],
)
def test_few_speakers_are_distributed_sensibly(speakers, counts):
    actual = Counter(assign_splits([f"S{number}" for number in range(speakers)], RATIOS).values())
    assert tuple(actual[split] for split in SPLITS) == counts


def test_a_single_speaker_is_in_train_even_if_its_ratio_is_small():
    assert assign_splits(["A"], "train=0.1,test=0.9") == {"A": "train"}


def test_the_note_counts_the_speakers_and_names_the_empty_splits():
    counts, empty = split_note(assign_splits(["A"], RATIOS), RATIOS).split(";")
    assert "1 train" in counts
    assert "val" in empty and "test" in empty
    note = split_note(assign_splits("ABCDEFGHIJ", RATIOS), RATIOS)
    assert "8 train, 1 val, 1 test" in note
    assert ";" not in note
    counts, empty = split_note(assign_splits(["M005"], "mead-paper"), "mead-paper").split(";")
    assert "1 train" in counts
    assert "test" in empty and "val" not in empty


def test_the_seed_changes_the_assignment():
    speakers = [f"S{number}" for number in range(40)]
    assert assign_splits(speakers, RATIOS, 0) != assign_splits(speakers, RATIOS, 1)


def test_ratios_have_any_scale_and_zero_is_empty():
    speakers = [f"S{number}" for number in range(20)]
    assert assign_splits(speakers, "train=8, val=1, test=1") == assign_splits(speakers, RATIOS)
    assert set(assign_splits(speakers, "train=0,val=0,test=1").values()) == {"test"}


def test_named_splits_hold_out_the_speakers_of_the_papers():
    speakers = ["M003", "M005", "M009", "M012", "M030", "W015", "W021", "W029"]
    paper = assign_splits(speakers, "mead-paper")
    assert [speaker for speaker in speakers if paper[speaker] == "test"] == [
        "M003",
        "M009",
        "M012",
        "M030",
        "W015",
        "W029",
    ]
    assert [
        speaker
        for speaker, split in assign_splits(speakers, "mead-w021").items()
        if split == "test"
    ] == ["W021"]


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("train=0.8,dev=0.2", "'dev'.*train, val, test"),
        ("train=a", "'a'"),
        ("train=-1", "train.*0 or more"),
        ("train=nan", "train.*0 or more"),
        ("train=0,val=0", "train=0,val=0"),
        ("train=1,train=1", "'train'"),
        ("mead-papers", "mead-papers.*mead-paper"),
        ("absent.csv", "absent.csv"),
    ],
)
def test_an_invalid_split_is_rejected(spec, value):
    with pytest.raises(SplitError, match=value):
        assign_splits(["A", "B"], spec)


def test_a_csv_defines_the_split_of_each_speaker(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text(
        "\ufeffSpeaker,Split,why\r\nA,train,\r\nB, TEST,\r\nZ,val,\r\n",
        encoding="utf-8",
        newline="",
    )
    assert assign_splits(["B", "A"], str(path)) == {"A": "train", "B": "test"}
    with pytest.raises(SplitError, match=r"split\.csv.*C, D"):
        assign_splits(["A", "D", "C"], str(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name,split\nA,train\n", "name, split"),
        ("", "none"),
        ("speaker,split\nA,train\nB,dev\n", "row 3.*'dev'"),
        ("speaker,split\nA,train\nA,test\n", "row 3.*A.*train"),
        ("speaker,split\nA\n", "row 2.*''"),
    ],
)
def test_an_invalid_csv_is_rejected_with_the_row(tmp_path, text, value):
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(SplitError, match=value):
        assign_splits(["A"], str(path))
