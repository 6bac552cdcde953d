"""Plots of an evaluation: cosines, R@1 by shift, and the training curves."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stccl_train.eval.conditions import ALIGNED
from stccl_train.eval.statistics import STAGES, Evaluation, Selection
from stccl_train.eval.tables import STAGE_NAMES

#: Name of a figure -> section (train, val) -> its points (step, value).
Curves = Mapping[str, Mapping[str, list[tuple[float, float]]]]


def plot_similarities(path: str | Path, evaluation: Evaluation) -> None:
    """Plot histograms of the cosines of mouth tokens after training, one panel per kind.

    Matched, mismatched, shifted by the verdict's shift, and another sentence.
    """
    figure, panels = _figure(len(evaluation.kinds))
    centres = (evaluation.bins[1:] + evaluation.bins[:-1]) / 2
    for axes, kind in zip(panels, evaluation.kinds, strict=True):
        for name, counts in evaluation.histograms[kind.name].items():
            label = name.replace("shifted_", "shifted by ").replace("_", " ")
            axes.plot(centres, counts / max(1, counts.sum()), drawstyle="steps-mid", label=label)
        axes.set(
            title=f"{kind.name.upper().replace('_', '-')}, at the mouth",
            xlabel="cosine",
            ylabel="share of tokens",
            yscale="log",
            ylim=(1e-4, 1),
        )
        axes.legend(loc="upper left")
    figure.savefig(path, dpi=110)


def plot_shifts(path: str | Path, evaluation: Evaluation) -> None:
    """Plot R@1 at the mouth of each stage by the shift of the target, with intervals and chance."""
    names = [name for name in evaluation.conditions if name.startswith("shifted_")]
    by_shift = {float(name.removeprefix("shifted_")): name for name in names}
    conditions = dict(sorted({0: ALIGNED, **by_shift}.items()))
    figure, panels = _figure(len(evaluation.terms))
    for axes, term in zip(panels, evaluation.terms, strict=True):
        mouth = Selection(term, region="mouth")
        has_mouth = evaluation.interval("recall", mouth) is not None
        tokens = mouth if has_mouth else Selection(term)
        for stage in STAGES:
            intervals = {
                shift: evaluation.interval(
                    "recall", replace(tokens, stage=stage, condition=condition)
                )
                for shift, condition in conditions.items()
            }
            points = [(shift, value) for shift, value in intervals.items() if value is not None]
            at = [shift for shift, _ in points]
            axes.plot(at, [value.mean for _, value in points], marker="o", label=STAGE_NAMES[stage])
            axes.fill_between(
                at,
                [value.low for _, value in points],
                [value.high for _, value in points],
                alpha=0.15,
            )
        chance = evaluation.mean("chance", Selection(term))
        axes.axhline(chance, color="grey", linestyle=":", label="chance")
        axes.set(
            title=f"{term.upper()}, at the mouth",
            xlabel="target shifted by, seconds",
            ylabel="R@1",
            ylim=(0, None),
        )
        axes.legend()
    figure.savefig(path, dpi=110)


def plot_training(path: str | Path, curves: Curves) -> None:
    """Plot training curves, one panel per figure."""
    figure, panels = _figure(len(curves))
    for axes, (name, sections) in zip(panels, curves.items(), strict=True):
        for section, points in sections.items():
            axes.plot([step for step, _ in points], [value for _, value in points], label=section)
        axes.set(title=name, xlabel="step")
        axes.legend()
    figure.savefig(path, dpi=110)


def read_training_curves(path: Path) -> Curves:
    """Read the loss and the R@1 of each kind from a metrics.jsonl; empty if it is missing."""
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except ValueError:  # the last line of an interrupted run
            continue
        for name, value in record.items():
            if name == "loss" or (name.endswith(".recall") and name.count(".") == 1):
                points = curves.setdefault(name, {}).setdefault(record["section"], [])
                points.append((record["step"], value))
    return curves


def _figure(panels: int) -> tuple[Any, list[Any]]:
    """Return a matplotlib figure and its panels, side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * panels, 4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])
