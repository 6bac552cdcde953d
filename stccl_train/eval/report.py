"""An evaluation for people and for programs: a text table, eval.json, and three pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from stccl_data.files.atomic import write_text
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    HEADLINE,
    MEASURES,
    STAGES,
    VERDICT_SHIFT,
    VIEWS,
    Evaluation,
    Interval,
    verdicts,
)

JSON, TEXT = "eval.json", "eval.txt"
PICTURES = ("similarity.png", "shift.png", "training.png")

#: Raise when a program that reads eval.json has to change.
VERSION = 1

_STAGE_NAMES = {
    "after": "trained",
    "before": "trained, without heads",
    "untrained": "untrained",
    "untrained_before": "untrained, without heads",
}
_SHIFTED = f"shifted_{VERDICT_SHIFT}"


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    about: Mapping[str, Any],
    run: str | Path | None = None,
) -> str:
    """Write eval.json, eval.txt and the pictures into `folder`; returns the text.

    about: what was evaluated on what, for eval.json. run: the folder of the run, whose metrics.jsonl gives the training curves.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = as_text(evaluation)
    write_text(folder / TEXT, text)
    write_text(
        folder / JSON,
        json.dumps({**about, **as_record(evaluation)}, indent=1, allow_nan=False) + "\n",
    )
    plot_similarities(folder / PICTURES[0], evaluation)
    plot_shifts(folder / PICTURES[1], evaluation)
    if run is not None and (curves := _curves(Path(run) / "metrics.jsonl")):
        plot_training(folder / PICTURES[2], curves)
    return text


def as_record(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that was found, as plain values. Each row has the choice that it is of, the means, and intervals of R@1."""
    both = len(evaluation.kinds) > len(evaluation.terms)
    names = (*evaluation.terms, *evaluation.kinds) if both else evaluation.terms
    rows = [
        row
        for view, stage, condition in product(VIEWS, STAGES, evaluation.conditions)
        for term in names
        for part in _parts(evaluation, finely=view == HEADLINE[term[:3]])
        if (
            row := _row(
                evaluation, term, {"view": view, "stage": stage, "condition": condition, **part}
            )
        )
        is not None
    ]
    return {
        "version": VERSION,
        "windows": evaluation.windows,
        "pairs": len(evaluation.pairs),
        "speakers": list(evaluation.speakers),
        "seen_in_training": list(evaluation.seen),
        "emotions": list(evaluation.emotions),
        "resampled": evaluation.unit,
        "headline_view": dict(HEADLINE),
        "verdicts": [asdict(verdict) for verdict in verdicts(evaluation)],
        "verdict": verdict_line(evaluation),
        "rows": rows,
    }


def verdict_line(evaluation: Evaluation) -> str:
    """The one line that a hurried reader reads."""
    found = verdicts(evaluation)
    if found:
        return ". ".join(verdict.sentence for verdict in found)
    if _SHIFTED not in evaluation.conditions:
        return f"No verdict: it is about a shift by {VERDICT_SHIFT} frames, which was not among --shifts."
    return "No verdict: nothing was counted at the mouth."


def _parts(evaluation: Evaluation, *, finely: bool) -> list[dict[str, Any]]:
    """Regions; and, finely, layers and emotions of all and of the mouth."""
    parts: list[dict[str, Any]] = [{"region": region} for region in ALL_REGIONS]
    for region in ("all", "mouth") if finely else ():
        parts += [{"region": region, "layer": layer + 1} for layer in range(evaluation.layers)]
        parts += [{"region": region, "emotion": emotion} for emotion in evaluation.emotions]
    return parts


def _row(evaluation: Evaluation, term: str, chosen: dict[str, Any]) -> dict[str, Any] | None:
    recall = evaluation.interval("recall", term, **chosen)
    if recall is None:
        return None
    means = {
        measure: _mean(evaluation, measure, term, **chosen)
        for measure in MEASURES
        if measure != "recall"
    }
    named = {"layer": "mean", "emotion": "all", **chosen}
    return {
        "term": term,
        **named,
        **means,
        "recall": recall.mean,
        "recall_low": recall.low,
        "recall_high": recall.high,
    }


def _mean(evaluation: Evaluation, measure: str, term: str, **chosen: Any) -> float:
    total, weight = evaluation.values(measure, term, **chosen).sum(0)
    return float(total / weight) if weight > 0 else float("nan")


def as_text(evaluation: Evaluation) -> str:
    """The tables, 130 columns wide at most, and the verdict."""
    lines = [
        f"{evaluation.windows} windows of {len(evaluation.pairs)} pairs of {_count(len(evaluation.speakers), 'speaker')}; "
        f"intervals: 95 %, bootstrap over {evaluation.unit}",
        "",
    ]
    for term in evaluation.terms:
        lines += [
            _term_title(term),
            *_by_condition(evaluation, term),
            *_measures(evaluation, term),
            *_by_layer(evaluation, term),
        ]
        lines += [*_by_kind(evaluation, term), *_by_emotion(evaluation, term)]
    said = [verdict.sentence for verdict in verdicts(evaluation)] or [verdict_line(evaluation)]
    return "\n".join([*lines, "Verdict", *(f"  {sentence}" for sentence in said), ""])


def _term_title(term: str) -> str:
    named = {"scc": "SCC, spatial", "tcc": "TCC, temporal"}[term]
    among = {
        "place": "other places of the frame",
        "place+time": "other places, and the same place at other times",
    }[HEADLINE[term]]
    return f"{named} (R@1 among {among})"


def _by_condition(evaluation: Evaluation, term: str) -> list[str]:
    conditions = evaluation.conditions
    rows = []
    for stage, region in product(STAGES, ALL_REGIONS):
        cells = [
            _cell(evaluation.interval("recall", term, stage=stage, region=region, condition=c))
            for c in conditions
        ]
        gap = evaluation.gap(term, _SHIFTED, stage=stage, region=region)
        rows.append(
            [
                _STAGE_NAMES[stage] if region == "all" else "",
                region,
                *cells,
                "-" if gap is None else str(gap),
            ]
        )
    names = [_short(name) for name in conditions]
    return _table(["R@1", "region", *names, f"aligned less +{VERDICT_SHIFT}"], rows)


def _measures(evaluation: Evaluation, term: str) -> list[str]:
    rows = []
    for stage, condition in product(STAGES, ("aligned", _SHIFTED, "other_sentence", "noise")):
        if (
            condition not in evaluation.conditions
            or evaluation.interval("recall", term, stage=stage, condition=condition) is None
        ):
            continue
        found = {
            measure: _mean(evaluation, measure, term, stage=stage, condition=condition)
            for measure in MEASURES
        }
        margin = found["matched"] - found["mismatched"]
        values = [found["matched"], found["mismatched"], margin, found["recall"], found["chance"]]
        values += [found["reciprocal_rank"], found["auc"]]
        name = _short(condition)
        rows.append(
            [
                _STAGE_NAMES[stage] if condition == "aligned" else "",
                name,
                *(f"{value:.3f}" for value in values),
            ]
        )
    return _table(
        ["all regions", "target", "matched", "mismatched", "margin", "R@1", "chance", "MRR", "AUC"],
        rows,
    )


def _by_layer(evaluation: Evaluation, term: str) -> list[str]:
    rows = []
    for layer, stage in product(range(1, evaluation.layers + 1), ("after", "untrained")):
        cells = [
            _cell(_recall(evaluation, term, condition, stage=stage, layer=layer, region=region))
            for region in ("all", "mouth")
            for condition in ("aligned", _SHIFTED)
        ]
        chance = _mean(evaluation, "chance", term, stage=stage, layer=layer)
        rows.append(
            [str(layer) if stage == "after" else "", _STAGE_NAMES[stage], *cells, f"{chance:.3f}"]
        )
    return _table(
        ["layer", "", "all", f"all +{VERDICT_SHIFT}", "mouth", f"mouth +{VERDICT_SHIFT}", "chance"],
        rows,
    )


def _by_kind(evaluation: Evaluation, term: str) -> list[str]:
    """Where a term has more than one form: each alone, at the mouth."""
    kinds = [kind for kind in evaluation.kinds if kind.startswith(term)]
    rows = []
    for kind, stage in product(kinds if len(kinds) > 1 else [], ("after", "untrained")):
        found = [
            _recall(evaluation, kind, condition, stage=stage, region="mouth")
            for condition in ("aligned", _SHIFTED)
        ]
        gap = evaluation.gap(kind, _SHIFTED, stage=stage)
        rows.append(
            [
                kind if stage == "after" else "",
                _STAGE_NAMES[stage],
                *map(_cell, found),
                "-" if gap is None else str(gap),
            ]
        )
    return (
        _table(["form", "", "mouth", f"mouth +{VERDICT_SHIFT}", "difference"], rows) if rows else []
    )


def _by_emotion(evaluation: Evaluation, term: str) -> list[str]:
    rows = []
    for emotion in evaluation.emotions:
        whole = evaluation.interval("recall", term, emotion=emotion)
        mouth = evaluation.interval("recall", term, emotion=emotion, region="mouth")
        gaps = [
            evaluation.gap(term, _SHIFTED, emotion=emotion, stage=stage)
            for stage in ("after", "untrained")
        ]
        rows.append(
            [
                emotion,
                _cell(whole),
                _cell(mouth),
                *("-" if gap is None else str(gap) for gap in gaps),
            ]
        )
    less = f"mouth, less +{VERDICT_SHIFT}"
    return _table(["emotion", "all", "mouth", less, "untrained"], rows)


def _recall(evaluation: Evaluation, term: str, condition: str, **chosen: Any) -> Interval | None:
    """R@1 under a condition; None where that was not looked at."""
    return (
        evaluation.interval("recall", term, condition=condition, **chosen)
        if condition in evaluation.conditions
        else None
    )


def _short(condition: str) -> str:
    return (
        condition.replace("shifted_", "+")
        .replace("other_sentence", "other")
        .replace("noise_elsewhere", "wrong place")
    )


def _cell(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.mean:.3f}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    lines = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return [*lines, ""]


def plot_similarities(path: str | Path, evaluation: Evaluation) -> None:
    """Histograms of the cosines of mouth tokens after training: matched, mismatched, shifted by 10 frames, another sentence."""
    figure, panels = _figure(len(evaluation.kinds))
    centres = (evaluation.bins[1:] + evaluation.bins[:-1]) / 2
    for axes, kind in zip(panels, evaluation.kinds, strict=True):
        for name, counts in evaluation.histograms[kind].items():
            label = name.replace("shifted_", "shifted by ").replace("_", " ")
            axes.plot(centres, counts / max(1, counts.sum()), drawstyle="steps-mid", label=label)
        title = f"{kind.upper().replace('_', '-')}, at the mouth"
        axes.set(
            title=title, xlabel="cosine", ylabel="share of tokens", yscale="log", ylim=(1e-4, 1)
        )
        axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)


def plot_shifts(path: str | Path, evaluation: Evaluation) -> None:
    """R@1 at the mouth by how many frames the target is shifted, trained and untrained, with intervals and chance."""
    shifts = sorted(
        int(name.rpartition("_")[2])
        for name in evaluation.conditions
        if name.startswith("shifted_")
    )
    figure, panels = _figure(len(evaluation.terms))
    for axes, term in zip(panels, evaluation.terms, strict=True):
        for stage in STAGES:
            region = (
                "mouth"
                if evaluation.interval("recall", term, region="mouth") is not None
                else "all"
            )
            names = ["aligned", *(f"shifted_{shift}" for shift in shifts)]
            found = [
                evaluation.interval("recall", term, stage=stage, condition=name, region=region)
                for name in names
            ]
            known = [
                (shift, one)
                for shift, one in zip((0, *shifts), found, strict=True)
                if one is not None
            ]
            at = [shift for shift, _ in known]
            axes.plot(at, [one.mean for _, one in known], marker="o", label=_STAGE_NAMES[stage])
            axes.fill_between(
                at, [one.low for _, one in known], [one.high for _, one in known], alpha=0.15
            )
        axes.axhline(_mean(evaluation, "chance", term), color="grey", linestyle=":", label="chance")
        axes.set(
            title=f"{term.upper()}, at the mouth",
            xlabel="target shifted by, frames",
            ylabel="R@1",
            ylim=(0, None),
        )
        axes.legend()
    figure.savefig(path, dpi=110)


def plot_training(
    path: str | Path, curves: Mapping[str, Mapping[str, list[tuple[float, float]]]]
) -> None:
    """curves: what (loss, scc_vd.recall, ...) -> section (train, val) -> (step, value)."""
    figure, panels = _figure(len(curves))
    for axes, (name, sections) in zip(panels, curves.items(), strict=True):
        for section, points in sections.items():
            axes.plot([step for step, _ in points], [value for _, value in points], label=section)
        axes.set(title=name, xlabel="step")
        axes.legend()
    figure.savefig(path, dpi=110)


def _curves(path: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """The loss, and R@1 of each kind, by section; of a metrics.jsonl."""
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        for name, value in record.items():
            if name == "loss" or (name.endswith(".recall") and name.count(".") == 1):
                curves.setdefault(name, {}).setdefault(record["section"], []).append(
                    (record["step"], value)
                )
    return curves


def _figure(panels: int) -> tuple[Any, list[Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * panels, 4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])
