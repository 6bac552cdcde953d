"""Write an evaluation for people and programs: tables (eval.txt), eval.json, and plots."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from stccl_data.files.atomic import write_text
from stccl_train.eval.plots import (
    plot_shifts,
    plot_similarities,
    plot_training,
    read_training_curves,
)
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    HEADLINE,
    MEASURES,
    STAGES,
    VIEWS,
    Evaluation,
    Selection,
)
from stccl_train.eval.tables import format_tables
from stccl_train.eval.verdict import cautions, verdict_line, verdicts
from stccl_train.model.token_kinds import Form, Term

JSON, TEXT = "eval.json", "eval.txt"
PLOTS = ("similarity.png", "shift.png", "training.png")

#: Format of eval.json. Bump when a program that reads it has to change.
VERSION = 2


def write_report(
    folder: str | Path,
    evaluation: Evaluation,
    about: Mapping[str, Any],
    run: str | Path | None = None,
) -> str:
    """Write eval.json, eval.txt and the plots.

    Args:
        folder: is created if missing.
        evaluation: what to report.
        about: what was evaluated on what; goes into eval.json.
        run: folder of the training, whose metrics.jsonl gives the training curves.

    Returns:
        The text of eval.txt.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = format_tables(evaluation)
    write_text(folder / TEXT, text)
    record = {**about, **as_record(evaluation)}
    write_text(folder / JSON, json.dumps(record, indent=1, allow_nan=False) + "\n")
    plot_similarities(folder / PLOTS[0], evaluation)
    plot_shifts(folder / PLOTS[1], evaluation)
    if run is not None and (curves := read_training_curves(Path(run) / "metrics.jsonl")):
        plot_training(folder / PLOTS[2], curves)
    return text


def as_record(evaluation: Evaluation) -> dict[str, Any]:
    """Return all figures as plain values for eval.json.

    Each row names its tokens and has the means of all measures and the interval of R@1.
    """
    rows = (_row(evaluation, selection) for selection in _selections(evaluation))
    return {
        "version": VERSION,
        "windows": evaluation.windows,
        "pairs": len(evaluation.pairs),
        "speakers": list(evaluation.speakers),
        "seen_in_training": list(evaluation.seen),
        "sentences_seen_in_training": list(evaluation.seen_sentences),
        "emotions": list(evaluation.emotions),
        "independent": evaluation.unit,
        "headline_view": dict(HEADLINE),
        "verdicts": [
            {**asdict(verdict), "hears": verdict.hears} for verdict in verdicts(evaluation)
        ],
        "verdict": verdict_line(evaluation),
        "cautions": cautions(evaluation),
        "rows": [row for row in rows if row is not None],
    }


def _selections(evaluation: Evaluation) -> Iterator[Selection]:
    """Yield what eval.json has a row for.

    Each view, stage, condition and region of each term, and of each form if a term has several; in
    the headline's view also each layer and emotion, over all regions and at the mouth.
    """
    names: list[tuple[Term, Form | None]] = [(term, None) for term in evaluation.terms]
    if len(evaluation.kinds) > len(evaluation.terms):
        names += [(kind.term, kind.form) for kind in evaluation.kinds]
    for view, stage, condition in product(VIEWS, STAGES, evaluation.conditions):
        for term, form in names:
            tokens = Selection(term, form, stage, condition, view=view)
            for region in ALL_REGIONS:
                yield replace(tokens, region=region)
            for region in ("all", "mouth") if view == HEADLINE[term] else ():
                part = replace(tokens, region=region)
                for layer in range(1, evaluation.layers + 1):
                    yield replace(part, layer=layer)
                for emotion in evaluation.emotions:
                    yield replace(part, emotion=emotion)


def _row(evaluation: Evaluation, selection: Selection) -> dict[str, Any] | None:
    recall = evaluation.interval("recall", selection)
    if recall is None:
        return None
    means = {name: evaluation.mean(name, selection) for name in MEASURES if name != "recall"}
    return {
        "term": f"{selection.term}_{selection.form}" if selection.form else selection.term,
        "layer": selection.layer or "mean",
        "emotion": selection.emotion or "all",
        "view": selection.view,
        "stage": selection.stage,
        "condition": selection.condition,
        "region": selection.region,
        **means,
        "recall": recall.mean,
        "recall_low": recall.low,
        "recall_high": recall.high,
    }
