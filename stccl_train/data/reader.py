"""Batches without end from a split: the same ones for the same seed, however many processes and GPUs share the reading.

A reader is a stream of windows with utterances (or shards) of its own and a buffer in which they are shuffled. Batch number g of
all ranks together comes from reader g modulo their number; rank r of R makes batches r, r + R, ... So two ranks see what one rank
sees that takes twice as many batches a step, and a run that goes on from batch g sees what it would have seen.
"""

import math
import multiprocessing.context
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from stccl_data.dataset import Dataset, ShardError, ShardInfo, Utterance
from stccl_train.data.windows import Batch, Window, WindowConfig, collate, draw_windows

#: Readers where the config does not say, and the utterances that each of them then wants for itself: the windows of a batch
#: shall come from different ones.
_READERS, _LEAST_UTTERANCES = 8, 8
#: A speaker's windows are at most so many times more, or fewer, than the utterances say.
_MOST_BALANCE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPlan:
    """How an epoch is read. `batch`: windows a batch. `batches`: of an epoch, on each rank. `readers`: streams on each rank.
    `workers`: processes on each rank that run them, 0: the process itself. `notes`: what a user should know, a sentence each."""

    frames: int
    stride: int
    size: int
    batch: int
    batches: int
    readers: int
    workers: int
    seed: int
    world: int
    notes: tuple[str, ...] = ()


def plan_reader(
    dataset: Dataset,
    split: str,
    config: WindowConfig,
    *,
    frames: int,
    stride: int,
    size: int,
    batch: int,
    accumulate: int = 1,
    world: int = 1,
    seed: int = 0,
    spare_cores: int = 0,
) -> ReaderPlan:
    """The plan for `world` ranks that take `accumulate` batches a step. An epoch is a whole number of steps, equal on all ranks.

    spare_cores: how many processes may read where the config does not say. Raises ValueError where the split is not there.
    """
    if split not in dataset.splits:
        raise ValueError(
            f"{dataset.path} has no {split} shards; it has {', '.join(dataset.splits) or 'none'}"
        )
    keys = dataset.keys(split)
    shards = [shard for shard in dataset.shards if shard.split == split]
    notes: list[str] = []
    if config.access == "stream":
        wanted = config.readers or _READERS
        total = max(1, min(wanted, len(shards)))
        if len(shards) < max(wanted, world):
            notes.append(
                f"{_counted(len(shards), 'shard')} for {_counted(max(wanted, world), 'reader')}: "
                + (
                    "some share one, and its utterances, which costs reading"
                    if len(shards) < world
                    else f"{total} of them read"
                )
                + "; prepare with a smaller --shard-mb, or set windows.access=index"
            )
    else:
        total = config.readers or max(1, min(_READERS, len(keys) // _LEAST_UTTERANCES))
    readers = max(1, total // world)
    if config.access == "index" and len(keys) < readers * world:
        notes.append(
            f"{_counted(len(keys), 'utterance')} for {readers * world} readers: some draw from the same one"
        )
    workers = config.workers if config.workers is not None else min(spare_cores, readers)
    if workers:
        most = max(n for n in range(1, min(workers, readers) + 1) if readers % n == 0)
        if config.workers is not None and most < workers:
            notes.append(
                f"{workers} workers for {readers} readers on each rank: {most} are started"
            )
        workers = most
    windows = config.per_epoch or config.per_utterance * len(keys)
    return ReaderPlan(
        frames=frames,
        stride=stride,
        size=size,
        batch=batch,
        batches=max(1, math.ceil(windows / (batch * accumulate * world))) * accumulate,
        readers=readers,
        workers=workers,
        seed=seed,
        world=world,
        notes=tuple(notes),
    )


def open_reader(
    dataset: Dataset,
    split: str,
    config: WindowConfig,
    plan: ReaderPlan,
    rank: int = 0,
    start: int = 0,
    pin: bool = False,
) -> Iterator[Batch]:
    """This rank's batches from number `start` on, without end. pin: into page-locked memory, for copies to a GPU.

    Raises ShardError for a shard that is damaged or cut short, and where no window can be drawn.
    """
    stream = _Batches(dataset, split, config, plan, rank, start)
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=plan.workers,
        pin_memory=pin,
        prefetch_factor=4 if plan.workers else None,
        worker_init_fn=_quiet_worker if plan.workers else None,
        multiprocessing_context=_clean_processes() if plan.workers else None,
    )
    return _without_traceback(iter(loader))


def _clean_processes() -> multiprocessing.context.ForkServerContext:
    """Workers are forked from a process that has nothing but this module in it: forked from a trainer, whose libraries run
    threads, they hang now and then."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _without_traceback(batches: Iterator[Batch]) -> Iterator[Batch]:
    """A worker's ShardError as it was said, and not as a text that holds a worker's traceback."""
    try:
        yield from batches
    except ShardError as error:
        said = str(error)
        raise ShardError(said.rsplit("ShardError: ", 1)[-1].strip()) from None


def _quiet_worker(_: int) -> None:
    """Ctrl-C is the trainer's to answer; a worker that shares the terminal goes on until it is told. One thread a worker."""
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def useful_workers(world: int, gpu: bool) -> int:
    """Processes that read beside the training: for a GPU the cores that each rank has left, at most 8; a CPU trains with them."""
    return max(0, min(8, len(os.sched_getaffinity(0)) // world - 1)) if gpu else 0


class _Batches(IterableDataset[Batch]):
    """The batches of one rank, from `start` on; each worker makes those that fall to it."""

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        config: WindowConfig,
        plan: ReaderPlan,
        rank: int,
        start: int,
    ) -> None:
        self._windows = WindowStreams(dataset, split, config, plan)
        self._plan, self._rank, self._start = plan, rank, start

    def __iter__(self) -> Iterator[Batch]:
        plan, info = self._plan, get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        open_: dict[int, tuple[int, Iterator[list[Window]]]] = {}
        # The loader asks its workers in turn; `workers` divides `readers`, so that a reader stays with its worker.
        for i in count(self._start + worker, workers):
            epoch, local = i // plan.batches, i % plan.readers
            if local not in open_ or open_[local][0] != epoch:
                first = epoch * plan.batches
                first += (local - first) % plan.readers
                reader = local * plan.world + self._rank
                open_[local] = (
                    epoch,
                    self._windows.batches(epoch, reader, skip=(i - first) // plan.readers),
                )
            yield collate(next(open_[local][1]), plan.size)


class WindowStreams:
    """The readers of a plan: for each epoch and reader an endless stream of windows, shuffled among others, not decoded."""

    def __init__(
        self, dataset: Dataset, split: str, config: WindowConfig, plan: ReaderPlan
    ) -> None:
        self._dataset, self._config, self._plan = dataset, config, plan
        self._keys = dataset.keys(split)
        self._shards = [shard for shard in dataset.shards if shard.split == split]
        self._count = plan.readers * plan.world
        speakers = Counter(_speaker(key) for key in self._keys)
        even = len(self._keys) / max(1, len(speakers))
        self._share = {
            name: float(np.clip(even / n, 1 / _MOST_BALANCE, _MOST_BALANCE))
            for name, n in speakers.items()
        }

    def batches(self, epoch: int, reader: int, skip: int = 0) -> Iterator[list[Window]]:
        """The windows of a reader, a batch at a time, without end; `skip` batches are passed over."""
        stream = self.windows(epoch, reader)
        for _ in range(skip * self._plan.batch):
            next(stream)
        while True:
            yield [next(stream) for _ in range(self._plan.batch)]

    def windows(self, epoch: int, reader: int) -> Iterator[Window]:
        """The windows of a reader in an epoch, without end. Drawn from seed, epoch and reader alone."""
        rng = np.random.default_rng([self._plan.seed, epoch, reader])
        asked = -(-self._plan.batches // self._plan.readers) * self._plan.batch
        buffer: list[Window] = []
        for window in self._drawn(epoch, reader, rng):
            buffer.append(window)
            if len(buffer) >= min(self._config.shuffle, asked):
                i = int(rng.integers(len(buffer)))
                buffer[i], buffer[-1] = buffer[-1], buffer[i]
                yield buffer.pop()

    def _drawn(self, epoch: int, reader: int, rng: np.random.Generator) -> Iterator[Window]:
        """Round after round over the reader's utterances. A reader whose own have no window takes the next reader's."""
        poor = 0
        while poor < self._count:
            drawn = 0
            for utterance in self._visits(epoch, (reader + poor) % self._count, rng):
                for window in draw_windows(
                    utterance,
                    self._windows_of(utterance.key, rng),
                    self._config,
                    self._plan.frames,
                    self._plan.stride,
                    rng,
                ):
                    drawn += 1
                    yield window
            if not drawn:
                poor += 1
        raise ShardError(
            f"{self._dataset.path}: no window of {self._plan.frames} frames in {len(self._keys)} utterances; "
            "every pair is refused, or too short, or without pictures: see `stccl info`"
        )

    def _windows_of(self, key: str, rng: np.random.Generator) -> int:
        """How many windows a visit draws: `per_utterance` on average, more where the speaker has few utterances."""
        if not self._config.balance:
            return self._config.per_utterance
        wanted = self._config.per_utterance * self._share[_speaker(key)]
        return max(1, int(wanted) + int(rng.random() < wanted % 1))

    def _visits(self, epoch: int, reader: int, rng: np.random.Generator) -> Iterator[Utterance]:
        """The utterances dealt to a reader in this epoch, in an order drawn anew each round."""
        if self._config.access == "stream":
            dealt = self._dealt(len(self._shards), epoch, reader)
            for i in rng.permutation(dealt):
                yield from self._own_part(self._shards[i], reader)
        else:
            for i in rng.permutation(self._dealt(len(self._keys), epoch, reader)):
                yield self._dataset[self._keys[i]]

    def _dealt(self, total: int, epoch: int, reader: int) -> list[int]:
        """Numbers below `total` that are this reader's: different readers have different ones, as long as there are enough."""
        if total < self._count:
            return [reader % total]
        order = np.random.default_rng([self._plan.seed, epoch]).permutation(total)
        mine: list[int] = order[reader :: self._count].tolist()
        return mine

    def _own_part(self, shard: ShardInfo, reader: int) -> Iterator[Utterance]:
        """A shard's utterances; where several readers must read it, every n-th of them."""
        shards = len(self._shards)
        sharing = len(range(reader % shards, self._count, shards)) if shards < self._count else 1
        parts = max(1, min(sharing, shard.utterances))
        for k, utterance in enumerate(self._dataset.read([shard])):
            if k % parts == reader // shards % parts or parts == 1:
                yield utterance


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _speaker(key: str) -> str:
    """corpus/speaker of `corpus/speaker/view/sentence`."""
    return key.rsplit("/", 2)[0]
