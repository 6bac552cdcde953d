"""Judge the pairs of a dataset again with other thresholds: the work of `stccl pairs refilter`.

Stored scores decide: no frame is read and no pair is aligned. Only the tables, counts, provenance
and card are rewritten. The shards stay as they are, because readers follow the tables.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stccl_data.dataset.card import write_card
from stccl_data.dataset.card_features import stored_features
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import CLIPS, PAIRS, PROVENANCE, SHARDS, STATS
from stccl_data.dataset.tables import read_table, write_table
from stccl_data.errors import Reason, StcclError
from stccl_data.files.atomic import write_text
from stccl_data.pairs.gates import GATE_REASONS, GateConfig, Refusal, judge
from stccl_data.pairs.verdicts import PairIds, Verdict, count_verdicts, read_verdicts
from stccl_data.pipeline.records import PairDecision, settle_clips
from stccl_data.pipeline.state import Store

#: A row of a table.
Row = dict[str, Any]


class RefilterError(StcclError):
    """The dataset cannot be judged again."""


@dataclass(frozen=True, slots=True)
class Change:
    """How many pairs got another decision."""

    #: reason code; empty for accepted
    before: str
    #: reason code; empty for accepted
    after: str
    pairs: int


@dataclass(frozen=True, slots=True)
class RefilterResult:
    """What the thresholds change."""

    out: Path
    gates: GateConfig
    pairs: int
    #: pairs that gates decide on; the others stay refused
    judged: int
    accepted_before: int
    accepted: int
    #: clips in an accepted pair
    clips_before: int
    clips: int
    #: commonest first
    changes: tuple[Change, ...]
    #: False after a dry run
    written: bool


def stored_gates(out: Path) -> GateConfig:
    """Return the thresholds that the tables of `out` were made with.

    A threshold that did not exist when the dataset was made has its default.

    Raises:
        RefilterError: `out` has no finished dataset.
    """
    stored = _json(out / PROVENANCE).get("config", {}).get("gates", {})
    known = {field.name for field in fields(GateConfig)}
    return GateConfig(**{name: value for name, value in stored.items() if name in known})


def refilter(out: Path, gates: GateConfig, dry_run: bool = False) -> RefilterResult:
    """Judge the aligned pairs of `out` with other thresholds, and rewrite its tables.

    The same thresholds give the same bytes. Each file is replaced as a whole; if the work is cut
    off between two files, the same call repairs them.

    Args:
        out: folder of the dataset.
        gates: all thresholds.
        dry_run: only return what would change.

    Raises:
        RefilterError: `out` has no finished dataset.
        TableError: a table cannot be read.
        VerdictsError: verdicts.csv cannot be read.
        StoreBusyError: the dataset is being prepared.
    """
    provenance = _json(out / PROVENANCE)
    shards = _json(out / SHARDS).get("shards", [])
    with Store(out).locked() if (out / "work").is_dir() and not dry_run else nullcontext():
        clip_table = read_table(out / CLIPS, required=("clip_id", "state", "reason", "detail"))
        pair_table = read_table(
            out / PAIRS, required=("source", "target", "mode", "accepted", "reason", "detail")
        )
        clips_before: list[Row] = clip_table.to_pylist()
        pairs_before: list[Row] = pair_table.to_pylist()
        by_id = {clip["clip_id"]: clip for clip in clips_before}
        verdicts = read_verdicts(out)
        pairs = [_judged(pair, by_id, gates, verdicts) for pair in pairs_before]
        clips = list(_settled(clips_before, pairs))
        if not dry_run:
            write_table(out / PAIRS, pairs, pair_table.schema)
            write_table(out / CLIPS, clips, clip_table.schema)
            counts = dataset_counts(clips, pairs, shards)
            if verdicts:
                counts["verdicts"] = count_verdicts(verdicts)
            write_text(out / STATS, json.dumps(counts, indent=1) + "\n")
            provenance["config"] = {**provenance.get("config", {}), "gates": asdict(gates)}
            write_text(out / PROVENANCE, json.dumps(provenance, indent=1) + "\n")
            corpus = provenance.get("corpus", "own")
            write_card(out, corpus, counts, stored_features(out), asdict(gates))
    return RefilterResult(
        out=out,
        gates=gates,
        pairs=len(pairs),
        judged=sum(_gates_decide(pair) for pair in pairs_before),
        accepted_before=sum(pair["accepted"] for pair in pairs_before),
        accepted=sum(pair["accepted"] for pair in pairs),
        clips_before=sum(clip["state"] == "paired" for clip in clips_before),
        clips=sum(clip["state"] == "paired" for clip in clips),
        changes=_changes(pairs_before, pairs),
        written=not dry_run,
    )


def _gates_decide(pair: Row) -> bool:
    """Tell whether the pair was aligned and nothing but a gate refused it."""
    return pair["mode"] is not None and (
        pair["reason"] is None
        or pair["reason"] in (*GATE_REASONS.values(), Reason.REJECTED_IN_REVIEW)
    )


def _refusal(pair: Row) -> Refusal | None:
    """Return why a pair is refused; None if it is accepted."""
    if pair["reason"] is None:
        return None
    return Refusal(Reason[pair["reason"].upper()], pair["detail"] or "")


def _judged(
    pair: Row,
    clips: Mapping[str, Row],
    gates: GateConfig,
    verdicts: Mapping[PairIds, Verdict],
) -> Row:
    """Judge a pair by its scores, unless somebody decided about it by eye."""
    earlier = _refusal(pair)
    if earlier is not None and earlier.reason is Reason.REJECTED_IN_REVIEW:
        earlier = None  # the scores decide again, if the verdict has gone
    refusal = judge(pair, clips[pair["source"]], clips[pair["target"]], gates, earlier)
    verdict = verdicts.get((pair["source"], pair["target"]))
    if verdict is not None and pair["mode"] is not None:
        words = f"rejected by {verdict.who or 'somebody'} on {verdict.when or 'an unknown day'}"
        is_kept = verdict.verdict == "keep"
        refusal = None if is_kept else Refusal(Reason.REJECTED_IN_REVIEW, words)
    if refusal == _refusal(pair):
        return pair
    reason, detail = (None, None) if refusal is None else (str(refusal.reason), refusal.detail)
    return {**pair, "accepted": refusal is None, "reason": reason, "detail": detail}


def _settled(clips: Sequence[Row], pairs: Sequence[Row]) -> Iterator[Row]:
    """Yield the clips with their states. A clip that is in no aligned pair keeps its own."""
    settled = settle_clips(
        PairDecision(pair["source"], pair["target"], _refusal(pair)) for pair in pairs
    )
    aligned = {
        pair[side] for pair in pairs if pair["mode"] is not None for side in ("source", "target")
    }
    for clip in clips:
        if clip["clip_id"] not in aligned:
            yield clip
        elif (refusal := settled[clip["clip_id"]]) is None:
            yield {**clip, "state": "paired", "reason": None, "detail": None}
        else:
            reason, detail = str(refusal.reason), refusal.detail or None
            yield {**clip, "state": "unpaired", "reason": reason, "detail": detail}


def _changes(before: Sequence[Row], after: Sequence[Row]) -> tuple[Change, ...]:
    moves = Counter(
        (old["reason"] or "", new["reason"] or "") for old, new in zip(before, after, strict=True)
    )
    return tuple(Change(old, new, count) for (old, new), count in moves.most_common() if old != new)


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object of the dataset. Raises RefilterError."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RefilterError(
            f"{path.parent} has no finished dataset, {path.name} is missing: run `stccl prepare`"
        ) from None
    except (OSError, ValueError) as error:
        raise RefilterError(f"{path} cannot be read ({error}); run `stccl verify`") from error
    if not isinstance(content, dict):
        raise RefilterError(f"{path} is not a JSON object as stccl writes it; run `stccl verify`")
    return content
