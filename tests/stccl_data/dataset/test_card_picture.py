"""The picture of the dataset card."""

from pathlib import Path

import cv2
import pytest

from stccl_data.dataset.card import write_card
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import CARD, CARD_PICTURE
from tests.testing import datasets


@pytest.fixture
def dataset(tmp_path: Path) -> datasets.SmallDataset:
    return datasets.make_dataset(tmp_path / "out")


def rewritten_card(dataset: datasets.SmallDataset) -> str:
    """Write the tables and the card again; return the card."""
    datasets.write_tables(dataset.out, dataset.clips, dataset.pairs)
    counts = dataset_counts(dataset.clips, dataset.pairs, [])
    write_card(dataset.out, "mead", counts, "", {})
    return (dataset.out / CARD).read_text()


def test_the_card_shows_a_pair_of_each_of_three_speakers(dataset: datasets.SmallDataset) -> None:
    assert f"({CARD_PICTURE})" in (dataset.out / CARD).read_text()
    picture = cv2.imread(str(dataset.out / CARD_PICTURE))
    assert picture is not None and picture.shape == (3 * 192 + 2 * 8, 8 * 96, 3)


def test_a_rejected_pair_leaves_the_picture(dataset: datasets.SmallDataset) -> None:
    for row in dataset.pairs:
        row["accepted"] = row["accepted"] and row["speaker"] == "M003"
    rewritten_card(dataset)
    picture = cv2.imread(str(dataset.out / CARD_PICTURE))
    assert picture is not None and picture.shape[0] == 192


def test_without_an_accepted_pair_there_is_no_picture(dataset: datasets.SmallDataset) -> None:
    for row in dataset.pairs:
        row["accepted"] = False
    assert CARD_PICTURE not in rewritten_card(dataset)
    assert not (dataset.out / CARD_PICTURE).exists()


def test_without_crops_there_is_no_picture(tmp_path: Path) -> None:
    out = datasets.make_dataset(tmp_path / "out", crops=False).out
    assert CARD_PICTURE not in (out / CARD).read_text()


def test_a_missing_shard_costs_its_pairs_alone(dataset: datasets.SmallDataset) -> None:
    for path in dataset.out.glob("shards/val/*.tar"):
        path.unlink()
    rewritten_card(dataset)
    picture = cv2.imread(str(dataset.out / CARD_PICTURE))
    assert picture is not None and picture.shape[0] == 2 * 192 + 8
