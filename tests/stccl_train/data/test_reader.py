"""Batches are the same for the same seed, however the reading is shared."""

from dataclasses import replace
from itertools import islice

import pytest

from stccl_data.dataset import ShardError, open_dataset
from stccl_train.data.reader import open_reader
from stccl_train.data.windows import WindowShape
from tests.testing import datasets as small
from tests.testing.windows import PLAIN, plan

pytestmark = pytest.mark.parametrize("access", ["index", "stream"])


def names(dataset, config, count, rank=0, start=0, **changes):
    """Return the window names of the first batches."""
    reader = open_reader(dataset, "train", config, plan(dataset, config, **changes), rank, start)
    return [batch.names for batch in islice(reader, count)]


def test_windows_depend_on_seed_and_epoch_only(dataset, access):
    config = replace(PLAIN, access=access, per_epoch=8)  # 4 batches
    first = names(dataset, config, 8)
    assert first == names(dataset, config, 8)
    assert first != names(dataset, config, 8, seed=1)
    assert first[:4] != first[4:]


@pytest.mark.parametrize("start", [1, 3, 4, 7])
def test_reading_resumes_at_any_batch(dataset, access, start):
    config = replace(PLAIN, access=access, readers=2, per_epoch=10)
    assert names(dataset, config, 12)[start:] == names(dataset, config, 12 - start, start=start)


def test_two_ranks_see_what_one_rank_with_twice_the_batches_sees(dataset, access):
    config = replace(PLAIN, access=access, readers=2, per_epoch=16)
    alone = names(dataset, config, 12, accumulate=2)
    together = [names(dataset, config, 6, rank=rank, world=2) for rank in (0, 1)]
    assert [batch for step in zip(*together, strict=True) for batch in step] == alone


def test_ranks_read_different_utterances(dataset, access):
    config = replace(PLAIN, access=access, readers=4, per_epoch=32)
    keys = [
        {
            name.partition(": ")[0]
            for batch in names(dataset, config, 8, rank, world=2)
            for name in batch
        }
        for rank in (0, 1)
    ]
    assert keys[0] and keys[1] and not keys[0] & keys[1]
    assert keys[0] | keys[1] == set(dataset.keys("train"))


def test_worker_processes_change_nothing(dataset, access):
    config = replace(PLAIN, access=access, readers=4, per_epoch=14)
    alone = names(dataset, config, 9, start=1)
    assert names(dataset, replace(config, workers=2), 9, start=1) == alone


def test_no_window_that_fits_is_an_error(dataset, access):
    config = replace(PLAIN, access=access)
    long = plan(dataset, config, shape=WindowShape(40))
    with pytest.raises(ShardError, match=r"\b40\b.*\b4\b"):
        next(open_reader(dataset, "train", config, long))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_shard_is_an_error_that_names_it(tmp_path, access, workers):
    out = small.make_dataset(tmp_path / "out").out
    shard = out / "shards" / "train" / "stccl-train-000002.tar"
    shard.write_bytes(shard.read_bytes()[:-4096])
    config = replace(PLAIN, access=access, workers=workers)
    with pytest.raises(ShardError, match=r"stccl-train-000002\.tar") as caught:
        names(open_dataset(out), config, 50)
    assert "Traceback" not in str(caught.value)
