"""Streaming utterances from whole shards."""

import pytest

from stccl_data.dataset import open_dataset, open_stream
from tests.testing import datasets as small

KEY = "mead/M003/front/s001"


def shards_of(out, split="train"):
    return sorted((out / "shards" / split).glob("*.tar"))


def test_a_stream_yields_every_utterance_of_its_split_once(shared_dataset):
    dataset = open_dataset(shared_dataset.out)
    streamed = {utterance.key: utterance for utterance in dataset.stream("train")}
    assert list(streamed) == dataset.keys("train")
    (pair,) = streamed[KEY].pairs("neutral", "angry")
    assert small.identify_frame(pair.target.frames("face", [9])[0]) == ("angry", 9)
    assert pair.frame_map.shape == (12,)
    with pytest.raises(ValueError, match="'dev'"):
        dataset.stream("dev")


def test_the_order_of_a_shuffled_stream_depends_on_the_seed_alone(shared_dataset):
    dataset = open_dataset(shared_dataset.out)
    orders = [
        [utterance.key for utterance in dataset.stream("train", shuffle=True, seed=seed)]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(dataset.keys("train")) for order in orders)


def test_a_stream_needs_only_the_tars(shared_dataset):
    paths = shards_of(shared_dataset.out)
    keys = [utterance.key for utterance in open_stream(paths)]
    assert keys == open_dataset(shared_dataset.out).keys("train")
    assert len(list(open_stream(paths[0]))) == 1
    assert len(list(open_stream([f"pipe:cat {paths[0]}"]))) == 1
    braces = str(shared_dataset.out / "shards" / "val" / "stccl-val-{000000..000001}.tar")
    assert len(list(open_stream(braces))) == 2


def test_special_characters_in_a_path_are_taken_literally(tmp_path):
    written = small.make_dataset(tmp_path / "Übung #1 {a,b}?x:y")
    assert len(list(open_dataset(written.out).stream("val"))) == 2


def test_readers_divide_the_shards_and_idle_readers_cause_a_warning(shared_dataset, monkeypatch):
    dataset = open_dataset(shared_dataset.out)
    monkeypatch.setenv("NUM_WORKERS", "3")
    keys = []
    for worker in range(3):
        monkeypatch.setenv("WORKER", str(worker))
        keys += [utterance.key for utterance in dataset.stream("train")]
    assert sorted(keys) == sorted(dataset.keys("train"))
    with pytest.warns(UserWarning, match=r"\b2\b.*\b3\b"):
        list(dataset.stream("val"))


def test_a_reader_that_divides_the_shards_itself_gets_all_it_asks_for(shared_dataset, monkeypatch):
    dataset = open_dataset(shared_dataset.out)
    monkeypatch.setenv("NUM_WORKERS", "3")
    assert [utterance.key for utterance in dataset.read(dataset.shards)] == dataset.keys()
