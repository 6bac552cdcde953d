"""Verification of index.jsonl against shards.json and against the samples in the shards."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from stccl_data.dataset.index import IndexEntry, ShardInfo, parse_index_entry, read_index_lines
from stccl_data.dataset.layout import INDEX, SHARDS
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.verify.problem import REWRITE, Problem, problem_of


class CheckedIndex:
    """index.jsonl by shard, and the problems it has by itself."""

    def __init__(self, out: Path, shards: Collection[ShardInfo]) -> None:
        self.problems: list[Problem] = []
        self._entries: dict[str, dict[str, IndexEntry]] = {shard.path: {} for shard in shards}
        split_of = {shard.path: shard.split for shard in shards}
        keys: set[str] = set()
        try:
            lines = read_index_lines(out)
        except ShardError as error:
            self.problems.append(problem_of(INDEX, error))
            return
        for number, line in enumerate(lines, start=1):
            try:
                entry = parse_index_entry(line, f"line {number}")
            except ShardError as error:
                self.problems.append(problem_of(INDEX, error))
                continue
            place = f"line {number} ({entry.key})"
            if entry.shard not in self._entries:
                self._add(f"{place} names the shard {entry.shard}, which {SHARDS} does not list")
                continue
            if entry.split != split_of[entry.shard]:
                self._add(
                    f"{place} has the split {entry.split}, but {SHARDS} lists {entry.shard} as "
                    f"{split_of[entry.shard]}"
                )
            if entry.key in keys:
                self._add(f"{place}: the key occurs twice")
            keys.add(entry.key)
            self._entries[entry.shard][entry.key] = entry

    def _add(self, what: str) -> None:
        self.problems.append(Problem(INDEX, what, REWRITE))

    def samples_of(self, shard: str) -> Mapping[str, IndexEntry]:
        """Return key -> line of each sample of a shard."""
        return self._entries[shard]

    def missing_samples(self, shard: str, keys: Collection[str]) -> Iterator[Problem]:
        """Yield the index lines of a shard whose keys are not among those the shard holds."""
        for key in self._entries[shard]:
            if key not in keys:
                yield Problem(INDEX, f"{key} is not in {shard}", REWRITE)
