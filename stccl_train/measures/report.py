"""Write a measurement as text, CSV, JSON and LaTeX."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

from stccl_data.files.atomic import write_text
from stccl_train.measures.definitions import Measure
from stccl_train.measures.files import JSON, LATEX, PAIRS, TABLE, TEXT
from stccl_train.measures.measurement import Measurement
from stccl_train.measures.remarks import foot, remarks
from stccl_train.measures.request import CONTROLS
from stccl_train.measures.text_report import WIDTH, format_text
from stccl_train.measures.text_table import number

Format = Literal["text", "csv", "json", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

#: Format of measure.json. Bump when a program that reads it has to change.
VERSION = 1

_LATEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "one": r"$\to 1$", None: ""}


def write_report(folder: str | Path, measurement: Measurement) -> None:
    """Write measure.txt, measure.csv, pairs.csv, measure.json and measure.tex into a folder."""
    folder = Path(folder)
    write_text(folder / TEXT, format_text(measurement, everything=True))
    write_text(folder / TABLE, _csv(measurement))
    write_text(folder / PAIRS, _pairs_csv(measurement))
    write_text(folder / JSON, _json(measurement))
    write_text(folder / LATEX, _latex(measurement))


def format_measurement(
    measurement: Measurement,
    form: Format = "text",
    *,
    width: int = WIDTH,
    everything: bool = False,
) -> str:
    """Return a measurement in one of `FORMATS`, ending with a line break.

    Args:
        measurement: what to format.
        form: one of `FORMATS`.
        width: of text, see `format_text`.
        everything: likewise.
    """
    if form == "text":
        return format_text(measurement, width, everything=everything)
    return {"csv": _csv, "json": _json, "latex": _latex}[form](measurement)


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
            ends = [f"{end:.6g}" for end in (interval.low, interval.high)] if interval else ["", ""]
            evidence = _evidence(measurement, label, measure, emotion)
            known = "" if evidence is None else int(evidence)
            lines.append([str(value) for value in (*about, *cells, *ends, known)])
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
            ends = None if interval is None else (interval.low, interval.high)
            table.append({**cell, "n": mean.n, "mean": mean.mean, "interval": ends, **about})
    differences = []
    for measure in measurement.measures:
        for emotion in measurement.columns:
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
        "remarks": remarks(measurement, intervals=any(cell["interval"] for cell in table)),
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
    columns = measurement.columns
    header = " & ".join(["Measure", "Method", *(_escape(column) for column in columns)])
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{ll{'r' * len(columns)}}}",
        r"\toprule",
        rf"{header} \\",
    ]
    shown = [
        measure
        for measure in measurement.measures
        if measure.better is not None and measurement.has_values(measure)
    ]
    for measure in shown:
        lines.append(r"\midrule")
        for label in measurement.labels:
            first = label == measurement.labels[0]
            name = f"{_escape(measure.label)} {_LATEX_ARROWS[measure.better]}" if first else ""
            row = rf"\textit{{{label}}}" if label in CONTROLS else _escape(label)
            cells = (_latex_cell(measurement, label, measure, column) for column in columns)
            lines.append(" & ".join([name, row, *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {line}" for line in foot(measurement, shown, WIDTH, latex=True)]
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
        for emotion in measurement.columns:
            for label in measurement.labels:
                yield measure, emotion, label


def _escape(text: str) -> str:
    return "".join(f"\\{c}" if c in "&%$#_{}" else c for c in text).replace("→", r"$\to$")
