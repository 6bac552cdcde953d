"""Streams of windows: balance between speakers, shared shards."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from stccl_data.dataset import Dataset
from stccl_train.data.streams import WindowStreams
from tests.testing.windows import PLAIN, plan


class Unbalanced(Dataset):
    """One speaker with two utterances, another with one."""

    def keys(self, split=None):
        return [key for key in super().keys(split) if key != "mead/W009/front/s002"]


@pytest.mark.parametrize(("balance", "share"), [(True, 1 / 2), (False, 1 / 3)])
def test_balance_draws_every_speaker_equally_often(dataset, balance, share):
    unbalanced = Unbalanced(dataset.path)
    config = replace(PLAIN, balance=balance, per_utterance=6, shuffle=1)
    streams = WindowStreams(unbalanced, "train", config, plan(unbalanced, config))
    counts = Counter(window.speaker for window in islice(streams.windows(0, 0), 300))
    assert abs(counts["mead/W009"] / 300 - share) < 0.08


def test_readers_of_one_shard_divide_its_utterances(dataset, monkeypatch):
    config = replace(PLAIN, access="stream", readers=8)
    eight_ranks = replace(plan(dataset, config, world=8), readers=1, world=8)
    streams = WindowStreams(dataset, "train", config, eight_ranks)
    shard = replace(dataset.shards[0], utterances=4)
    monkeypatch.setattr(Dataset, "read", lambda self, shards: iter("abcd"))
    assert list(streams._share_of_shard(shard, 0)) == ["a", "c"]
    assert list(streams._share_of_shard(shard, 4)) == ["b", "d"]
