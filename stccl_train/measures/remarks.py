"""What has to be said under the tables of a measurement."""

from collections import Counter
from collections.abc import Iterator

from stccl_data.words import counted
from stccl_train.measures.files import JSON
from stccl_train.measures.measurement import ALL, Measurement

#: Notes of a kind that are printed clip by clip.
_MAX_NOTES = 5


def foot(measurement: Measurement) -> Iterator[str]:
    """Yield what has to be said under the tables: what is absent, failed, or unusual."""
    yield from (f"warning: {text}" for text in measurement.warnings)
    for name, reason in measurement.absent.items():
        yield f"absent: {name}: {reason}"
    for group in measurement.groups:
        if not any(measurement.has_values(measure) for measure in group.measures):
            yield f"absent: {group.name}: no pair of clips has a value"
    yield from remarks(measurement)


def remarks(measurement: Measurement) -> Iterator[str]:
    """Yield what has to be said of the clips: assumptions, missing and failed ones, notes."""
    yield _independent(measurement)
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
