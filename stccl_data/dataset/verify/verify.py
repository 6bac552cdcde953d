"""Is a prepared dataset whole? Every byte of every shard, the index, the tables, and the rules that readers rely on."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stccl_data.dataset.layout import CARD, CLIPS, INDEX, PAIRS, PROVENANCE, SHARDS, STATS
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.reader import Places, ShardInfo, index_entry, index_lines, read_shard_list
from stccl_data.dataset.tables import TableError, count_rows
from stccl_data.dataset.verify.shard import Problem, Sample, check_shard, from_error
from stccl_data.dataset.verify.tables import check_tables

__all__ = ["Problem", "verify"]

Progress = Callable[[int, int], None]


def verify(
    out: str | Path, *, decode: bool = False, progress: Progress | None = None
) -> list[Problem]:
    """All that is wrong with the dataset in `out`; an empty list where all is well.

    decode: decode every picture and every sound too, which takes about a millisecond a frame. progress: told bytes done and
    bytes in all, each shard counted twice: once for its checksum, once for its content.
    """
    return list(_problems(Path(out), decode, progress or (lambda _done, _total: None)))


def _problems(out: Path, decode: bool, progress: Progress) -> Iterator[Problem]:
    try:
        shards = read_shard_list(out)
    except ShardError as error:
        yield from_error(SHARDS, error)
        return
    index = _Index(out, shards)
    yield from index.problems
    total = 2 * sum(shard.bytes for shard in shards)
    done = 0
    samples: list[Sample] = []
    complete = True
    for shard in shards:
        start = done

        def tick(count: int, start: int = start) -> None:
            progress(start + count, total)

        found = check_shard(out, shard, index.of(shard.path), decode, tick)
        yield from found.problems
        samples += found.samples
        complete = (
            complete
            and found.walked
            and all(sample.utterance is not None for sample in found.samples)
        )
        if found.walked:
            yield from _index_rest(
                shard, index.of(shard.path), {sample.key for sample in found.samples}
            )
        done += 2 * shard.bytes
        progress(done, total)
    yield from _across(samples)
    yield from check_tables(out, samples, complete)
    yield from _other_files(out, shards)


class _Index:
    """index.jsonl by shard, and what is wrong with it by itself."""

    def __init__(self, out: Path, shards: Collection[ShardInfo]) -> None:
        self.problems: list[Problem] = []
        self._places: dict[str, dict[str, Places]] = {shard.path: {} for shard in shards}
        split_of = {shard.path: shard.split for shard in shards}
        seen: set[str] = set()
        try:
            lines = index_lines(out)
        except ShardError as error:
            self.problems.append(from_error(INDEX, error))
            return
        for number, line in enumerate(lines, start=1):
            try:
                key, split, path, places = index_entry(line, f"line {number}")
            except ShardError as error:
                self.problems.append(from_error(INDEX, error))
                continue
            if path not in self._places:
                self._add(
                    f"line {number} ({key}) names the shard {path}, which {SHARDS} does not list"
                )
                continue
            if split != split_of[path]:
                self._add(
                    f"line {number} ({key}) says {split}, and {SHARDS} says that {path} is {split_of[path]}"
                )
            if key in seen:
                self._add(f"line {number}: the key {key} occurs a second time")
            seen.add(key)
            self._places[path][key] = places

    def _add(self, what: str) -> None:
        self.problems.append(
            Problem(INDEX, what, "run `stccl prepare` again, which writes the index anew")
        )

    def of(self, path: str) -> Mapping[str, Places]:
        return self._places[path]


def _index_rest(
    shard: ShardInfo, places: Mapping[str, Places], seen: Collection[str]
) -> Iterator[Problem]:
    for key in places:
        if key not in seen:
            yield Problem(
                INDEX,
                f"{key} is not in {shard.path}",
                "run `stccl prepare` again, which writes the index anew",
            )


def _across(samples: list[Sample]) -> Iterator[Problem]:
    """What only all samples together show: keys that occur twice, parts that are missing, speakers in two splits."""
    again = "run `stccl prepare` again"
    shard_of: dict[str, str] = {}
    parts: defaultdict[str, dict[int, int]] = defaultdict(dict)
    splits: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for sample in samples:
        if sample.key in shard_of:
            what = f"the key {sample.key} occurs a second time; it is in {shard_of[sample.key]} too"
            yield Problem(sample.shard, what, f"readers would mix the two: {again}")
        shard_of.setdefault(sample.key, sample.shard)
        if sample.utterance is None:
            continue
        parts[sample.base][sample.utterance.part] = sample.utterance.parts
        splits[sample.utterance.corpus, sample.utterance.speaker].setdefault(
            sample.split, sample.key
        )
    for base, found in parts.items():
        count = max(found.values())
        if set(found) != set(range(1, count + 1)) or set(found.values()) != {count}:
            have = ", ".join(map(str, sorted(found)))
            yield Problem(
                SHARDS, f"{base} is stored in {count} parts, of which {have} are there", again
            )
    for (corpus, speaker), where in splits.items():
        if len(where) > 1:
            said = " and ".join(f"{split} ({key})" for split, key in where.items())
            yield Problem(SHARDS, f"speaker {speaker} of {corpus} is in {said}", LEAK_ADVICE)


LEAK_ADVICE = "what is measured on held-out speakers is worth nothing so: run `stccl prepare` again with another --split"


def _other_files(out: Path, shards: Collection[ShardInfo]) -> Iterator[Problem]:
    """Files that are missing beside the shards, and files that should not be there."""
    for name, what in (
        (STATS, "counts"),
        (PROVENANCE, "how the dataset was made"),
        (CARD, "the dataset card"),
    ):
        path = out / name
        if not path.is_file():
            yield Problem(
                name, f"is missing ({what})", "run `stccl prepare` again, which writes it anew"
            )
        elif name.endswith(".json"):
            yield from _stats_problems(out, path, shards)
    listed = {shard.path for shard in shards}
    for path in sorted((out / "shards").rglob("*")) + sorted(out.glob(".*.tmp")):
        name = path.relative_to(out).as_posix()
        if path.name.startswith(".") and path.name.endswith(".tmp"):
            yield Problem(
                name,
                "is left over from a run that was killed",
                "delete it, unless `stccl prepare` is running",
            )
        elif path.suffix == ".tar" and name not in listed:
            yield Problem(
                name,
                f"is not listed in {SHARDS}",
                "delete it, or training by file names would read it",
            )


def _stats_problems(out: Path, path: Path, shards: Collection[ShardInfo]) -> Iterator[Problem]:
    try:
        said: Any = json.loads(path.read_bytes())
        if not isinstance(said, dict):
            raise ValueError("no record")
    except (OSError, ValueError, RecursionError) as error:
        yield Problem(
            path.name,
            f"cannot be read ({error})",
            "run `stccl prepare` again, which writes it anew",
        )
        return
    if path.name != STATS:
        return
    for name, counted in _counts(out, shards).items():
        if name in said and said[name] != counted:
            yield Problem(
                STATS,
                f"says {name}: {said[name]}, and there are {counted}",
                "run `stccl prepare` again",
            )


def _counts(out: Path, shards: Collection[ShardInfo]) -> dict[str, int]:
    """The counts of stats.json that can be had by counting; tables that cannot be read are reported elsewhere."""
    counts = {"bytes": sum(shard.bytes for shard in shards)}
    for name, table in (("clips", CLIPS), ("pairs", PAIRS)):
        try:
            counts[name] = count_rows(out / table)
        except TableError:
            continue
    return counts
