"""Random access to a prepared dataset, and streams over it.

>>> dataset = open_dataset("OUT")
>>> utterance = dataset["mead/M003/front/s009"]
>>> for pair in utterance.pairs(source="neutral", target="angry"):
...     source = pair.source.frames("face", [40, 41, 42])  # (3, 224, 224, 3) uint8 RGB
...     target = pair.target.frames("face", pair.frame_map[[40, 41, 42]])
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from stccl_data.dataset.index import Index, ShardInfo, read_shard_list
from stccl_data.dataset.layout import PAIRS, part_key, utterance_of
from stccl_data.dataset.members import ShardError, TarMembers, check_size
from stccl_data.dataset.pair_table import PairTable
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.stream import stream_utterances
from stccl_data.dataset.utterance import Decisions, Pair, Utterance
from stccl_data.errors import UsageError, suggest


def open_dataset(out: str | Path) -> "Dataset":
    """Open the dataset that `stccl prepare` wrote into `out`. Shards are opened on access.

    Raises:
        ShardError: the folder holds no finished dataset, or one of a newer schema.
    """
    return Dataset(out)


class Dataset:
    """A prepared dataset on disk.

    It holds no open file, so it may be used from many threads and sent to other processes.
    """

    def __init__(self, out: str | Path) -> None:
        """See `open_dataset`."""
        #: the dataset's folder
        self.path = Path(out)
        #: the shards as shards.json lists them
        self.shards = read_shard_list(self.path)
        self._index = Index(self.path, self.shards)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {len(self)} utterances in {len(self.shards)} shards)"

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: object) -> bool:
        return key in self._index

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have shards, in the order of shards.json."""
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    def keys(self, split: str | None = None) -> list[str]:
        """Return the keys of a split (of all by default) in the order stored.

        Raises:
            ValueError: the split has no shard.
        """
        self._check_split(split)
        return self._index.keys(split)

    def split_of(self, key: str) -> str:
        """Return the split of an utterance. Raises KeyError."""
        return self._shard_of(key).split

    def __getitem__(self, key: str) -> Utterance:
        """Return the utterance of this key.

        Its labels are read now, everything else on access, by ranges of bytes.

        Raises:
            KeyError: unknown key; the message names similar ones.
            ShardError: the shard is missing, damaged or has been replaced.
        """
        shard = self._shard_of(key)
        path = self.path / shard.path
        entry = self._index.entry(key)
        members = TarMembers(path, str(path), shard.bytes, entry.ranges, entry.array_places)
        return parse_utterance(key, members, self._decisions)

    def stream(self, split: str, shuffle: bool = False, seed: int = 0) -> Iterator[Utterance]:
        """Stream every utterance of a split once, reading whole shards through webdataset.

        In a torch DataLoader, or under torch.distributed, each reader gets its own shards, as
        webdataset divides them. With fewer shards than readers some stay idle, and a warning says
        so. The size of each shard is checked before the first is read.

        Args:
            split: name of the split.
            shuffle: draw the order of shards by `seed`, and shuffle utterances among
                SHUFFLE_UTTERANCES others.
            seed: of the order; pass the number of the epoch.

        Raises:
            ValueError: the split has no shard.
            ShardError: a shard is missing or damaged.
        """
        self._check_split(split)
        paths = self._checked_paths(shard for shard in self.shards if shard.split == split)
        return stream_utterances(paths, shuffle, seed, self._decisions)

    def read(self, shards: Iterable[ShardInfo]) -> Iterator[Utterance]:
        """Stream every utterance of these shards in order, without dividing them among readers.

        For readers that divide the shards themselves. Errors are those of `stream`.
        """
        paths = self._checked_paths(shards)
        return stream_utterances(paths, decisions=self._decisions, share=False)

    def find_pair(self, source: str, target: str) -> Pair:
        """Return the pair of two clip ids, accepted or rejected.

        Meant for single pairs; to visit many, iterate over utterances.

        Raises:
            ShardError: an unknown id (the message names similar ones), two clips that are not a
                pair, or a pair that could not be aligned (the message gives the reason).
        """
        table = self._pair_table
        if table is None:
            raise ShardError(
                f"{self.path / PAIRS} is missing, so pairs cannot be looked up; "
                "open the utterance by its key"
            )
        row = table.find(source, target)
        if row is None:
            raise ShardError(f"{self.path}: {table.explain_missing(source, target)}")
        key = row["utterance"] or ""
        for utterance in self.parts(key) if key in self else ():
            for pair in utterance.pairs(accepted=None):
                if (pair.source.clip_id, pair.target.clip_id) == (source, target):
                    return pair
        reason = row["reason"]
        cause = f"it was rejected: {reason}" if reason else "run `stccl verify`"
        raise ShardError(f"{source} -> {target} has no alignment in the shards; {cause}")

    def parts(self, key: str) -> Iterator[Utterance]:
        """Open an utterance, then the further parts that it is stored in. Raises as `[key]`."""
        yield self[key]
        part = 2
        while part_key(key, part) in self:
            yield self[part_key(key, part)]
            part += 1

    @cached_property
    def _pair_table(self) -> PairTable | None:
        path = self.path / PAIRS
        return PairTable(path) if path.exists() else None

    def _decisions(self, key: str) -> Decisions:
        return {} if self._pair_table is None else self._pair_table.decisions(utterance_of(key))

    def _checked_paths(self, shards: Iterable[ShardInfo]) -> list[Path]:
        """Return the shards' paths. Raise ShardError if one is missing or has another size."""
        paths = []
        for shard in shards:
            path = self.path / shard.path
            try:
                check_size(path.stat().st_size, shard.bytes, str(path))
            except FileNotFoundError:
                raise ShardError(
                    f"{path} is missing; copy it again, or rerun `stccl prepare`"
                ) from None
            paths.append(path)
        return paths

    def _shard_of(self, key: str) -> ShardInfo:
        try:
            return self._index.shard_of(key)
        except KeyError:
            similar = suggest(key, self._index.keys())
            raise KeyError(f"{self.path} has no utterance {key!r}{similar}") from None

    def _check_split(self, split: str | None) -> None:
        if split is not None and split not in self.splits:
            existing = ", ".join(self.splits) or "no splits"
            raise UsageError(f"{self.path} has no split {split!r}; it has {existing}")

    def __getstate__(self) -> dict[str, Any]:
        # each process reads the pair table itself
        return {name: value for name, value in self.__dict__.items() if name != "_pair_table"}
