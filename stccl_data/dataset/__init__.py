"""The prepared dataset: shards of utterances and tables beside them, written, read and verified.

docs/shards.md describes the format.
"""

from stccl_data.dataset.index import ShardInfo
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.reader import Dataset, open_dataset
from stccl_data.dataset.stream import open_stream
from stccl_data.dataset.utterance import Pair, Utterance
from stccl_data.dataset.utterance_clip import UtteranceClip

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
