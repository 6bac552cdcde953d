"""Write the shards and their index, unless those of an earlier run hold the same."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stccl_data.alignment.align import Alignment
from stccl_data.corpora.splits import SPLITS
from stccl_data.dataset.layout import INDEX, SCHEMA, SHARDS, part_key
from stccl_data.dataset.parts import divide_utterance
from stccl_data.dataset.publish import publish, remove_other_shards, write_shard_list
from stccl_data.dataset.sample import (
    ClipRecord,
    PairRecord,
    SampleContent,
    sample_content,
)
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.dataset.staging import Staging
from stccl_data.files.atomic import atomic_writer
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.pair_artefacts import load_alignments
from stccl_data.pipeline.records import ClipRow, PairRow
from stccl_data.pipeline.shard_frames import FrameSource, forget_lost, lacks_frames
from stccl_data.pipeline.staged_shards import (
    StagedSplit,
    UtteranceContent,
    check_written,
    drop_frames,
)
from stccl_data.pipeline.state import key_of
from stccl_data.progress import Progress


def shards_fingerprint(
    utterances: Sequence[UtteranceContent], split_of: Mapping[str, str], config: PrepareConfig
) -> str:
    """Return a hash of everything that decides the bytes of the shards.

    The scores of a pair stand for its alignment, which follows from its clips.
    """
    contents = [
        [
            utterance.key,
            [_clip_identity(row) for row in utterance.clips],
            [
                [pair.source.clip_id, pair.target.clip_id, pair.scores(), str(pair.reason)]
                for pair in utterance.pairs
            ],
        ]
        for utterance in sorted(utterances, key=lambda utterance: utterance.key)
    ]
    content = key_of(1, config.shard_mb, config.seed, sorted(split_of.items()), contents)
    return fingerprint_of_content(content)


def fingerprint_of_content(content: str) -> str:
    """Return the fingerprint of shards of this schema from that of schema 1 of the same content."""
    return key_of(SCHEMA, content)


def existing_shards(out: Path, fingerprint: str) -> list[dict[str, Any]] | None:
    """Return the shards in OUT, as shards.json lists them, if they have this fingerprint.

    Returns:
        None if they have another one, or if a shard is missing or has another size.
    """
    try:
        stored = json.loads((out / SHARDS).read_text())
        shards: list[dict[str, Any]] = stored["shards"]
        complete = (out / INDEX).is_file() and all(
            (out / shard["path"]).stat().st_size == shard["bytes"] for shard in shards
        )
        return shards if complete and stored["fingerprint"] == fingerprint else None
    except (OSError, ValueError, KeyError):
        return None


def write_shards(
    out: Path,
    utterances: Sequence[UtteranceContent],
    fingerprint: str,
    config: PrepareConfig,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Write shards, index.jsonl and shards.json, and remove the shards of earlier runs.

    Those stay in use meanwhile if `work/` does not have, or is not to keep, all crops and sound.

    Returns:
        The shards as shards.json lists them.

    Raises:
        DamagedArtefactError: an artefact is damaged, or the crops of a clip are lost.
    """
    progress.stage("shards", len(utterances))
    by_split = {split: _in_order(utterances, split, config.seed) for split in SPLITS}
    rows = (row for utterance in utterances for row in utterance.clips)
    if config.drop_work or any(map(lacks_frames, rows)):
        return _write_staged(out, by_split, fingerprint, config, progress)
    for stale in (SHARDS, INDEX):
        (out / stale).unlink(missing_ok=True)
    files: list[ShardFile] = []
    for split, of_split in by_split.items():
        files += _write_split(out, split, of_split, config, progress)
    remove_other_shards(out, {file.path for file in files})
    with atomic_writer(out / INDEX) as index:
        for file in files:
            for line in file.index:
                index.write(json.dumps(line).encode() + b"\n")
    shards = [file.row() for file in files]
    write_shard_list(out, fingerprint, shards)
    return shards


def drop_stored_frames(
    out: Path, utterances: Sequence[UtteranceContent], shards: Sequence[Mapping[str, Any]]
) -> None:
    """Delete from `work/` the crops and sound that the shards have, after reading these again.

    Raises:
        PrepareError: a shard is not what was written.
    """
    rows = (row for utterance in utterances for row in utterance.clips)
    if any(row.artefact is not None and row.artefact.has_frames for row in rows):
        for shard in shards:
            check_written(out / shard["path"], shard["sha256"])
        drop_frames(utterances)


def _in_order(
    utterances: Sequence[UtteranceContent], split: str, seed: int
) -> list[UtteranceContent]:
    """Return the utterances of a split in an order that the seed decides."""
    return sorted(
        (utterance for utterance in utterances if utterance.split == split),
        key=lambda utterance: hashlib.sha256(f"{seed}:{utterance.key}".encode()).digest(),
    )


def _write_staged(
    out: Path,
    by_split: Mapping[str, Sequence[UtteranceContent]],
    fingerprint: str,
    config: PrepareConfig,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Write the shards into the staging folder, and publish them."""
    source, staging = FrameSource(out), Staging(out, {"fingerprint": fingerprint})
    splits = {
        split: StagedSplit(staging, split, config.shard_mb * 2**20, config.drop_work)
        for split in by_split
    }
    missing = {split: splits[split].missing(of_split) for split, of_split in by_split.items()}
    lost = source.lost(row for todo in missing.values() for u in todo for row in u.clips)
    if lost:
        raise forget_lost(lost)
    files: list[ShardFile] = []
    for split, todo in missing.items():
        for _ in range(len(by_split[split]) - len(todo)):
            progress.step()
        files += splits[split].write(todo, lambda u: _samples(u, config, source), progress)
    publish(out, files, fingerprint)
    return [file.row() for file in files]


def _write_split(
    out: Path,
    split: str,
    utterances: Sequence[UtteranceContent],
    config: PrepareConfig,
    progress: Progress,
) -> list[ShardFile]:
    """Write the shards of one split."""
    source = FrameSource(out)
    writer = ShardWriter(out, split, config.shard_mb * 2**20)
    try:
        for utterance in utterances:
            for key, content in _samples(utterance, config, source):
                writer.add(key, content)
            progress.step()
    except BaseException:
        writer.abandon()
        raise
    return writer.close()


def _samples(
    utterance: UtteranceContent, config: PrepareConfig, source: FrameSource
) -> Iterator[tuple[str, SampleContent]]:
    """Yield key and members of the samples of one utterance: one sample, or one per part."""
    names = utterance.names
    clips: dict[str, ClipRecord] = {}
    for row in utterance.clips:
        stored = row.artefact
        assert stored is not None
        tables, frames = stored.tables(), source.frames(row)
        clips[names[row.clip.clip_id]] = ClipRecord(
            clip=row.clip,
            scores=row.scores,
            tables={"times": stored.frame_times()} if tables is None else tables,
            crops=frames.crops,
            flac=frames.flac,
        )
    pairs = [
        PairRecord(
            names[pair.source.clip_id],
            names[pair.target.clip_id],
            pair.scores(),
            pair.accepted,
            None if pair.reason is None else str(pair.reason),
            alignment,
        )
        for pair, alignment in _with_alignments(utterance.pairs)
    ]
    parts = divide_utterance(
        sorted(clips), pairs, {name: record.size for name, record in clips.items()}
    )
    for number, part in enumerate(parts, 1):
        key = part_key(utterance.key, number)
        yield (
            key,
            sample_content(
                key,
                {name: clips[name] for name in part.clips},
                part.pairs,
                part=number,
                parts=len(parts),
                crops=config.crops != "none",
                audio=config.audio,
            ),
        )


def _with_alignments(pairs: Sequence[PairRow]) -> Iterator[tuple[PairRow, Alignment]]:
    """Yield each aligned pair with its alignment. Reads each file once."""
    files: dict[Path, list[Alignment | Refusal]] = {}
    for pair in pairs:
        if (stored := pair.alignment) is not None:
            if stored.path not in files:
                files[stored.path] = load_alignments(stored.path)
            alignment = files[stored.path][stored.number]
            assert isinstance(alignment, Alignment)
            yield pair, alignment


def _clip_identity(row: ClipRow) -> list[Any]:
    assert row.artefact is not None
    return [row.clip.clip_id, row.artefact.path.stem, row.clip.row()]
