"""Endless shuffled streams of windows, one for each reader and epoch."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from stccl_data.dataset import Dataset, ShardError, ShardInfo, Utterance
from stccl_train.config import WindowConfig
from stccl_train.data.reader_plan import ReaderPlan
from stccl_train.data.windows import Window, draw_windows
from stccl_train.seeding import numpy_generator

#: A speaker's windows are at most this many times more, or fewer, than its utterances suggest.
_MAX_BALANCE = 4.0


class WindowStreams:
    """The readers of a plan, numbered over all ranks; their windows are still JPEG bytes.

    Each reader has utterances (or shards) of its own and a buffer in which it shuffles windows.
    """

    def __init__(
        self, dataset: Dataset, split: str, config: WindowConfig, plan: ReaderPlan
    ) -> None:
        self._dataset, self._config, self._plan = dataset, config, plan
        self._keys = dataset.keys(split)
        self._shards = [shard for shard in dataset.shards if shard.split == split]
        self._readers = plan.readers * plan.world
        utterances = Counter(_speaker(key) for key in self._keys)
        mean = len(self._keys) / max(1, len(utterances))
        #: windows per visit of each speaker's utterances, relative to the mean
        self._weight = {
            speaker: float(np.clip(mean / n, 1 / _MAX_BALANCE, _MAX_BALANCE))
            for speaker, n in utterances.items()
        }

    def batches(self, epoch: int, reader: int, skip: int = 0) -> Iterator[list[Window]]:
        """Yield a reader's windows in batches without end, after skipping `skip` batches."""
        stream = self.windows(epoch, reader)
        for _ in range(skip * self._plan.batch):
            next(stream)
        while True:
            yield [next(stream) for _ in range(self._plan.batch)]

    def windows(self, epoch: int, reader: int) -> Iterator[Window]:
        """Yield a reader's windows of an epoch without end.

        They depend on the seed, the epoch and the reader alone.

        Raises:
            ShardError: a shard is corrupt, or no window can be drawn.
        """
        rng = numpy_generator(self._plan.seed, epoch, reader)
        needed = -(-self._plan.batches // self._plan.readers) * self._plan.batch
        buffer: list[Window] = []
        for window in self._unshuffled(epoch, reader, rng):
            buffer.append(window)
            if len(buffer) >= min(self._config.shuffle, needed):
                i = int(rng.integers(len(buffer)))
                buffer[i], buffer[-1] = buffer[-1], buffer[i]
                yield buffer.pop()

    def _unshuffled(self, epoch: int, reader: int, rng: np.random.Generator) -> Iterator[Window]:
        """Visit the reader's utterances repeatedly; if none has a window, the next reader's."""
        offset = 0
        while offset < self._readers:
            drawn = 0
            for utterance in self._visits(epoch, (reader + offset) % self._readers, rng):
                count = self._windows_per_visit(utterance.key, rng)
                for window in draw_windows(utterance, count, self._config, self._plan.shape, rng):
                    drawn += 1
                    yield window
            if not drawn:
                offset += 1
        raise ShardError(
            f"{self._dataset.path}: no window of {self._plan.shape.frames} frames in "
            f"{len(self._keys)} utterances. Every pair is rejected, too short or has no crops: "
            "see `stccl info`"
        )

    def _windows_per_visit(self, key: str, rng: np.random.Generator) -> int:
        """`per_utterance` on average; with `balance`, more if the speaker has few utterances."""
        if not self._config.balance:
            return self._config.per_utterance
        wanted = self._config.per_utterance * self._weight[_speaker(key)]
        return max(1, int(wanted) + int(rng.random() < wanted % 1))

    def _visits(self, epoch: int, reader: int, rng: np.random.Generator) -> Iterator[Utterance]:
        """Yield the utterances of a reader in this epoch, in a random order."""
        if self._config.access == "stream":
            for i in rng.permutation(self._assigned(len(self._shards), epoch, reader)):
                yield from self._share_of_shard(self._shards[i], reader)
        else:
            for i in rng.permutation(self._assigned(len(self._keys), epoch, reader)):
                yield self._dataset[self._keys[i]]

    def _assigned(self, total: int, epoch: int, reader: int) -> list[int]:
        """Indices below `total` of a reader; disjoint between readers if there are enough."""
        if total < self._readers:
            return [reader % total]
        order = numpy_generator(self._plan.seed, epoch).permutation(total)
        assigned: list[int] = order[reader :: self._readers].tolist()
        return assigned

    def _share_of_shard(self, shard: ShardInfo, reader: int) -> Iterator[Utterance]:
        """Yield a shard's utterances; if n readers have to share the shard, every n-th of them."""
        shards = len(self._shards)
        if shards >= self._readers:
            yield from self._dataset.read([shard])
            return
        sharing = len(range(reader % shards, self._readers, shards))
        n = max(1, min(sharing, shard.utterances))
        for i, utterance in enumerate(self._dataset.read([shard])):
            if i % n == reader // shards % n:
                yield utterance


def _speaker(key: str) -> str:
    """corpus/speaker of corpus/speaker/view/sentence."""
    return key.rsplit("/", 2)[0]
