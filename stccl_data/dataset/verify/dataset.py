"""Verification of a whole dataset: shards, index, tables and the files beside them."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from stccl_data.dataset.index import ShardInfo, read_shard_list
from stccl_data.dataset.layout import CARD, CLIPS, PAIRS, PROVENANCE, SHARDS, STAGED, STATS
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.tables import TableError, count_rows
from stccl_data.dataset.verify.index import CheckedIndex
from stccl_data.dataset.verify.problem import RERUN, REWRITE, Problem, problem_of
from stccl_data.dataset.verify.sample import Sample
from stccl_data.dataset.verify.shard import check_shard
from stccl_data.dataset.verify.tables import check_tables
from stccl_data.progress import Progress, SilentProgress

_LEAK_ADVICE = (
    "results on held-out speakers would be worthless: rerun `stccl prepare` with another --split"
)


def verify(
    out: str | Path, *, decode: bool = False, progress: Progress | None = None
) -> list[Problem]:
    """Verify every byte and every rule of a prepared dataset.

    Args:
        out: folder of the dataset.
        decode: decode every frame and sound too, which takes about a millisecond per frame.
        progress: receives one step per sample.

    Returns:
        All problems; empty if the dataset is intact.
    """
    return list(_problems(Path(out), decode, progress or SilentProgress()))


def _problems(out: Path, decode: bool, progress: Progress) -> Iterator[Problem]:
    try:
        shards = read_shard_list(out)
    except ShardError as error:
        yield problem_of(SHARDS, error)
        return
    index = CheckedIndex(out, shards)
    yield from index.problems
    progress.stage("verify", sum(shard.utterances for shard in shards))
    samples: list[Sample] = []
    complete = True
    for shard in shards:
        findings = check_shard(out, shard, index.samples_of(shard.path), decode, progress)
        yield from findings.problems
        samples += findings.samples
        complete = (
            complete
            and findings.readable
            and all(sample.utterance is not None for sample in findings.samples)
        )
        if findings.readable:
            keys = {sample.key for sample in findings.samples}
            yield from index.missing_samples(shard.path, keys)
    yield from _problems_across(samples)
    yield from check_tables(out, samples, complete)
    yield from _other_files(out, shards)


def _problems_across(samples: Sequence[Sample]) -> Iterator[Problem]:
    """Yield repeated keys, missing parts, and speakers in two splits."""
    shard_of: dict[str, str] = {}
    parts: defaultdict[str, dict[int, int]] = defaultdict(dict)
    splits: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for sample in samples:
        if sample.key in shard_of:
            what = f"the key {sample.key} occurs twice; it is also in {shard_of[sample.key]}"
            yield Problem(sample.shard, what, f"readers would mix the two: {RERUN}")
        shard_of.setdefault(sample.key, sample.shard)
        if sample.utterance is None:
            continue
        parts[sample.base][sample.utterance.part] = sample.utterance.parts
        speaker = sample.utterance.corpus, sample.utterance.speaker
        splits[speaker].setdefault(sample.split, sample.key)
    for base, stored in parts.items():
        count = max(stored.values())
        if set(stored) != set(range(1, count + 1)) or set(stored.values()) != {count}:
            existing = ", ".join(map(str, sorted(stored)))
            what = f"{base} has {count} parts, of which only {existing} exist"
            yield Problem(SHARDS, what, RERUN)
    for (corpus, name), keys in splits.items():
        if len(keys) > 1:
            where = " and ".join(f"{split} ({key})" for split, key in keys.items())
            yield Problem(SHARDS, f"speaker {name} of {corpus} is in {where}", _LEAK_ADVICE)


def _other_files(out: Path, shards: Collection[ShardInfo]) -> Iterator[Problem]:
    """Yield problems of the files beside the shards, and files that do not belong."""
    for name, content in (
        (STATS, "the counts"),
        (PROVENANCE, "how the dataset was made"),
        (CARD, "the dataset card"),
    ):
        path = out / name
        if not path.is_file():
            yield Problem(name, f"is missing ({content})", REWRITE)
        elif name.endswith(".json"):
            yield from _json_problems(out, path, shards)
    if (out / STAGED).is_dir():
        what = "is left over from a rewrite of the shards that was cut off"
        yield Problem(STAGED, what, "run `stccl upgrade` or `stccl prepare` again")
    listed = {shard.path for shard in shards}
    if any(path.startswith(f"{STAGED}/") for path in listed):
        return  # the shards in their places are those of before, or on their way
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
                "delete it: a training that finds shards by their names would read it",
            )


def _json_problems(out: Path, path: Path, shards: Collection[ShardInfo]) -> Iterator[Problem]:
    try:
        record: Any = json.loads(path.read_bytes())
        if not isinstance(record, dict):
            raise ValueError("it is not an object")
    except (OSError, ValueError, RecursionError) as error:
        yield Problem(path.name, f"cannot be read ({error})", REWRITE)
        return
    if path.name != STATS:
        return
    if (out / STAGED).is_dir():
        return  # they are written last
    for name, count in _counts(out, shards).items():
        if name in record and record[name] != count:
            yield Problem(STATS, f"says {name}: {record[name]}, but there are {count}", RERUN)


def _counts(out: Path, shards: Collection[ShardInfo]) -> dict[str, int]:
    """Count what stats.json should say. Unreadable tables are left out, as they are reported."""
    counts = {"bytes": sum(shard.bytes for shard in shards)}
    for name, table in (("clips", CLIPS), ("pairs", PAIRS)):
        try:
            counts[name] = count_rows(out / table)
        except TableError:
            continue
    return counts
