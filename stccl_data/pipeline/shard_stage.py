"""Write the shards and their index, unless those of an earlier run hold the same."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.alignment.align import Alignment
from stccl_data.corpora.splits import SPLITS
from stccl_data.dataset.layout import INDEX, SCHEMA, SHARDS, part_key
from stccl_data.dataset.parts import divide_utterance
from stccl_data.dataset.publish import remove_other_shards, write_shard_list
from stccl_data.dataset.sample import (
    ClipRecord,
    PairRecord,
    SampleContent,
    clip_record,
    sample_content,
)
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.files.atomic import atomic_writer
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.artefacts import load_alignments
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.records import ClipRow, PairRow
from stccl_data.pipeline.state import key_of
from stccl_data.progress import Progress


@dataclass(frozen=True, slots=True)
class UtteranceContent:
    """What the shards hold of one utterance."""

    key: str
    split: str
    #: the extracted clips, sorted by id
    clips: Sequence[ClipRow]
    #: clip id -> name within the utterance
    names: Mapping[str, str]
    #: the aligned pairs
    pairs: Sequence[PairRow]


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

    Returns:
        The shards as shards.json lists them.
    """
    for stale in (SHARDS, INDEX):
        (out / stale).unlink(missing_ok=True)
    progress.stage("shards", len(utterances))
    files: list[ShardFile] = []
    for split in SPLITS:
        of_split = [utterance for utterance in utterances if utterance.split == split]
        files += _write_split(out, split, of_split, config, progress)
    remove_other_shards(out, {file.path for file in files})
    with atomic_writer(out / INDEX) as index:
        for file in files:
            for line in file.index:
                index.write(json.dumps(line).encode() + b"\n")
    shards = [file.row() for file in files]
    write_shard_list(out, fingerprint, shards)
    return shards


def _write_split(
    out: Path,
    split: str,
    utterances: Sequence[UtteranceContent],
    config: PrepareConfig,
    progress: Progress,
) -> list[ShardFile]:
    """Write the shards of one split, with the utterances in an order that the seed decides."""
    writer = ShardWriter(out, split, config.shard_mb * 2**20)
    try:
        for utterance in sorted(
            utterances,
            key=lambda utterance: hashlib.sha256(
                f"{config.seed}:{utterance.key}".encode()
            ).digest(),
        ):
            for key, content in _samples(utterance, config):
                writer.add(key, content)
            progress.step()
    except BaseException:
        writer.abandon()
        raise
    return writer.close()


def _samples(
    utterance: UtteranceContent, config: PrepareConfig
) -> Iterator[tuple[str, SampleContent]]:
    """Yield key and members of the samples of one utterance: one sample, or one per part."""
    names = utterance.names
    clips: dict[str, ClipRecord] = {}
    for row in utterance.clips:
        stored = row.artefact
        assert stored is not None
        clips[names[row.clip.clip_id]] = clip_record(
            row.clip, row.scores, stored.track(), stored.frame_times(), stored.flac()
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
