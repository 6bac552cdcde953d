"""Verification of the tables: each by itself, against each other, and against the shards."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from stccl_data.clip import is_emotion_label
from stccl_data.dataset.layout import CLIPS, PAIRS
from stccl_data.dataset.tables import CLIP_STATES, Row, TableError, read_clips, read_pairs
from stccl_data.dataset.utterance_clip import UtteranceClip
from stccl_data.dataset.verify.problem import RERUN, Problem
from stccl_data.dataset.verify.sample import Sample
from stccl_data.errors import Reason

_REASONS = frozenset({None, *map(str, Reason)})

_UTTERANCE_LABELS, _CLIP_LABELS = ("corpus", "speaker", "sentence"), ("emotion", "level", "take")
_CLIP_COLUMNS = (
    "clip_id",
    *_UTTERANCE_LABELS,
    *_CLIP_LABELS,
    "state",
    "reason",
    "split",
    "utterance",
    "name",
)
_PAIR_COLUMNS = (
    "source",
    "target",
    "utterance",
    "source_name",
    "target_name",
    "split",
    "mode",
    "accepted",
    "reason",
)


def check_tables(out: Path, samples: Sequence[Sample], complete: bool) -> Iterator[Problem]:
    """Verify clips.parquet and pairs.parquet.

    Args:
        out: folder of the dataset.
        samples: the samples in the shards.
        complete: whether all samples could be read. If not, rows without a sample are not
            reported.
    """
    problems: list[Problem] = []
    clips = _read(lambda: read_clips(out, _CLIP_COLUMNS), CLIPS, problems)
    pairs = _read(lambda: read_pairs(out, _PAIR_COLUMNS), PAIRS, problems)
    yield from problems
    faults: list[tuple[str, Iterator[str]]] = []
    if clips is not None:
        faults.append((CLIPS, _clip_faults(clips)))
        faults.append((CLIPS, _stored_clip_faults(clips, samples, complete)))
    if pairs is not None:
        faults.append((PAIRS, _pair_faults(pairs, samples, complete)))
    if clips is not None and pairs is not None:
        faults.append((PAIRS, _contradictions(clips, pairs)))
    for table, sentences in faults:
        yield from (Problem(table, sentence, RERUN) for sentence in sentences)


def _read(read: Callable[[], list[Row]], table: str, problems: list[Problem]) -> list[Row] | None:
    """Return the rows of a table; None, with a problem, if it cannot be read."""
    try:
        return read()
    except TableError as error:
        problems.append(Problem(table, error.problem, error.advice))
        return None


def _clip_faults(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what is wrong with clips.parquet by itself."""
    for clip_id, count in Counter(row["clip_id"] for row in rows).items():
        if count > 1:
            yield f"the clip {clip_id} has {count} rows"
    splits: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        clip = f"the clip {row['clip_id']}"
        if not is_emotion_label(row["emotion"]):
            yield f"{clip} has the emotion {row['emotion']!r}"
        if row["state"] not in CLIP_STATES:
            yield f"{clip} has the state {row['state']}"
        elif (row["reason"] is None) != (row["state"] == "paired") or row["reason"] not in _REASONS:
            yield f"{clip} is {row['state']}, but its reason is {row['reason']}"
        if row["split"] is not None:
            splits[row["corpus"], row["speaker"]].add(row["split"])
    for (corpus, speaker), names in splits.items():
        if len(names) > 1:
            yield f"speaker {speaker} of {corpus} is in {' and '.join(sorted(names))}"


def _stored_clip_faults(
    rows: Sequence[Row], samples: Sequence[Sample], complete: bool
) -> Iterator[str]:
    """Yield contradictions between clips.parquet and the clips in the shards."""
    by_id = {row["clip_id"]: row for row in rows}
    stored: set[str] = set()
    for sample in samples:
        for clip in sample.utterance.clips.values() if sample.utterance is not None else ():
            stored.add(clip.clip_id)
            row = by_id.get(clip.clip_id)
            if row is None:
                yield f"the clip {clip.clip_id} of {sample.key} has no row"
            else:
                yield from _label_faults(row, clip, sample)
    for row in rows if complete else ():
        if row["state"] == "paired" and row["clip_id"] not in stored:
            yield f"the clip {row['clip_id']} is paired, but it is in no shard"


def _label_faults(row: Row, clip: UtteranceClip, sample: Sample) -> Iterator[str]:
    place = row["utterance"], row["name"], row["split"]
    if place != (sample.base, clip.name, sample.split):
        yield (
            f"the clip {clip.clip_id} is {clip.name} of {sample.key} in {sample.split}, "
            f"but its row says {place}"
        )
    labels = {name: getattr(clip, name) for name in _CLIP_LABELS}
    labels |= {name: getattr(sample.utterance, name) for name in _UTTERANCE_LABELS}
    for name, label in labels.items():
        if row[name] != label:
            yield (
                f"the clip {clip.clip_id} has the {name} {label!r} in {sample.key}, "
                f"but {row[name]!r} in its row"
            )


def _pair_faults(rows: Sequence[Row], samples: Sequence[Sample], complete: bool) -> Iterator[str]:
    """Yield what is wrong with pairs.parquet by itself and against the pairs in the shards."""
    counts = Counter((row["source"], row["target"]) for row in rows)
    for (source, target), count in counts.items():
        if count > 1:
            yield f"the pair {source} -> {target} has {count} rows"
    stored: Counter[tuple[str, str]] = Counter()
    utterance_of: dict[tuple[str, str], str] = {}
    for sample in samples:
        for pair in sample.utterance.pairs(accepted=None) if sample.utterance is not None else ():
            ids = pair.source.clip_id, pair.target.clip_id
            stored[ids] += 1
            utterance_of[ids] = sample.base
            if ids not in counts:
                yield f"the pair {ids[0]} -> {ids[1]} of {sample.key} has no row"
    for row in rows:
        ids = row["source"], row["target"]
        name = f"the pair {ids[0]} -> {ids[1]}"
        if row["accepted"] != (row["reason"] is None) or row["reason"] not in _REASONS:
            decision = "accepted" if row["accepted"] else "rejected"
            yield f"{name} is {decision}, but its reason is {row['reason']}"
        if row["accepted"] and row["mode"] is None:
            yield f"{name} is accepted, but was never aligned"
        if row["mode"] is not None and stored[ids] != 1 and (complete or stored[ids] > 1):
            yield f"{name} is in {stored[ids]} samples of the shards instead of 1"
        elif stored[ids] and row["utterance"] != utterance_of[ids]:
            yield f"{name} is in {utterance_of[ids]}, but its row says {row['utterance']}"


def _contradictions(clips: Sequence[Row], pairs: Sequence[Row]) -> Iterator[str]:
    """Yield contradictions between the two tables."""
    by_id = {row["clip_id"]: row for row in clips}
    for pair in pairs:
        name = f"the pair {pair['source']} -> {pair['target']}"
        for side in ("source", "target"):
            clip = by_id.get(pair[side])
            if clip is None:
                yield f"{name} names the clip {pair[side]}, which {CLIPS} does not have"
            elif (clip["name"], clip["split"]) != (pair[f"{side}_name"], pair["split"]):
                yield f"{name}: {CLIPS} says its {side} is {clip['name']} in {clip['split']}"
            elif pair["accepted"] and clip["state"] != "paired":
                yield f"{name} is accepted, but {CLIPS} says its {side} is {clip['state']}"
