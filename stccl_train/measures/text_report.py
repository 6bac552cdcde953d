"""A measurement as text, for terminals."""

from collections.abc import Iterator, Sequence

from stccl_train.measures.definitions import Measure
from stccl_train.measures.measurement import ALL, Measurement
from stccl_train.measures.remarks import foot
from stccl_train.measures.text_table import align, interval_text, number

#: Characters of a line unless a terminal says otherwise.
WIDTH = 100

_ARROWS = {"lower": "↓", "higher": "↑", "one": "→1", None: ""}


def format_text(measurement: Measurement, width: int = WIDTH, *, everything: bool = False) -> str:
    """Return the headline numbers and the other measures, by emotion, and the differences.

    Args:
        measurement: what to format.
        width: characters of a line; what does not fit goes into further blocks.
        everything: with margins over a shift, and all measures by emotion.
    """
    parts = [_means(measurement, width, everything)]
    if len(measurement.emotions) > 1:
        parts.append(_by_emotion(measurement, width, everything))
    parts += _differences(measurement, width, everything)
    shown = _shown(measurement, everything)
    parts.append("".join(f"{line}\n" for line in foot(measurement, shown, width)))
    return "\n".join(part for part in parts if part)


def _sections(
    measurement: Measurement, measures: Sequence[Measure]
) -> Iterator[tuple[str, list[Measure]]]:
    """Yield titles and their measures: the headline numbers first, then group by group."""
    headlines = [measure for measure in measures if measure.is_headline]
    if headlines:
        yield "over controls ↑ *", headlines
    for group in measurement.groups:
        others = [m for m in group.measures if m in measures and not m.is_headline]
        if others:
            yield group.name, others


def _shown(measurement: Measurement, everything: bool) -> list[Measure]:
    """Return the measures that have values; margins over a shift only if `everything` is shown."""
    return [
        measure
        for measure in measurement.measures
        if measurement.has_values(measure)
        and (everything or measure.is_headline or not measure.is_derived)
    ]


def _means(measurement: Measurement, width: int, everything: bool) -> str:
    """Format the means over all emotions: a row for each measure, a column for each row."""
    shown = _shown(measurement, everything)
    if not shown:
        return ""
    counts = [max(measurement.mean(label, m).n for m in shown) for label in measurement.labels]
    rows = [["", *measurement.labels], ["clips", *(f"{count} " for count in counts)]]
    for title, measures in _sections(measurement, shown):
        rows.append([title])
        for measure in measures:
            cells = (_cell(measurement, label, measure, ALL) for label in measurement.labels)
            name = _name(measure, measures, _ARROWS[measure.better], measurement.marks(measure))
            rows.append([name, *cells])
    return align(rows, width=width)


def _name(measure: Measure, beside: Sequence[Measure], arrow: str = "", marks: str = "") -> str:
    """Return the name of a measure below a title; a margin is named shortly below its measure."""
    of, _, which = measure.label.rpartition(", ")
    if measure.is_headline:  # the title has the rest
        name = of
    elif measure.is_derived and of in [other.label for other in beside]:
        name = f"  {which} {arrow}"
    else:
        name = f"{measure.label} {arrow}"
    return f"  {name.rstrip()}" + (f" [{marks}]" if marks else "")


def _cell(measurement: Measurement, label: str, measure: Measure, emotion: str) -> str:
    """Format a mean, with a mark if it is no evidence, else with a space in its place."""
    mark = "?" if measurement.is_doubtful(label, measure, emotion) else " "
    return number(measurement.mean(label, measure, emotion).mean, measure.digits) + mark


def _compared(measurement: Measurement, everything: bool) -> list[Measure]:
    """Return the measures with a direction; the headline numbers alone if there are any."""
    directed = [m for m in _shown(measurement, everything) if m.better is not None]
    headlines = [m for m in directed if m.is_headline]
    return directed if everything else headlines or directed


def _by_emotion(measurement: Measurement, width: int, everything: bool) -> str:
    """Format measures as a paper does: a column for each emotion."""
    columns = measurement.columns
    rows = [["by emotion", *columns]]
    for measure in _compared(measurement, everything):
        rows.append([f"{measure.label} {_ARROWS[measure.better]}"])
        for label in measurement.labels:
            cells = (_cell(measurement, label, measure, emotion) for emotion in columns)
            rows.append([f"  {label}", *cells])
    return align(rows, width=width)


def _differences(measurement: Measurement, width: int, everything: bool) -> Iterator[str]:
    """Yield by how much each further method is better than the first, paired by clip."""
    if not measurement.methods:
        return
    baseline, *others = measurement.methods
    shown = _compared(measurement, everything)
    for method in others:
        rows = [
            [f"{method} is better than {baseline} by"],
            ["", "mean", "95 % interval", "wins", "sign test p"],
        ]
        for title, measures in _sections(measurement, shown):
            lines = [_difference(measurement, method, measure, measures) for measure in measures]
            if any(lines):
                rows += [[title], *filter(None, lines)]
        if len(rows) > 2:
            yield align(rows, width=width)


def _difference(
    measurement: Measurement, method: str, measure: Measure, beside: Sequence[Measure]
) -> list[str]:
    """Return the row of a difference; empty if no clip has it."""
    gain = measurement.difference(method, measurement.methods[0], measure)
    if gain is None:
        return []
    return [
        _name(measure, beside),
        f"{gain.mean:+.{measure.digits}f}",
        interval_text(gain.low, gain.high, measure.digits),
        f"{gain.wins} of {gain.n}",
        f"{gain.p:.3f}",
    ]
