"""An endless sequence of batches, independent of how many processes and GPUs share the reading.

A reader is a stream of windows (`stccl_train.data.streams`). Batch g, counted over all ranks, comes
from reader g modulo their number; rank r of R takes the batches r, r + R, ... So two ranks see the
same windows as one rank with twice as many batches per step, and a run resumed at batch g continues
as if it had not been interrupted.
"""

import multiprocessing.context
import signal
from collections.abc import Iterator
from itertools import count

import cv2
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from stccl_data.dataset import Dataset, ShardError
from stccl_train.config import WindowConfig
from stccl_train.data.collate import Batch, collate
from stccl_train.data.reader_plan import ReaderPlan
from stccl_train.data.streams import WindowStreams
from stccl_train.data.windows import Window


def open_reader(
    dataset: Dataset,
    split: str,
    config: WindowConfig,
    plan: ReaderPlan,
    rank: int = 0,
    start: int = 0,
    pin: bool = False,
) -> Iterator[Batch]:
    """Yield one rank's batches without end.

    Args:
        dataset: the dataset.
        split: the split.
        config: which windows, and how they are read.
        plan: from `plan_reader`, with the same dataset, split and config.
        rank: this rank.
        start: number of the first batch, counted on this rank.
        pin: put batches into page-locked memory, for copies to a GPU.

    Raises:
        ShardError: a shard is corrupt or truncated, or no window can be drawn.
    """
    loader = DataLoader(
        _RankBatches(WindowStreams(dataset, split, config, plan), plan, rank, start),
        batch_size=None,
        num_workers=plan.workers,
        pin_memory=pin,
        prefetch_factor=4 if plan.workers else None,
        worker_init_fn=_init_worker if plan.workers else None,
        multiprocessing_context=_worker_context() if plan.workers else None,
    )
    return _reraise_shard_errors(iter(loader))


def _worker_context() -> multiprocessing.context.ForkServerContext:
    """Fork workers from a process that has imported nothing but this module.

    Workers forked from a trainer, whose libraries run threads, hang now and then.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _init_worker(_: int) -> None:
    """Leave Ctrl-C to the trainer, which shares the terminal, and use one thread per worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _reraise_shard_errors(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Raise a worker's ShardError with its own message, without the worker's traceback in it."""
    try:
        yield from batches
    except ShardError as error:
        message = str(error).rsplit("ShardError: ", 1)[-1].strip()
        raise ShardError(message) from None


class _RankBatches(IterableDataset[Batch]):
    """The batches of one rank from `start` on; each worker makes its share of them."""

    def __init__(self, streams: WindowStreams, plan: ReaderPlan, rank: int, start: int) -> None:
        self._streams, self._plan, self._rank, self._start = streams, plan, rank, start

    def __iter__(self) -> Iterator[Batch]:
        plan, info = self._plan, get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        open_streams: dict[int, tuple[int, Iterator[list[Window]]]] = {}
        # DataLoader takes one batch from each worker in turn. `workers` divides `readers`, so a
        # reader stays with its worker.
        for number in count(self._start + worker, workers):
            epoch, local = number // plan.batches, number % plan.readers
            if local not in open_streams or open_streams[local][0] != epoch:
                first = epoch * plan.batches
                first += (local - first) % plan.readers  # the reader's first batch of the epoch
                reader = local * plan.world + self._rank
                skip = (number - first) // plan.readers
                open_streams[local] = epoch, self._streams.batches(epoch, reader, skip)
            yield collate(next(open_streams[local][1]), plan.size)
