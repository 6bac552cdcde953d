"""Rewrite a dataset of an earlier schema as one of the present: the work of `stccl upgrade`.

Nothing is decoded, and RAW and `work/` are not needed. The new shards are written beside the old
ones, which stay in use until all of them are complete (`stccl_data.dataset.publish`). A run that
was killed goes on with the first shard that is missing.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from humanize import naturalsize

from stccl_data.dataset import Dataset, ShardError, ShardInfo, Utterance, open_dataset
from stccl_data.dataset.card import write_card
from stccl_data.dataset.card_features import card_features
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.index import parse_index_entry, read_index_lines
from stccl_data.dataset.layout import (
    CLIPS,
    CROP_MEMBERS,
    FINDINGS,
    PAIRS,
    PROVENANCE,
    SCHEMA,
    SHARDS,
    SOUND,
    STATS,
)
from stccl_data.dataset.publish import (
    discard_staged,
    finish_publishing,
    publish,
    staging_folder,
    upgrade_lock,
)
from stccl_data.dataset.sample import SampleContent, sample_content
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.dataset.staging import Staging, staged_source
from stccl_data.dataset.stored_records import clip_records, pair_records
from stccl_data.dataset.tables import read_table, write_clips, write_pairs
from stccl_data.errors import StcclError
from stccl_data.files.atomic import remove_leftovers, write_text
from stccl_data.files.lock import LockedError, locked
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import LEAST_FREE, free_bytes
from stccl_data.pipeline.shard_stage import fingerprint_of_content
from stccl_data.pipeline.state import Store
from stccl_data.progress import Progress, SilentProgress


class UpgradeError(StcclError):
    """The dataset cannot be upgraded."""


@dataclass(frozen=True, slots=True)
class UpgradeResult:
    """What `upgrade` did."""

    #: folder of the upgraded dataset
    out: Path
    #: the schema that the dataset had
    schema_before: int
    schema: int
    samples: int
    shards: int
    bytes: int
    #: shards written by this run; the others were complete already
    made: int


def upgrade(
    out: str | Path, to: str | Path | None = None, progress: Progress | None = None
) -> UpgradeResult:
    """Rewrite the shards of the dataset `out` in the present schema.

    Args:
        out: folder of the dataset.
        to: a new folder for the result; by default `out` itself, whose old shards are deleted when
            the new ones are complete.
        progress: receives one step per sample.

    Raises:
        UpgradeError: there is nothing to upgrade, too little space, or `to` is in use.
        ShardError: the dataset is damaged.
        StoreBusyError: the dataset is being prepared.
    """
    out, progress = Path(out).absolute(), progress or SilentProgress()
    target = out if to is None else Path(to).absolute()
    _check_request(out, target)
    with _locked(out, target):
        remove_leftovers(target, below=False)
        made = 0
        if _schema_of(target) == SCHEMA:  # an earlier run was killed after it had written all
            before = int((staged_source(target) or {}).get("schema", 0))
            finish_publishing(target)
        else:
            before = _schema_of(out) or 0
            made = _rewrite(out, target, progress)
        _write_other_files(out, target)
        discard_staged(target)
    dataset = open_dataset(target)
    return UpgradeResult(
        out=target,
        schema_before=before,
        schema=SCHEMA,
        samples=len(dataset),
        shards=len(dataset.shards),
        bytes=sum(shard.bytes for shard in dataset.shards),
        made=made,
    )


def _check_request(out: Path, target: Path) -> None:
    """Raise UpgradeError unless there is something to upgrade, and room for it in `target`."""
    schema = _schema_of(out)
    if schema is None:
        raise ShardError(
            f"{out} holds no finished dataset: {SHARDS} is missing; run `stccl prepare RAW {out}`"
        )
    if "schema" in (staged_source(target) or {}):
        return  # an earlier upgrade was killed
    if schema == SCHEMA:
        raise UpgradeError(f"{out} has schema {SCHEMA} already: there is nothing to upgrade")
    if target != out and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UpgradeError(f"{target} is not an empty folder: give a new one")


@contextmanager
def _locked(out: Path, target: Path) -> Iterator[None]:
    """Keep other upgrades out, and `prepare` if OUT has a work folder."""
    staging_folder(target).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if (out / "work").is_dir():
            stack.enter_context(Store(out).locked())
        try:
            stack.enter_context(locked(upgrade_lock(target)))
        except LockedError as error:
            raise UpgradeError(
                f"{target} is being upgraded by process {error.owner}; wait for it, or stop it"
            ) from None
        yield


def _schema_of(out: Path) -> int | None:
    """Return the schema that shards.json names; None without the file. Raises ShardError."""
    try:
        return int(json.loads((out / SHARDS).read_bytes())["schema"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{out / SHARDS} is invalid ({error!r}); run `stccl verify`") from None


@dataclass(frozen=True, slots=True)
class _Options:
    """What decides the bytes of the new shards besides the samples."""

    shard_mb: int
    crops: bool
    audio: bool


def _rewrite(out: Path, target: Path, progress: Progress) -> int:
    """Write and publish the new shards. Returns the number of shards written by this run."""
    dataset, options = open_dataset(out), _options(out)
    staging = Staging(target, _source(out))
    existing = {split: staging.finished(split) for split in dataset.splits}
    done = [file for files in existing.values() for file in files]
    _check_space(out, target, dataset, sum(file.bytes for file in done))
    progress.stage("upgrade", len(dataset), sum(file.utterances for file in done))
    files: list[ShardFile] = []
    for split in dataset.splits:
        shards = [shard for shard in dataset.shards if shard.split == split]
        files += _write_split(dataset, shards, staging, options, existing[split], progress)
    content = str(json.loads((out / SHARDS).read_bytes()).get("fingerprint", ""))
    publish(target, files, fingerprint_of_content(content))
    return len(files) - len(done)


def _options(out: Path) -> _Options:
    """Return the options that the dataset was prepared with.

    Without a provenance, the members of the samples tell what they hold.
    """
    try:
        config = json.loads((out / PROVENANCE).read_bytes())["config"]
        crops, audio = config["crops"] != "none", bool(config["audio"])
        return _Options(int(config["shard_mb"]), crops, audio)
    except (OSError, ValueError, KeyError, TypeError):
        entries = (parse_index_entry(line, "a line") for line in read_index_lines(out))
        suffixes = {suffix.partition(".")[2] for entry in entries for suffix in entry.ranges}
        crops = not suffixes.isdisjoint(CROP_MEMBERS.values())
        return _Options(PrepareConfig().shard_mb, crops, SOUND in suffixes)


def _source(out: Path) -> dict[str, Any]:
    """Return what the new shards are made from."""
    return {
        "schema": _schema_of(out),
        "shards": hashlib.sha256((out / SHARDS).read_bytes()).hexdigest(),
        "stccl": version("stccl"),
    }


def _check_space(out: Path, target: Path, dataset: Dataset, done: int) -> None:
    needed = sum(shard.bytes for shard in dataset.shards) - done
    free = free_bytes(target)
    if needed + LEAST_FREE > free:
        advice = "" if target != out else ", or write to another disk with --to DIR"
        raise UpgradeError(
            f"{target} needs about {naturalsize(needed)} for the new shards, but only "
            f"{naturalsize(free)} of its disk are free: make room{advice}"
        )


def _write_split(
    dataset: Dataset,
    shards: Sequence[ShardInfo],
    staging: Staging,
    options: _Options,
    existing: Sequence[ShardFile],
    progress: Progress,
) -> list[ShardFile]:
    """Write the samples of a split in their order, after those of the existing new shards."""
    writer = ShardWriter(staging.folder, shards[0].split, options.shard_mb * 2**20, existing)
    recorded = len(existing)
    skip = sum(file.utterances for file in existing)
    try:
        for utterance in _utterances(dataset, shards, skip):
            writer.add(utterance.key, _content(utterance, options))
            recorded = staging.record(writer.finished, recorded)
            progress.step()
    except BaseException:
        writer.abandon()
        raise
    files = writer.close()
    staging.record(files, recorded)
    return files


def _utterances(dataset: Dataset, shards: Sequence[ShardInfo], skip: int) -> Iterator[Utterance]:
    """Yield the samples of the shards after the first `skip`.

    Raises:
        ShardError: a shard is not what was written.
    """
    for shard in shards:
        if skip >= shard.utterances:
            skip -= shard.utterances
            continue
        path = dataset.path / shard.path
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                raise ShardError(f"{path} is not what was written; copy it again")
        yield from islice(dataset.read([shard]), skip, None)
        skip = 0


def _content(utterance: Utterance, options: _Options) -> SampleContent:
    return sample_content(
        utterance.key,
        clip_records(utterance),
        pair_records(utterance),
        part=utterance.part,
        parts=utterance.parts,
        crops=options.crops,
        audio=options.audio,
    )


def _write_other_files(out: Path, target: Path) -> None:
    """Write the tables, counts, provenance and card. The tables get the columns they lack."""
    clips: list[dict[str, Any]] = read_table(out / CLIPS).to_pylist()
    pairs: list[dict[str, Any]] = read_table(out / PAIRS).to_pylist()
    write_clips(target, clips)
    write_pairs(target, pairs)
    if target != out and (out / FINDINGS).is_file():
        write_text(target / FINDINGS, (out / FINDINGS).read_text())
    shards = json.loads((target / SHARDS).read_bytes())["shards"]
    counts = dataset_counts(clips, pairs, shards)
    write_text(target / STATS, json.dumps(counts, indent=1) + "\n")
    provenance = json.loads((out / PROVENANCE).read_bytes()) if (out / PROVENANCE).is_file() else {}
    provenance["upgraded_by"] = f"stccl {version('stccl')}"
    write_text(target / PROVENANCE, json.dumps(provenance, indent=1) + "\n")
    gates = provenance.get("config", {}).get("gates", {})
    corpus = provenance.get("corpus", "own")
    write_card(target, corpus, counts, card_features(target), gates)
