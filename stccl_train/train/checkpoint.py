"""Checkpoints: one file with everything that a run needs to resume, written atomically.

Files are read with `weights_only=True`: tensors, numbers, strings and containers of them. Nothing
in a file is executed.
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
from stccl_data.files.atomic import atomic_writer
from stccl_train.train.errors import CheckpointError

#: Bump when older checkpoints can no longer be resumed.
VERSION = 1

FOLDER = "checkpoints"


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """The state of a run after `step` steps.

    `step`, `batch` and `readers` are the position in the data.
    """

    step: int = 0
    #: state dict of the metric
    model: dict[str, Tensor] = field(default_factory=dict)
    #: state dict of the optimiser
    optimiser: dict[str, Any] = field(default_factory=dict)
    #: torch's generators of each rank, from `random_state`
    rng: list[dict[str, Any]] = field(default_factory=list)
    #: the training config as plain values
    config: dict[str, Any] = field(default_factory=dict)
    #: of the data, from `fingerprint`
    fingerprint: str = ""
    #: windows per step over all ranks
    batch: int = 0
    #: readers over all ranks
    readers: int = 0
    #: loss of the first step
    first_loss: float | None = None
    #: lowest validation loss, and the step it was measured after
    best: float | None = None
    best_step: int | None = None
    #: sums of the values of `summed` steps since the last line of metrics.jsonl
    sums: dict[str, Tensor] = field(default_factory=dict)
    summed: int = 0
    #: whether all steps are done
    finished: bool = False


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write or replace a checkpoint atomically."""
    record = {
        "version": VERSION,
        **{field.name: getattr(checkpoint, field.name) for field in fields(Checkpoint)},
    }
    with atomic_writer(path) as file:
        torch.save(record, file)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: the file is missing, corrupt, not a checkpoint, or of another version.
    """
    try:
        record = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except Exception as error:  # torch raises whatever the bytes lead it to
        cause = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint ({cause}). Remove it to start over"
        ) from None
    if not isinstance(record, Mapping) or "version" not in record:
        raise CheckpointError(f"{path}: not a checkpoint of `stccl train`. Remove it to start over")
    if record["version"] != VERSION:
        raise CheckpointError(
            f"{path}: version {record['version']}, but this stccl reads version {VERSION}. "
            "Finish the run with the stccl that started it"
        )
    try:
        return Checkpoint(**{name: value for name, value in record.items() if name != "version"})
    except TypeError as error:
        raise CheckpointError(
            f"{path}: not as `stccl train` writes it ({error}). Remove it to start over"
        ) from None


def random_state() -> dict[str, Any]:
    """Return the state of torch's global generators.

    Windows and places do not depend on it: their generators are made from seed and position.
    """
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restore a state of `random_state`; the GPUs' only if there are as many GPUs as then."""
    torch.set_rng_state(state["cpu"])
    if (
        state["cuda"]
        and torch.cuda.is_available()
        and len(state["cuda"]) == torch.cuda.device_count()
    ):
        torch.cuda.set_rng_state_all(state["cuda"])


def fingerprint(dataset: Dataset, *splits: str) -> str:
    """Return a SHA-256 of the contents of splits: equal shards and pairs give equal digests.

    The location of the dataset does not matter.
    """
    shards = sorted(
        (shard.split, shard.path, shard.sha256) for shard in dataset.shards if shard.split in splits
    )
    pairs = dataset.path / PAIRS
    table = hashlib.sha256(pairs.read_bytes()).hexdigest() if pairs.is_file() else ""
    return hashlib.sha256(repr((shards, table)).encode()).hexdigest()
