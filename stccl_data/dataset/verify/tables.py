"""The tables checked: each by itself, against each other, and against the samples that were found in the shards."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from stccl_data.clip import EMOTIONS
from stccl_data.dataset.layout import CLIPS, PAIRS
from stccl_data.dataset.tables import CLIP_STATES, Row, TableError, read_clips, read_pairs
from stccl_data.dataset.verify.shard import AGAIN, Problem, Sample
from stccl_data.errors import Reason

_REASONS = frozenset(str(reason) for reason in Reason)

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
    """What is wrong with clips.parquet and pairs.parquet, given what was found in the shards.

    complete: all samples could be read; where not, rows that no sample answers are no problem of the tables.
    """
    clip_rows: list[Row] | None = None
    pair_rows: list[Row] | None = None
    try:
        clip_rows = read_clips(out, _CLIP_COLUMNS)
    except TableError as error:
        yield Problem(CLIPS, error.problem, error.remedy)
    try:
        pair_rows = read_pairs(out, _PAIR_COLUMNS)
    except TableError as error:
        yield Problem(PAIRS, error.problem, error.remedy)
    if clip_rows is not None:
        yield from (
            Problem(CLIPS, what, AGAIN) for what in _clip_faults(clip_rows, samples, complete)
        )
    if pair_rows is not None:
        yield from (
            Problem(PAIRS, what, AGAIN) for what in _pair_faults(pair_rows, samples, complete)
        )
    if clip_rows is not None and pair_rows is not None:
        yield from (Problem(PAIRS, what, AGAIN) for what in _between(clip_rows, pair_rows))


def _clip_faults(rows: Sequence[Row], samples: Sequence[Sample], complete: bool) -> Iterator[str]:
    by_id = {row["clip_id"]: row for row in rows}
    for clip_id, count in Counter(row["clip_id"] for row in rows).items():
        if count > 1:
            yield f"the clip {clip_id} has {count} rows"
    splits: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["emotion"] not in EMOTIONS:
            yield f"the clip {row['clip_id']} has the emotion {row['emotion']!r}"
        if row["state"] not in CLIP_STATES:
            yield f"the clip {row['clip_id']} has the state {row['state']}"
        elif (row["reason"] is None) != (row["state"] == "paired") or row["reason"] not in {
            None,
            *_REASONS,
        }:
            yield f"the clip {row['clip_id']} is {row['state']}, and its reason is {row['reason']}"
        if row["split"] is not None:
            splits[row["corpus"], row["speaker"]].add(row["split"])
    for (corpus, speaker), names in splits.items():
        if len(names) > 1:
            yield f"speaker {speaker} of {corpus} is in {' and '.join(sorted(names))}"
    stored: set[str] = set()
    for sample in samples:
        for clip in sample.utterance.clips.values() if sample.utterance is not None else ():
            stored.add(clip.clip_id)
            found = by_id.get(clip.clip_id)
            if found is None:
                yield f"the clip {clip.clip_id} of {sample.key} has no row"
                continue
            said = (found["utterance"], found["name"], found["split"])
            if said != (sample.base, clip.name, sample.split):
                yield f"the clip {clip.clip_id} is {clip.name} of {sample.key} in {sample.split}, and its row says {said}"
            assert sample.utterance is not None
            labels = {name: getattr(clip, name) for name in _CLIP_LABELS}
            labels |= {name: getattr(sample.utterance, name) for name in _UTTERANCE_LABELS}
            for name, label in labels.items():
                if found[name] != label:
                    yield f"the clip {clip.clip_id} has the {name} {label!r} in {sample.key}, and {found[name]!r} in its row"
    for row in rows if complete else ():
        if row["state"] == "paired" and row["clip_id"] not in stored:
            yield f"the clip {row['clip_id']} is said to be in a pair, and is in no shard"


def _pair_faults(rows: Sequence[Row], samples: Sequence[Sample], complete: bool) -> Iterator[str]:
    counted = Counter((row["source"], row["target"]) for row in rows)
    for (source, target), count in counted.items():
        if count > 1:
            yield f"the pair {source} -> {target} has {count} rows"
    stored: Counter[tuple[str, str]] = Counter()
    utterance_of: dict[tuple[str, str], str] = {}
    for sample in samples:
        for pair in sample.utterance.pairs(accepted=None) if sample.utterance is not None else ():
            ids = pair.source.clip_id, pair.target.clip_id
            stored[ids] += 1
            utterance_of[ids] = sample.base
            if ids not in counted:
                yield f"the pair {ids[0]} -> {ids[1]} of {sample.key} has no row"
    for row in rows:
        ids = row["source"], row["target"]
        name = f"the pair {ids[0]} -> {ids[1]}"
        if row["accepted"] != (row["reason"] is None) or row["reason"] not in {None, *_REASONS}:
            yield f"{name} is {'accepted' if row['accepted'] else 'refused'}, and its reason is {row['reason']}"
        if row["accepted"] and row["mode"] is None:
            yield f"{name} is accepted, and was never aligned"
        if row["mode"] is not None and stored[ids] != 1 and (complete or stored[ids] > 1):
            yield f"{name} is in {stored[ids] or 'none'} of the shards' samples, and should be in one"
        elif stored[ids] and row["utterance"] != utterance_of[ids]:
            yield f"{name} is in {utterance_of[ids]}, and its row says {row['utterance']}"


def _between(clips: Sequence[Row], pairs: Sequence[Row]) -> Iterator[str]:
    by_id = {row["clip_id"]: row for row in clips}
    for pair in pairs:
        name = f"the pair {pair['source']} -> {pair['target']}"
        for side in ("source", "target"):
            clip = by_id.get(pair[side])
            if clip is None:
                yield f"{name} names the clip {pair[side]}, which {CLIPS} does not have"
            elif (clip["name"], clip["split"]) != (pair[f"{side}_name"], pair["split"]):
                yield f"{name}: {CLIPS} says that its {side} is {clip['name']} in {clip['split']}"
            elif pair["accepted"] and clip["state"] != "paired":
                yield f"{name} is accepted, and {CLIPS} says that its {side} is {clip['state']}"
