"""Other thresholds for a prepared dataset: its pairs judged again by the scores in its tables, which alone are rewritten.

No frame is read and no pair is aligned; the shards stay as they are, and readers follow the tables.
"""

import json
from collections import Counter, defaultdict
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stccl_data.dataset.card import dataset_card
from stccl_data.dataset.counts import dataset_counts
from stccl_data.dataset.layout import CARD, CLIPS, PAIRS, PROVENANCE, SHARDS, STATS
from stccl_data.dataset.tables import read_table, write_table
from stccl_data.errors import Reason, StcclError
from stccl_data.files.atomic import write_text
from stccl_data.pairs.gates import GATE_REASONS, GateConfig, Refusal, judge
from stccl_data.pipeline.records import commonest_refusal
from stccl_data.pipeline.state import Store

Row = dict[str, Any]


class RefilterError(StcclError):
    """The dataset cannot be judged again. The message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """`pairs` pairs went from `before` to `after`: reason codes, empty for accepted."""

    before: str
    after: str
    pairs: int


@dataclass(frozen=True, slots=True)
class RefilterResult:
    """What other thresholds come to. `accepted_before`, `accepted`: of `pairs` pairs. `judged`: pairs that have scores; the others
    stay refused. `clips_before`, `clips`: in an accepted pair. `changes`: commonest first. `written`: False for a dry run."""

    out: Path
    gates: GateConfig
    pairs: int
    judged: int
    accepted_before: int
    accepted: int
    clips_before: int
    clips: int
    changes: tuple[Change, ...]
    written: bool


def stored_gates(out: Path) -> GateConfig:
    """The thresholds that the tables of `out` were made with; a threshold that was not known then has its default.

    Raises RefilterError.
    """
    stored = _json(out / PROVENANCE).get("config", {}).get("gates", {})
    known = {one.name for one in fields(GateConfig)}
    return GateConfig(**{name: value for name, value in stored.items() if name in known})


def refilter(out: Path, gates: GateConfig, dry_run: bool = False) -> RefilterResult:
    """Judge the aligned pairs of `out` by these thresholds, and rewrite its tables, counts, provenance and card.

    The same thresholds give the same bytes. Each file is replaced as a whole; where the work is cut off between two of them, the
    same call mends it. dry_run: say what would change, and write nothing.
    Raises RefilterError where OUT holds no finished dataset, StoreBusyError while it is being prepared.
    """
    provenance = _json(out / PROVENANCE)
    shards = _json(out / SHARDS).get("shards", [])
    with Store(out).locked() if (out / "work").is_dir() and not dry_run else nullcontext():
        clip_table = read_table(out / CLIPS, required=("clip_id", "state", "reason", "detail"))
        pair_table = read_table(
            out / PAIRS, required=("source", "target", "mode", "accepted", "reason", "detail")
        )
        clips: list[Row] = clip_table.to_pylist()
        before: list[Row] = pair_table.to_pylist()
        by_id = {clip["clip_id"]: clip for clip in clips}
        pairs = [_judged(pair, by_id, gates) for pair in before]
        settled = _settled(clips, pairs)
        if not dry_run:
            write_table(out / PAIRS, pairs, pair_table.schema)
            write_table(out / CLIPS, settled, clip_table.schema)
            counts = dataset_counts(settled, pairs, shards)
            write_text(out / STATS, json.dumps(counts, indent=1) + "\n")
            provenance["config"] = {**provenance.get("config", {}), "gates": asdict(gates)}
            write_text(out / PROVENANCE, json.dumps(provenance, indent=1) + "\n")
            write_text(out / CARD, dataset_card(provenance.get("corpus", "own"), counts))
    moves = Counter(
        (old["reason"] or "", new["reason"] or "") for old, new in zip(before, pairs, strict=True)
    )
    return RefilterResult(
        out=out,
        gates=gates,
        pairs=len(pairs),
        judged=sum(_open(pair) for pair in before),
        accepted_before=sum(pair["accepted"] for pair in before),
        accepted=sum(pair["accepted"] for pair in pairs),
        clips_before=sum(clip["state"] == "paired" for clip in clips),
        clips=sum(clip["state"] == "paired" for clip in settled),
        changes=tuple(Change(old, new, n) for (old, new), n in moves.most_common() if old != new),
        written=not dry_run,
    )


def _open(pair: Row) -> bool:
    """Whether gates decide on the pair: it was aligned, and nothing but a gate has refused it."""
    return pair["mode"] is not None and (
        pair["reason"] is None or pair["reason"] in GATE_REASONS.values()
    )


def _judged(pair: Row, clips: dict[str, Row], gates: GateConfig) -> Row:
    earlier = None
    if pair["reason"] is not None:
        earlier = Refusal(Reason[pair["reason"].upper()], pair["detail"] or "")
    refusal = judge(pair, clips[pair["source"]], clips[pair["target"]], gates, earlier)
    if refusal is earlier:
        return pair
    reason, detail = (None, None) if refusal is None else (str(refusal.reason), refusal.detail)
    return {**pair, "accepted": refusal is None, "reason": reason, "detail": detail}


def _settled(clips: list[Row], pairs: list[Row]) -> list[Row]:
    """The clips with their states. One that is in no aligned pair keeps its own."""
    accepted: set[str] = set()
    aligned: set[str] = set()
    refusals: defaultdict[str, list[tuple[Reason, str]]] = defaultdict(list)
    for pair in pairs:
        both = pair["source"], pair["target"]
        accepted.update(both if pair["accepted"] else ())
        aligned.update(both if pair["mode"] is not None else ())
        if not pair["accepted"]:
            for clip_id in both:
                refusals[clip_id].append((Reason[pair["reason"].upper()], pair["detail"] or ""))
    settled = []
    for clip in clips:
        clip_id = clip["clip_id"]
        if clip_id in accepted:
            settled.append({**clip, "state": "paired", "reason": None, "detail": None})
        elif clip_id in aligned:
            reason, detail = commonest_refusal(refusals[clip_id])
            settled.append(
                {**clip, "state": "unpaired", "reason": str(reason), "detail": detail or None}
            )
        else:
            settled.append(clip)
    return settled


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RefilterError(
            f"{path.parent} holds no finished dataset: {path.name} is missing; run `stccl prepare` first"
        ) from None
    except (OSError, ValueError) as error:
        raise RefilterError(f"{path} cannot be read ({error}); run `stccl verify`") from error
    if not isinstance(found, dict):
        raise RefilterError(f"{path} is not as stccl writes it; run `stccl verify`")
    return found
