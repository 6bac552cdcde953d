"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file that is there whole or not at all.

Files are read with `weights_only=True`: tensors, numbers, words and lists of them; nothing in a file is executed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stccl_data.dataset import Dataset
from stccl_data.dataset.layout import PAIRS
from stccl_data.errors import StcclError
from stccl_data.files.atomic import atomic_writer

#: Raise when a checkpoint of before could not be gone on from.
VERSION = 1

FOLDER = "checkpoints"


class CheckpointError(StcclError):
    """A checkpoint cannot be used. The message names the file and says what to do."""


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """The state of a run after `step` steps.

    `model`, `optimiser`: state dicts. `rng`: of each rank, torch's generators. `config`: plain values. `fingerprint`: of the data.
    `batch`, `readers`: windows a step and readers, over all ranks: with `step` they are the reader's position.
    `first_loss`: of the first step. `best`: the lowest validation loss, and `best_step`. `sums`: since the last line of
    metrics.jsonl, of `summed` steps. `finished`: nothing is left to do.
    """

    step: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    rng: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    batch: int = 0
    readers: int = 0
    first_loss: float | None = None
    best: float | None = None
    best_step: int | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)
    summed: int = 0
    finished: bool = False


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file, or replace it, atomically."""
    record = {
        "version": VERSION,
        **{one.name: getattr(checkpoint, one.name) for one in fields(Checkpoint)},
    }
    with atomic_writer(path) as file:
        torch.save(record, file)


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint, on the CPU. Raises CheckpointError where the file is none, is damaged or of a newer version."""
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except Exception as error:  # torch's reader raises whatever the bytes lead it to
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} is no checkpoint that can be read ({said}); remove it to start over"
        ) from None
    if not isinstance(record, Mapping) or "version" not in record:
        raise CheckpointError(f"{path} is no checkpoint of `stccl train`; remove it to start over")
    if record["version"] != VERSION:
        raise CheckpointError(
            f"{path} has version {record['version']}, this stccl reads {VERSION}; finish the run with the other"
        )
    try:
        return Checkpoint(**{name: value for name, value in record.items() if name != "version"})
    except TypeError as error:
        raise CheckpointError(
            f"{path} is not as `stccl train` writes it ({error}); remove it to start over"
        ) from None


def random_state() -> dict[str, Any]:
    """The state of torch's own generators. The trainer draws windows and places from generators made of seed and position."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Set torch's generators to a state that `random_state` gave; a GPU's only where there are as many of them."""
    torch.set_rng_state(state["cpu"])
    if (
        state["cuda"]
        and torch.cuda.is_available()
        and len(state["cuda"]) == torch.cuda.device_count()
    ):
        torch.cuda.set_rng_state_all(state["cuda"])


def fingerprint(dataset: Dataset, *splits: str) -> str:
    """Names what these splits hold, in hexadecimal: the same shards and pairs, the same name, wherever they lie."""
    shards = sorted(
        (shard.split, shard.path, shard.sha256) for shard in dataset.shards if shard.split in splits
    )
    pairs = dataset.path / PAIRS
    table = hashlib.sha256(pairs.read_bytes()).hexdigest() if pairs.is_file() else ""
    return hashlib.sha256(repr((shards, table)).encode()).hexdigest()
