"""How an epoch is read: how many batches, from how many readers, by how many processes."""

import math
from dataclasses import dataclass

from stccl_data.dataset import Dataset
from stccl_data.errors import UsageError
from stccl_data.executors import usable_cores
from stccl_data.words import counted
from stccl_train.config import WindowConfig
from stccl_train.data.windows import WindowShape

#: Readers if the config does not say.
_READERS = 8
#: Utterances that each of them then has, so that the windows of a batch come from different ones.
_MIN_UTTERANCES_PER_READER = 8
#: Most worker processes of one rank if the config does not say.
_MAX_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPlan:
    """How an epoch is read, equal on all ranks."""

    shape: WindowShape
    #: width and height of the frames, pixels
    size: int
    #: windows per batch
    batch: int
    #: batches per epoch on each rank
    batches: int
    #: streams of windows on each rank
    readers: int
    #: processes on each rank that run the readers; 0 runs them in the rank's own process
    workers: int
    seed: int
    #: number of ranks
    world: int
    #: sentences for the user
    notes: tuple[str, ...] = ()


def plan_reader(
    dataset: Dataset,
    split: str,
    config: WindowConfig,
    *,
    shape: WindowShape,
    size: int,
    batch: int,
    accumulate: int = 1,
    world: int = 1,
    seed: int = 0,
    spare_cores: int = 0,
) -> ReaderPlan:
    """Plan how a split is read. An epoch is a whole number of steps, the same number on all ranks.

    Args:
        dataset: the dataset.
        split: the split.
        config: which windows, and how they are read.
        shape: the frames of a window.
        size: width and height of the frames, pixels.
        batch: windows per batch.
        accumulate: batches per step on each rank.
        world: number of ranks.
        seed: decides every draw.
        spare_cores: worker processes of each rank if the config does not say.

    Raises:
        UsageError: the dataset has no such split.
    """
    if split not in dataset.splits:
        available = ", ".join(dataset.splits) or "none"
        raise UsageError(f"{dataset.path}: no {split} split; choose one of: {available}")
    notes: list[str] = []
    utterances = len(dataset.keys(split))
    if config.access == "stream":
        shards = sum(shard.split == split for shard in dataset.shards)
        readers = _stream_readers(config, shards, world, notes)
    else:
        readers = _index_readers(config, utterances, world, notes)
    windows = config.per_epoch or config.per_utterance * utterances
    return ReaderPlan(
        shape=shape,
        size=size,
        batch=batch,
        batches=max(1, math.ceil(windows / (batch * accumulate * world))) * accumulate,
        readers=readers,
        workers=_workers(config, readers, spare_cores, notes),
        seed=seed,
        world=world,
        notes=tuple(notes),
    )


def useful_workers(world: int, gpu: bool) -> int:
    """Number of worker processes that speed up reading on one rank.

    With a GPU, the cores that each rank has besides its own, at most `_MAX_WORKERS`. On a CPU none:
    training needs the cores.
    """
    if not gpu:
        return 0
    return max(0, min(_MAX_WORKERS, usable_cores() // world - 1))


def _stream_readers(config: WindowConfig, shards: int, world: int, notes: list[str]) -> int:
    """Readers per rank when whole shards are read: at most one per shard, at least one per rank."""
    wanted = config.readers or _READERS
    total = max(1, min(wanted, shards))
    if shards < max(wanted, world):
        consequence = (
            "some readers share a shard and skip its other utterances, which slows reading"
            if shards < world
            else f"{total} {'reader is' if total == 1 else 'readers are'} used"
        )
        notes.append(
            f"{counted(shards, 'shard')} for {counted(max(wanted, world), 'reader')}: {consequence}"
            ". Prepare with a smaller --shard-mb, or set windows.access=index"
        )
    return max(1, total // world)


def _index_readers(config: WindowConfig, utterances: int, world: int, notes: list[str]) -> int:
    """Readers per rank when single windows are read by byte range."""
    default = max(1, min(_READERS, utterances // _MIN_UTTERANCES_PER_READER))
    readers = max(1, (config.readers or default) // world)
    if utterances < readers * world:
        notes.append(
            f"{counted(utterances, 'utterance')} for {counted(readers * world, 'reader')}: "
            "some readers share an utterance"
        )
    return readers


def _workers(config: WindowConfig, readers: int, spare_cores: int, notes: list[str]) -> int:
    """Worker processes per rank: a divisor of `readers`, so that a reader stays with its worker."""
    wanted = config.workers if config.workers is not None else min(spare_cores, readers)
    if not wanted:
        return 0
    workers = max(n for n in range(1, min(wanted, readers) + 1) if readers % n == 0)
    if config.workers is not None and workers < wanted:
        notes.append(
            f"{counted(wanted, 'worker')} for {counted(readers, 'reader')} on each rank: "
            f"{counted(workers, 'worker')} used"
        )
    return workers
