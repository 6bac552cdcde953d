"""What has to be said under the tables of a measurement."""

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from stccl_data.words import counted
from stccl_train.measures.definitions import Measure
from stccl_train.measures.files import JSON
from stccl_train.measures.legend import legend
from stccl_train.measures.measurement import ALL, Measurement
from stccl_train.measures.request import claims_speech

#: Notes of a kind that are printed clip by clip.
_MAX_NOTES = 5


def foot(
    measurement: Measurement, shown: Sequence[Measure], width: int, *, latex: bool = False
) -> Iterator[str]:
    """Yield the lines under the tables: their legend, and what is absent, failed, or unusual.

    Args:
        measurement: what the tables show.
        shown: its measures that are in the tables.
        width: characters of a line. Paths and the lines of single clips may be longer.
        latex: whether it is the table for LaTeX, which has neither marks nor differences.
    """
    texts = [*legend(measurement, shown, marks=not latex)]
    texts += [f"warning: {text}" for text in measurement.warnings]
    texts += [f"absent: {name}: {reason}" for name, reason in measurement.absent.items()]
    for group in measurement.groups:
        if not any(measurement.has_values(measure) for measure in group.measures):
            texts.append(f"absent: {group.name}: no pair of clips has a value")
    intervals = _judges_by_intervals(measurement, shown)
    intervals = intervals or (not latex and _has_differences(measurement, shown))
    texts += _general(measurement, intervals)
    for text in texts:
        yield from wrap(
            text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    yield from _single(measurement)


def remarks(measurement: Measurement, *, intervals: bool) -> list[str]:
    """Return what has to be said of the clips: assumptions, missing and failed ones, notes.

    Args:
        measurement: of the clips.
        intervals: whether 95 % intervals are shown.
    """
    return [*_general(measurement, intervals), *_single(measurement)]


def _general(measurement: Measurement, intervals: bool) -> Iterator[str]:
    """Yield what has to be said of the clips as a whole."""
    if intervals:
        yield _independent(measurement)
    yield from _assumptions(measurement)
    sources = {result.comparison.row.source for result in measurement.results}
    for method in measurement.methods:
        rows = [r for r in measurement.results if r.comparison.label == method]
        done = {r.comparison.row.source for r in rows if not r.error}
        if len(done) < len(sources):
            yield f"{method}: {len(done)} of {len(sources)} source clips"


def _single(measurement: Measurement) -> Iterator[str]:
    """Yield what has to be said of single clips: what failed, and notes."""
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


def _judges_by_intervals(measurement: Measurement, shown: Sequence[Measure]) -> bool:
    """Return whether intervals decide if headline numbers are evidence."""
    return any(
        measurement.interval(label, measure, emotion) is not None
        for measure in shown
        if measure.is_headline
        for label in measurement.labels
        if claims_speech(label)
        for emotion in measurement.columns
    )


def _has_differences(measurement: Measurement, shown: Sequence[Measure]) -> bool:
    """Return whether a difference between methods has an interval."""
    differences = (
        measurement.difference(method, measurement.methods[0], measure)
        for method in measurement.methods[1:]
        for measure in shown
    )
    return any(each is not None and each.low is not None for each in differences)


def _independent(measurement: Measurement) -> str:
    """Return what the intervals rest on."""
    units = {
        "speakers": counted(len(set(measurement.speaker_of.values())), "speaker"),
        "source clips": f"{len(measurement.speaker_of)} source clips of one speaker",
        "clips": "the clips made of one source",
    }
    return f"95 % intervals are Student's t over {units[measurement.unit]}"


def _assumptions(measurement: Measurement) -> Iterator[str]:
    """Yield what is taken for granted of the other people, as the rows do not tell."""
    if not any(result.values for result in measurement.rows("other", ALL)):
        missing = "no source of another speaker who says something else: there is no row other"
        headlines = any(measure.is_headline for measure in measurement.measures)
        yield missing + (", and over controls is over the shift alone" if headlines else "")
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
