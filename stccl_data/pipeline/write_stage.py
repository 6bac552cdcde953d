"""The last stage of a run: write shards, tables, counts, findings, provenance and card."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.corpora import Scan
from stccl_data.dataset.card import write_card
from stccl_data.dataset.card_features import card_features
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import FINDINGS, PROVENANCE, STATS
from stccl_data.dataset.publish import discard_staged, finish_publishing
from stccl_data.dataset.tables import (
    CLIP_EXPRESSION,
    CLIP_SCORES,
    join_notes,
    write_clips,
    write_pairs,
)
from stccl_data.files.atomic import write_text
from stccl_data.pairs.candidates import clip_names, utterance_key
from stccl_data.pairs.emotion_check import DOUBTFUL_MARGIN, emotion_margins
from stccl_data.pairs.gates import shows_speaker
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.provenance import provenance
from stccl_data.pipeline.records import ClipRow, PairDecision, PairRow, settle_clips, with_refusal
from stccl_data.pipeline.run import PrepareError
from stccl_data.pipeline.shard_stage import (
    drop_stored_frames,
    existing_shards,
    shards_fingerprint,
    write_shards,
)
from stccl_data.pipeline.staged_shards import UtteranceContent
from stccl_data.progress import Progress
from stccl_data.words import counted

#: Training with several workers needs at least this many shards; fewer are worth a warning.
FEW_SHARDS = 4


@dataclass(frozen=True, slots=True)
class DatasetContent:
    """Everything that a dataset is written from."""

    scan: Scan
    #: clip id -> row
    clips: Mapping[str, ClipRow]
    #: a row for every candidate pair, sorted
    pairs: Sequence[PairRow]
    #: speaker -> split
    split_of: Mapping[str, str]
    #: the file that the pairs were imported from, if any
    pairs_from: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """The result of the stage."""

    #: 1 if shards were written, 0 if they existed already
    made: int
    #: the clips with their final states
    clips: list[ClipRow]
    #: split -> shards
    shards: dict[str, int]
    #: sentences for the user
    notes: list[str]


def write_dataset(
    out: Path, content: DatasetContent, config: PrepareConfig, progress: Progress
) -> WrittenDataset:
    """Write the dataset to OUT. Shards that would come out the same are left alone.

    Raises:
        PrepareError: the dataset would have no pair, and OUT has shards.
    """
    rows = _settled_rows(content)
    names = _clip_names(content.clips.values())
    utterances = _utterances(content, rows, names)
    fingerprint = shards_fingerprint(utterances, content.split_of, config)
    finish_publishing(out)
    shards = existing_shards(out, fingerprint)
    made = int(shards is None)
    if shards is not None:
        progress.stage("shards", len(utterances), len(utterances))
    else:
        if not utterances:
            _refuse_to_empty(out, content)
        shards = write_shards(out, utterances, fingerprint, config, progress)
    if config.drop_work:
        drop_stored_frames(out, utterances, shards)
    discard_staged(out)

    name_of = {i: name for of_utterance in names.values() for i, name in of_utterance.items()}
    margins = emotion_margins(
        [row.clip for row in rows.values()],
        {
            clip_id: row.expression["blendshapes_mean"]
            for clip_id, row in rows.items()
            if row.expression and shows_speaker(row.scores, config.gates)
        },
    )
    clip_table = [
        _clip_record(row, name_of, content.split_of) | {"emotion_margin": margins.get(clip_id)}
        for clip_id, row in sorted(rows.items())
    ]
    pair_table = [_pair_record(row, name_of, content.split_of) for row in content.pairs]
    write_clips(out, clip_table)
    write_pairs(out, pair_table)
    _write_findings(out, content.scan)
    counts = dataset_counts(clip_table, pair_table, shards)
    write_text(out / STATS, json.dumps(counts, indent=1) + "\n")
    faces_tracked = any("face_rate" in row.scores for row in rows.values())
    made_by = provenance(content.scan, config, content.pairs_from, faces_tracked)
    write_text(out / PROVENANCE, json.dumps(made_by, indent=1, default=str) + "\n")
    write_card(out, content.scan.corpus, counts, card_features(out), asdict(config.gates))
    per_split = dict(Counter(shard["split"] for shard in shards))
    notes = [*_few_shards_note(per_split), *_emotions_note(margins)]
    return WrittenDataset(made, list(rows.values()), per_split, notes)


def _settled_rows(content: DatasetContent) -> dict[str, ClipRow]:
    """Return clip id -> row, where clips that are in no accepted pair have the reason."""
    settled = settle_clips(
        PairDecision(pair.source.clip_id, pair.target.clip_id, pair.refusal)
        for pair in content.pairs
    )
    rows = dict(content.clips)
    for clip_id, row in content.clips.items():
        if row.reason is None and (refusal := settled[clip_id]) is not None:
            rows[clip_id] = with_refusal(row, refusal)
    return rows


def _clip_names(rows: Iterable[ClipRow]) -> dict[str, dict[str, str]]:
    """Return utterance -> clip id -> name of the clip within the utterance."""
    members: defaultdict[str, list[Clip]] = defaultdict(list)
    for row in rows:
        if row.clip.sentence is not None:
            members[utterance_key(row.clip)].append(row.clip)
    return {key: clip_names(clips) for key, clips in members.items()}


def _utterances(
    content: DatasetContent,
    rows: Mapping[str, ClipRow],
    names: Mapping[str, Mapping[str, str]],
) -> list[UtteranceContent]:
    """Return the utterances that have an aligned pair, with all their extracted clips."""
    pairs: defaultdict[str, list[PairRow]] = defaultdict(list)
    for pair in content.pairs:
        if pair.alignment is not None:
            pairs[pair.utterance].append(pair)
    return [
        UtteranceContent(
            key=key,
            split=content.split_of[of_utterance[0].source.speaker],
            clips=[rows[i] for i in sorted(names[key]) if rows[i].artefact is not None],
            names=names[key],
            pairs=of_utterance,
        )
        for key, of_utterance in pairs.items()
    ]


def _refuse_to_empty(out: Path, content: DatasetContent) -> None:
    """Raise PrepareError if OUT has shards, which a dataset without pairs would replace."""
    if not any((out / "shards").glob("*/stccl-*.tar")):
        return
    reasons = Counter(str(pair.reason) for pair in content.pairs).most_common(1)
    why = f"most often {reasons[0][0]}" if reasons else "no two clips make a pair"
    message = (
        f"with these options {out} would have no pair ({why}); its shards are left as they are"
    )
    if content.scan.without_consent:
        message += f". If it holds speakers without a valid consent, delete {out}"
    raise PrepareError(message)


def _clip_record(
    row: ClipRow, name_of: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, Any]:
    """Return a row of clips.parquet."""
    clip = row.clip
    return {
        **clip.row(),
        "state": row.state,
        "reason": None if row.reason is None else str(row.reason),
        "detail": row.detail or None,
        "split": split_of[clip.speaker],
        "utterance": None if clip.sentence is None else utterance_key(clip),
        "name": name_of.get(clip.clip_id),
        **{score: row.scores.get(score) for score in CLIP_SCORES},
        **{name: row.expression.get(name) for name in CLIP_EXPRESSION},
        "content_trust": row.content_trust,
        "suggested_sentence": row.suggested_sentence,
        "notes": join_notes(row.notes),
    }


def _pair_record(
    row: PairRow, name_of: Mapping[str, str], split_of: Mapping[str, str]
) -> dict[str, Any]:
    """Return a row of pairs.parquet."""
    return {
        "source": row.source.clip_id,
        "target": row.target.clip_id,
        "utterance": row.utterance or None,
        "source_name": name_of.get(row.source.clip_id),
        "target_name": name_of.get(row.target.clip_id),
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


def _write_findings(out: Path, scan: Scan) -> None:
    findings = [{**asdict(finding), "reason": str(finding.reason)} for finding in scan.findings]
    lines = [json.dumps(finding, ensure_ascii=False) + "\n" for finding in findings]
    write_text(out / FINDINGS, "".join(lines))


def _few_shards_note(shards: Mapping[str, int]) -> list[str]:
    train = shards.get("train", 0)
    if not 0 < train < FEW_SHARDS:
        return []
    return [
        f"{counted(train, 'train shard')}: with more workers than shards, some "
        "workers stay idle; a smaller --shard-mb makes more shards"
    ]


def _emotions_note(margins: Mapping[str, float]) -> list[str]:
    doubted = sorted(
        (margin, clip_id) for clip_id, margin in margins.items() if margin < DOUBTFUL_MARGIN
    )
    if not doubted:
        return []
    names = ", ".join(clip_id for _, clip_id in doubted[:5])
    more = f" and {len(doubted) - 5:,} more" if len(doubted) > 5 else ""
    clips = "clip looks" if len(doubted) == 1 else "clips look"
    return [
        f"{len(doubted):,} {clips} more like another emotion than like the label, judged by other "
        f"speakers' faces; see emotion_margin in clips.parquet: {names}{more}"
    ]
