"""The prepared dataset: webdataset shards of utterances, and reading them. docs/shards.md describes the format."""

from .members import ShardError
from .read import Dataset, ShardInfo, open_dataset, open_stream
from .utterance import Pair, Utterance, UtteranceClip

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
