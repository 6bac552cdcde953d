"""How many batches, readers and workers there are."""

from dataclasses import replace
from itertools import islice

import pytest

from stccl_data.errors import UsageError
from stccl_train.data.reader import open_reader
from stccl_train.data.reader_plan import plan_reader
from tests.testing.windows import PLAIN, SHAPE, plan


def test_ranks_get_equally_many_batches_from_unequal_shares(dataset):
    config = replace(PLAIN, access="stream", readers=3)  # 4 shards for 3 readers
    made = plan(dataset, config, world=3, batch=4)
    assert made.batches == 3  # 32 windows of 4 utterances, 12 a step
    for rank in range(3):
        reader = open_reader(dataset, "train", config, made, rank)
        assert [len(batch) for batch in islice(reader, 7)] == [4] * 7


def test_fewer_shards_than_readers_is_noted(dataset):
    made = plan(dataset, replace(PLAIN, access="stream"))
    (note,) = made.notes
    assert made.readers == 4
    assert "4 shards for 8 readers" in note and "--shard-mb" in note


def test_ranks_share_shards_if_there_are_fewer(dataset):
    config = replace(PLAIN, access="stream", readers=6)
    made = plan(dataset, config, world=6)
    assert made.readers == 1 and "4 shards for 6 readers" in made.notes[0]
    for rank in range(6):
        assert next(open_reader(dataset, "train", config, made, rank)).names


def test_at_most_one_worker_per_reader_is_used(dataset):
    made = plan(dataset, replace(PLAIN, readers=2, workers=5))
    assert made.workers == 2
    (note,) = made.notes
    assert "5 workers for 2 readers" in note


def test_workers_divide_readers(dataset):
    assert plan(dataset, replace(PLAIN, readers=4), spare_cores=3).workers == 2


def test_an_unknown_split_is_an_error(dataset):
    with pytest.raises(UsageError, match="test"):
        plan_reader(dataset, "test", PLAIN, shape=SHAPE, size=64, batch=2)
