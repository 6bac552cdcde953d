"""The control rows of every table: comparisons whose outcome is known beforehand.

- `copy`: the source beside itself. A measure that it wins cannot tell a perfect edit from none.
- `real`: a real clip of the same actor and sentence in the wanted emotion, where there is one.
- `shifted`: the generated clips of all methods, 0.4 s late: the right face, not the right speech.
- `other`: another person's source, who says something else.

`shifted` is measured with every pair, for it gives the margins; this module lists the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stccl_train.measures.request import Row


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two clips to compare: a row as given, or a control."""

    row: Row
    #: None for a method's row, else `copy`, `real` or `other`
    control: str | None = None

    @property
    def label(self) -> str:
        """What the table calls its row."""
        return self.control or self.row.method


def comparisons(rows: Sequence[Row]) -> dict[str, list[Comparison]]:
    """Return all comparisons by source clip: those of the rows, then the controls."""
    by_source: dict[str, list[Comparison]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(Comparison(row))
    sources = {each.source: each for each in rows}  # a row of each source, for its labels
    for source, group in by_source.items():
        made_as = [each.row for each in group]
        for emotion in dict.fromkeys(row.emotion for row in made_as):
            row = next(row for row in made_as if row.emotion == emotion)
            group.append(Comparison(_replaced(row, source), "copy"))
            if other := _other_person(source, sources):
                group.append(Comparison(_replaced(row, other), "other"))
        for wanted in dict.fromkeys((row.reference, row.emotion) for row in made_as):
            if wanted[0]:
                row = next(row for row in made_as if (row.reference, row.emotion) == wanted)
                group.append(Comparison(_replaced(row, wanted[0]), "real"))
    return by_source


def actor_clips(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the sources of each speaker that has a name."""
    clips: dict[str, list[str]] = {}
    for row in rows:
        if row.speaker and row.source not in clips.setdefault(row.speaker, []):
            clips[row.speaker].append(row.source)
    return clips


def _replaced(row: Row, generated: str) -> Row:
    return Row(row.source, generated, "", row.speaker, row.emotion, row.reference, audio=row.audio)


def _other_person(source: str, sources: dict[str, Row]) -> str | None:
    """Return the next source of another speaker, if speakers are known; else the next source."""
    order = list(sources)
    start = order.index(source) + 1
    others = order[start:] + order[: start - 1]
    speaker = sources[source].speaker
    strangers = [path for path in others if not speaker or sources[path].speaker != speaker]
    return next(iter(strangers), None)
