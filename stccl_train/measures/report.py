"""Write a measurement as text, CSV, JSON and LaTeX."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Literal, get_args

from stccl_data.files.atomic import write_text
from stccl_train.measures.definitions import Measure
from stccl_train.measures.measurement import ALL, Group, Measurement
from stccl_train.measures.request import CONTROLS
from stccl_train.measures.text_table import align, interval_text, number

Format = Literal["text", "csv", "json", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: Names of the files in the output folder.
TEXT, TABLE, PAIRS, JSON, LATEX = (
    "measure.txt", "measure.csv", "pairs.csv", "measure.json", "measure.tex",
)  # fmt: skip

#: Format of measure.json. Bump when a program that reads it has to change.
VERSION = 1

_ARROWS = {"lower": "↓", "higher": "↑", "one": "→1", None: ""}
_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "one": r"$\to 1$", None: ""}

#: Notes of a kind that are printed clip by clip.
_MAX_NOTES = 5

_LEGEND = """\
over shift: by how much better than the same two clips with the generated one 0.4 s early or late.
over controls (*): by how much better than the better of that and of the mean of others; these
  columns alone tell how well speech is kept: at 0 or below, somebody else's clip does as well.
?: not above the controls beyond chance (the 95 % interval over clips reaches 0, there is one clip
  only, or no other person): no evidence that speech is kept.
copy: the source itself; real: a clip of the actor in the wanted emotion; shifted: the generated
  clips 0.4 s early and late; other: other people, who say something else; other aligned: the same
  people, aligned with the source as real is.
c: no method beats a copy of the input; o: other comes out above a method.
→1: rows are ranked by the mean distance of their clips from 1, which a mean of ratios hides.
"""


def write_report(folder: str | Path, measurement: Measurement) -> None:
    """Write measure.txt, measure.csv, pairs.csv, measure.json and measure.tex into a folder."""
    folder = Path(folder)
    for name, form in ((TEXT, "text"), (TABLE, "csv"), (JSON, "json"), (LATEX, "latex")):
        write_text(folder / name, format_measurement(measurement, form))  # type: ignore[arg-type]
    write_text(folder / PAIRS, _pairs_csv(measurement))


def format_measurement(measurement: Measurement, form: Format = "text") -> str:
    """Return a measurement in one of `FORMATS`, ending with a line break."""
    writers = {"text": _text, "csv": _csv, "json": _json, "latex": _latex}
    return writers[form](measurement)


def _text(measurement: Measurement) -> str:
    parts = [_group_table(measurement, group) for group in measurement.groups]
    if len(measurement.emotions) > 1:
        parts.append(_emotion_table(measurement))
    if len(measurement.methods) > 1:
        parts.append(_differences(measurement))
    parts.append(_LEGEND + "".join(f"{line}\n" for line in foot(measurement)))
    return "\n".join(part for part in parts if part)


def _group_table(measurement: Measurement, group: Group) -> str:
    """Format one group: a row for each method and control, over all emotions."""
    measures = [m for m in group.measures if _has_values(measurement, m)]
    if not measures:
        return ""
    rows = [[group.name, "n", *(_heading(measurement, measure, measures) for measure in measures)]]
    for label in measurement.labels:
        n = max(measurement.mean(label, measure).n for measure in measures)
        cells = (_cell(measurement, label, measure, ALL) for measure in measures)
        rows.append([label, str(n), *cells])
    return align(rows)


def _cell(measurement: Measurement, label: str, measure: Measure, emotion: str) -> str:
    """Format a mean, with a mark if it is no evidence, else with a space in its place."""
    mark = "?" if measurement.is_doubtful(label, measure, emotion) else " "
    return number(measurement.mean(label, measure, emotion).mean, measure.digits) + mark


def _has_values(measurement: Measurement, measure: Measure) -> bool:
    return any(measurement.mean(label, measure).n for label in measurement.methods)


def _heading(measurement: Measurement, measure: Measure, beside: Sequence[Measure]) -> str:
    """Return the heading of a column; a margin or gain is named shortly beside its measure."""
    marks = measurement.marks(measure)
    of, _, short = measure.label.rpartition(", ")
    is_beside = measure.is_derived and of in [other.label for other in beside]
    label = short if is_beside else measure.label
    star = "*" if measure.is_headline else ""
    return f"{label} {_ARROWS[measure.better]}{star}" + (f" [{marks}]" if marks else "")


def _emotion_table(measurement: Measurement) -> str:
    """Format the measures with a direction as a paper does: a column for each emotion."""
    columns = (*measurement.emotions, ALL)
    rows = [["by emotion", "", *columns]]
    for measure in measurement.measures:
        if measure.better is None or not _has_values(measurement, measure):
            continue
        for label in measurement.labels:
            first = label == measurement.labels[0]
            shown = f"{measure.label} {_ARROWS[measure.better]}" if first else ""
            cells = (_cell(measurement, label, measure, emotion) for emotion in columns)
            rows.append([shown, label, *cells])
    return align(rows, left=2)


def _differences(measurement: Measurement) -> str:
    """Format by how much the other methods are better than the first, paired by clip."""
    baseline, *others = measurement.methods
    rows = [[f"better than {baseline} by", "", "mean", "95 % interval", "wins", "sign test p"]]
    for measure in measurement.measures:
        for method in others:
            gain = measurement.difference(method, baseline, measure)
            if gain is not None:
                digits = measure.digits
                interval = interval_text(gain.low, gain.high, digits)
                wins = f"{gain.wins} of {gain.n}"
                mean = f"{gain.mean:+.{digits}f}"
                rows.append([measure.label, method, mean, interval, wins, f"{gain.p:.3f}"])
    return align(rows, left=2) if len(rows) > 1 else ""


def foot(measurement: Measurement) -> Iterator[str]:
    """Yield what has to be said under the tables: what is absent, failed, or unusual."""
    yield from (f"warning: {text}" for text in measurement.warnings)
    for name, reason in measurement.absent.items():
        yield f"absent: {name}: {reason}"
    for group in measurement.groups:
        if not any(_has_values(measurement, measure) for measure in group.measures):
            yield f"absent: {group.name}: no pair of clips has a value"
    yield from remarks(measurement)


def remarks(measurement: Measurement) -> Iterator[str]:
    """Yield what has to be said of the clips: assumptions, missing and failed ones, notes."""
    yield from _assumptions(measurement)
    sources = {result.comparison.row.source for result in measurement.results}
    for method in measurement.methods:
        rows = [r for r in measurement.results if r.comparison.label == method]
        done = {r.comparison.row.source for r in rows if not r.error}
        if len(done) < len(sources):
            yield f"{method}: {len(done)} of {len(sources)} source clips"
    yield from _failures(measurement)
    kinds: Counter[str] = Counter()
    for result in measurement.results:
        for note in result.notes:
            kind = note.split(" ")[0] + note.split(" ")[1]
            kinds[kind] += 1
            if kinds[kind] <= _MAX_NOTES:
                yield f"note: {result.comparison.row.name} {note}"
    more = sum(max(0, count - _MAX_NOTES) for count in kinds.values())
    if more:
        yield f"note: {more} more of this kind, see notes in {JSON}"


def _assumptions(measurement: Measurement) -> Iterator[str]:
    """Yield what is taken for granted of the other people, as the rows do not tell."""
    if not any(result.values for result in measurement.rows("other", ALL)):
        yield (
            "no source of another speaker who says something else: there is no row other, and over "
            "controls is over the shift alone"
        )
        return
    rows = [r.comparison.row for r in measurement.results if not r.comparison.control]
    if not all(row.speaker for row in rows):
        yield "rows without a speaker: everybody in another source counts as another person"
    if not all(row.sentence for row in rows):
        yield "rows without a sentence: another person counts as saying something else"


def _failures(measurement: Measurement) -> Iterator[str]:
    """Yield what failed; of the controls what no method's row says already."""
    failed = [result for result in measurement.results if result.error]
    said: set[str] = set()
    for result in sorted(failed, key=lambda each: each.comparison.control is not None):
        comparison, error = result.comparison, result.error
        if comparison.control is not None and error in said:
            continue
        said.add(error)
        names_clip = error.startswith(comparison.row.generated)
        clip = "" if names_clip else f"{comparison.row.generated}: "
        yield f"failed: {comparison.label}: {clip}{error}"


def _csv(measurement: Measurement) -> str:
    """Format the means: a line for each measure, emotion and row of the table."""
    header = ["measure", "unit", "better", "headline", "marks", "emotion", "row", "n", "mean"]
    lines = [[*header, "low", "high", "evidence"]]
    for measure, emotion, label in _cells(measurement):
        mean = measurement.mean(label, measure, emotion)
        if mean.n:
            about = [measure.name, measure.unit, measure.better or "", int(measure.is_headline)]
            cells = [measurement.marks(measure), emotion, label, mean.n, f"{mean.mean:.6g}"]
            interval = measurement.interval(label, measure, emotion)
            ends = ["", ""] if interval is None else [f"{v:.6g}" for v in astuple(interval)]
            evidence = _evidence(measurement, label, measure, emotion)
            ends.append("" if evidence is None else str(int(evidence)))
            lines.append([str(value) for value in (*about, *cells, *ends)])
    return _to_csv(lines)


def _evidence(measurement: Measurement, label: str, measure: Measure, emotion: str) -> bool | None:
    """Return whether a headline number is evidence; None if the number is no headline."""
    if not measure.is_headline:
        return None
    return measurement.is_evidence(label, measure, emotion)


def _pairs_csv(measurement: Measurement) -> str:
    """Format every pair: a line for each, a column for each measure."""
    names = [measure.name for measure in measurement.measures]
    columns = ["row", "source", "generated", "speaker", "emotion", "frames", "error", *names]
    lines = [columns]
    for result in measurement.results:
        row = result.comparison.row
        about = [result.comparison.label, row.source, row.generated, row.speaker, row.emotion]
        values = (result.values.get(name) for name in names)
        cells = ["" if value is None else f"{value:.6g}" for value in values]
        lines.append([*about, str(result.frames), result.error, *cells])
    return _to_csv(lines)


def _to_csv(lines: Sequence[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()


def as_record(measurement: Measurement) -> dict[str, Any]:
    """Return everything as plain values for measure.json."""
    methods = measurement.methods
    table = []
    for measure, emotion, label in _cells(measurement):
        mean = measurement.mean(label, measure, emotion)
        if mean.n:
            cell = {"measure": measure.name, "emotion": emotion, "row": label}
            interval = measurement.interval(label, measure, emotion)
            evidence = _evidence(measurement, label, measure, emotion)
            about = {} if evidence is None else {"evidence": evidence}
            ends = None if interval is None else astuple(interval)
            table.append({**cell, "n": mean.n, "mean": mean.mean, "interval": ends, **about})
    differences = []
    for measure in measurement.measures:
        for emotion in _emotion_columns(measurement):
            for method in methods[1:]:
                gain = measurement.difference(method, methods[0], measure, emotion)
                if gain is not None:
                    cell = {"measure": measure.name, "emotion": emotion, "method": method}
                    differences.append({**cell, "baseline": methods[0], **asdict(gain)})
    return {
        "version": VERSION,
        "methods": list(methods),
        "emotions": list(measurement.emotions),
        "measures": [
            {
                **{k: v for k, v in asdict(measure).items() if k in _DESCRIBED},
                "group": group.name,
                "headline": measure.is_headline,
                "marks": measurement.marks(measure),
                "best": list(measurement.best(measure)),
            }
            for group in measurement.groups
            for measure in group.measures
        ],
        "table": table,
        "differences": differences,
        "pairs": [
            {
                "row": result.comparison.label,
                **asdict(result.comparison.row),
                "frames": result.frames,
                "values": result.values,
                "shifted": result.shifted,
                "notes": list(result.notes),
                "error": result.error,
            }
            for result in measurement.results
        ],
        "absent": measurement.absent,
        "warnings": list(measurement.warnings),
        "remarks": list(remarks(measurement)),
    }


#: Fields of a Measure that measure.json has.
_DESCRIBED = ("name", "label", "better", "unit", "digits")


def _json(measurement: Measurement) -> str:
    return json.dumps(as_record(measurement), indent=1, allow_nan=False) + "\n"


def _latex(measurement: Measurement) -> str:
    """Format the measures with a direction: a booktabs table with a column for each emotion.

    The best method of a column is bold unless its number is no evidence, which a question mark
    says; controls are in italics.
    """
    columns = _emotion_columns(measurement)
    header = " & ".join(["Measure", "Method", *(_escape(column) for column in columns)])
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{ll{'r' * len(columns)}}}",
        r"\toprule",
        rf"{header} \\",
    ]
    for measure in measurement.measures:
        if measure.better is None or not _has_values(measurement, measure):
            continue
        lines.append(r"\midrule")
        for label in measurement.labels:
            first = label == measurement.labels[0]
            name = f"{_escape(measure.label)} {_LATEX_ARROWS[measure.better]}" if first else ""
            shown = rf"\textit{{{label}}}" if label in CONTROLS else _escape(label)
            cells = (_latex_cell(measurement, label, measure, column) for column in columns)
            lines.append(" & ".join([name, shown, *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {line}" for line in (*_LEGEND.splitlines(), *foot(measurement))]
    return "\n".join(lines) + "\n"


def _latex_cell(measurement: Measurement, label: str, measure: Measure, emotion: str) -> str:
    value = measurement.mean(label, measure, emotion).mean
    text = number(value, measure.digits)
    if measurement.is_doubtful(label, measure, emotion):
        return f"{text}$^{{?}}$"
    best = measurement.best(measure, emotion)
    return rf"\textbf{{{text}}}" if label in best else text


def _cells(measurement: Measurement) -> Iterator[tuple[Measure, str, str]]:
    """Yield measure, emotion and row of every mean."""
    for measure in measurement.measures:
        for emotion in _emotion_columns(measurement):
            for label in measurement.labels:
                yield measure, emotion, label


def _emotion_columns(measurement: Measurement) -> tuple[str, ...]:
    return (*(measurement.emotions if len(measurement.emotions) > 1 else ()), ALL)


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else c for c in text).replace("→", r"$\to$")
