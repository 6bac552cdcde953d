"""The legend of a measurement's tables: what their marks, rows and columns mean."""

from collections.abc import Iterator, Sequence

from stccl_train.measures.definitions import Measure
from stccl_train.measures.measurement import Measurement

_SHIFT = (
    "over shift: by how much better than the same two clips with the generated one 0.4 s early or "
    "late."
)
_CONTROLS = (
    "over controls (*): by how much better than the better of the same two clips 0.4 s apart and "
    "of the mean of others; these numbers alone tell how well speech is kept: at 0 or below, "
    "somebody else's clip does as well."
)
_DOUBT = (
    "?: not above the controls beyond chance (the 95 % interval reaches 0, there is none, or no "
    "other person): no evidence that speech is kept."
)
_ROWS = {
    "copy": "the source itself",
    "real": "a clip of the actor in the wanted emotion",
    "shifted": "the generated clips 0.4 s early and late",
    "other": "other people, who say something else",
    "other aligned": "the same people, aligned with the source as real is",
}
_MARKS = {
    "c": "no method beats a copy of the input",
    "o": "other comes out above a method",
}
_ONE = (
    "→1: rows are ranked by the mean distance of their clips from 1, which a mean of ratios hides."
)


def legend(
    measurement: Measurement, shown: Sequence[Measure], *, marks: bool = True
) -> Iterator[str]:
    """Yield what explains the tables, each text only if what it explains is in them.

    Args:
        measurement: what the tables show.
        shown: its measures that are in the tables.
        marks: whether the tables have the marks ``c`` and ``o``.
    """
    if not shown:
        return
    if any(measure.is_derived and not measure.is_headline for measure in shown):
        yield _SHIFT
    if any(measure.is_headline for measure in shown):
        yield _CONTROLS
    labels = measurement.labels
    if any(
        measurement.is_doubtful(label, measure, emotion)
        for measure in shown
        for label in labels
        for emotion in measurement.columns
    ):
        yield _DOUBT
    yield from _explained({row: text for row, text in _ROWS.items() if row in labels})
    if marks:
        there = {mark for measure in shown for mark in measurement.marks(measure)}
        yield from _explained({mark: text for mark, text in _MARKS.items() if mark in there})
    if any(measure.better == "one" for measure in shown):
        yield _ONE


def _explained(texts: dict[str, str]) -> Iterator[str]:
    """Yield one text of several explanations, if there are any."""
    if texts:
        yield "; ".join(f"{name}: {text}" for name, text in texts.items()) + "."
