"""The text of an evaluation: its verdict, then tables, at most 132 columns wide."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from stccl_data.words import counted
from stccl_train.eval.conditions import ALIGNED, NOISE, OTHER_SAME_TIME, OTHER_SENTENCE
from stccl_train.eval.intervals import Interval
from stccl_train.eval.shift import VERDICT_SHIFT
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    HEADLINE,
    MEASURES,
    STAGES,
    Evaluation,
    Selection,
)
from stccl_train.eval.verdict import SHIFTED, cautions, verdict_line, verdicts
from stccl_train.model.token_kinds import Term

STAGE_NAMES = {
    "after": "trained",
    "before": "trained, without heads",
    "untrained": "untrained",
    "untrained_before": "untrained, without heads",
}

#: The stages whose difference is the gain of training.
_MAIN_STAGES = ("after", "untrained")


def format_tables(evaluation: Evaluation) -> str:
    """Return the verdict and the tables of each term."""
    speakers = len(evaluation.speakers)
    sentences = [verdict.sentence for verdict in verdicts(evaluation)]
    sentences = sentences or [verdict_line(evaluation)]
    lines = [
        "Verdict",
        *(f"  {sentence}" for sentence in sentences),
        *(f"  Caution: {caution}" for caution in cautions(evaluation)),
        "",
        f"{counted(evaluation.windows, 'window')} of {counted(len(evaluation.pairs), 'pair')} of "
        f"{counted(speakers, 'speaker')}; "
        f"intervals: 95 %, Student's t over {evaluation.unit}",
        "",
    ]
    for term in evaluation.terms:
        lines += [
            _title(term),
            *_condition_table(evaluation, term),
            *_measure_table(evaluation, term),
            *_layer_table(evaluation, term),
            *_form_table(evaluation, term),
            *_emotion_table(evaluation, term),
        ]
    return "\n".join(lines)


def _title(term: Term) -> str:
    name = {"scc": "SCC, spatial", "tcc": "TCC, temporal"}[term]
    candidates = {
        "place": "other places of the frame",
        "place+time": "other places, and the same place at other times",
    }[HEADLINE[term]]
    return f"{name}: how often a token finds its partner first (R@1) among {candidates}"


def _condition_table(evaluation: Evaluation, term: Term) -> list[str]:
    """R@1 of each stage and region under each condition."""
    rows = []
    for stage, region in product(STAGES, ALL_REGIONS):
        tokens = Selection(term, stage=stage, region=region)
        recalls = [_recall(evaluation, replace(tokens, condition=c)) for c in evaluation.conditions]
        name = STAGE_NAMES[stage] if region == "all" else ""
        rows.append([name, region, *recalls, _gap(evaluation, tokens)])
    names = [_short(name) for name in evaluation.conditions]
    return _table(["R@1", "region", *names, f"aligned less +{VERDICT_SHIFT} s"], rows)


def _measure_table(evaluation: Evaluation, term: Term) -> list[str]:
    """All measures of each stage under the main conditions, over all regions."""
    rows = []
    for stage, condition in product(
        STAGES, (ALIGNED, SHIFTED, OTHER_SENTENCE, OTHER_SAME_TIME, NOISE)
    ):
        tokens = Selection(term, stage=stage, condition=condition)
        if _interval(evaluation, tokens) is None:
            continue
        means = {measure: evaluation.mean(measure, tokens) for measure in MEASURES}
        margin = means["matched"] - means["mismatched"]
        values = [means["matched"], means["mismatched"], margin, means["recall"], means["chance"]]
        values += [means["reciprocal_rank"], means["auc"]]
        name = STAGE_NAMES[stage] if condition == ALIGNED else ""
        rows.append([name, _short(condition), *(f"{value:.3f}" for value in values)])
    names = ["cosine of partners", "of others", "difference", "R@1", "chance", "MRR", "AUC"]
    return _table(["whole face", "target", *names], rows)


def _layer_table(evaluation: Evaluation, term: Term) -> list[str]:
    """R@1 of each layer, aligned and shifted."""
    rows = []
    for layer, stage in product(range(1, evaluation.layers + 1), _MAIN_STAGES):
        tokens = Selection(term, stage=stage, layer=layer)
        recalls = [
            _recall(evaluation, replace(tokens, region=region, condition=condition))
            for region in ("all", "mouth")
            for condition in (ALIGNED, SHIFTED)
        ]
        chance = evaluation.mean("chance", tokens)
        name = str(layer) if stage == "after" else ""
        rows.append([name, STAGE_NAMES[stage], *recalls, f"{chance:.3f}"])
    names = ["all", f"all +{VERDICT_SHIFT} s", "mouth", f"mouth +{VERDICT_SHIFT}", "chance"]
    return _table(["layer", "", *names], rows)


def _form_table(evaluation: Evaluation, term: Term) -> list[str]:
    """R@1 at the mouth of each form, if the term has several."""
    kinds = [kind for kind in evaluation.kinds if kind.term == term]
    if len(kinds) < 2:
        return []
    rows = []
    for kind, stage in product(kinds, _MAIN_STAGES):
        tokens = Selection(term, kind.form, stage, region="mouth")
        recalls = [_recall(evaluation, replace(tokens, condition=c)) for c in (ALIGNED, SHIFTED)]
        name = kind.name if stage == "after" else ""
        rows.append([name, STAGE_NAMES[stage], *recalls, _gap(evaluation, tokens)])
    return _table(["form", "", "mouth", f"mouth +{VERDICT_SHIFT} s", "difference"], rows)


def _emotion_table(evaluation: Evaluation, term: Term) -> list[str]:
    """R@1 of each target emotion."""
    rows = []
    for emotion in evaluation.emotions:
        tokens = Selection(term, emotion=emotion)
        mouth = replace(tokens, region="mouth")
        recalls = [_recall(evaluation, part) for part in (tokens, mouth)]
        gaps = [_gap(evaluation, replace(mouth, stage=stage)) for stage in _MAIN_STAGES]
        rows.append([emotion, *recalls, *gaps])
    return _table(["emotion", "all", "mouth", f"mouth, less +{VERDICT_SHIFT} s", "untrained"], rows)


def _interval(evaluation: Evaluation, tokens: Selection) -> Interval | None:
    """Return R@1; None if the condition was not evaluated."""
    if tokens.condition not in evaluation.conditions:
        return None
    return evaluation.interval("recall", tokens)


def _recall(evaluation: Evaluation, tokens: Selection) -> str:
    interval = _interval(evaluation, tokens)
    return "-" if interval is None else f"{interval.mean:.3f}"


def _gap(evaluation: Evaluation, tokens: Selection) -> str:
    gap = evaluation.gap(tokens, SHIFTED)
    return "-" if gap is None else str(gap)


def _short(condition: str) -> str:
    """Name a condition in a heading."""
    return (
        condition.replace("shifted_", "+")
        .replace("other_sentence", "other sentence")
        .replace("other_same_time", "other, same time")
        .replace("noise_elsewhere", "wrong place")
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align cells in columns; an empty line follows."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {'  '.join(cells).rstrip()}")
    return [*lines, ""]
