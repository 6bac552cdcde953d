"""The prepared dataset: webdataset shards of utterances, and reading them. docs/shards.md describes the format."""

from stccl_data.dataset.members import ShardError
from stccl_data.dataset.reader import Dataset, ShardInfo, open_dataset, open_stream
from stccl_data.dataset.utterance import Pair, Utterance, UtteranceClip

__all__ = [
    "Dataset",
    "Pair",
    "ShardError",
    "ShardInfo",
    "Utterance",
    "UtteranceClip",
    "open_dataset",
    "open_stream",
]
