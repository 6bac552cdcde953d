"""The control rows of every table: comparisons whose outcome is known beforehand.

- `copy`: the source beside itself. A measure that it wins cannot tell a perfect edit from none.
- `real`: a real clip of the same actor and sentence in the wanted emotion, where there is one.
- `shifted`: the generated clips of all methods, 0.4 s early and late: the right face, not the
  right speech.
- `other`: sources of other people, who say something else.
- `other aligned`: the same clips, aligned with the source as `real` is: an alignment by the mouth
  makes any two mouths open together (on silent MEAD it lifts the correlation of the openings of
  unrelated sentences from 0.0 to 0.5). It is listed where there is a reference.

`shifted` is measured with every pair, for it gives the margins; this module lists the others.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stccl_train.measures.request import Row

#: Most other people whom a source is compared with. What one of them gives is chance (openings of
#: unrelated sentences correlate by 0.2 either way), and the mean of five has under half of that.
MOST_OTHERS = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two clips to compare: a row as given, or a control."""

    row: Row
    #: None for a method's row, else one of `CONTROLS`
    control: str | None = None

    @property
    def label(self) -> str:
        """What the table calls its row."""
        return self.control or self.row.method

    @property
    def is_aligned(self) -> bool:
        """Whether frames are matched by sound or mouth instead of by time."""
        return self.control in ("real", "other aligned")


def comparisons(rows: Sequence[Row]) -> dict[str, list[Comparison]]:
    """Return all comparisons by source clip: those of the rows, then the controls."""
    by_source: dict[str, list[Comparison]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(Comparison(row))
    by_source_rows = {source: [c.row for c in group] for source, group in by_source.items()}
    for source, group in by_source.items():
        made_as = [each.row for each in group]
        for emotion in dict.fromkeys(row.emotion for row in made_as):
            row = next(row for row in made_as if row.emotion == emotion)
            group.append(Comparison(_replaced(row, source), "copy"))
            others = [_replaced(row, each) for each in _other_people(row, by_source_rows)]
            has_real = any(each.reference for each in made_as if each.emotion == emotion)
            kinds = ("other", "other aligned") if has_real else ("other",)
            group += [Comparison(other, kind) for other in others for kind in kinds]
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
    return replace(row, generated=generated, method="")


def _other_people(row: Row, rows_of: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return sources of other speakers who say something else, as far as the rows tell.

    Those with a row of the same emotion come first; among equals the order is drawn by the paths,
    so it does not depend on the order of the rows.

    Args:
        row: of the source that they are compared with.
        rows_of: the rows of each source.
    """

    def rank(path: str) -> tuple[bool, bytes]:
        emotions = {each.emotion for each in rows_of[path]}
        draw = hashlib.sha256(f"{row.source}\n{path}".encode()).digest()
        return row.emotion not in emotions, draw

    def is_stranger(other: Row) -> bool:
        same_speaker = row.speaker and row.speaker == other.speaker
        same_sentence = row.sentence and _words(row.sentence) == _words(other.sentence)
        return not (other.source == row.source or same_speaker or same_sentence)

    strangers = [path for path, rows in rows_of.items() if is_stranger(rows[0])]
    return sorted(strangers, key=rank)[:MOST_OTHERS]


def _words(text: str) -> list[str]:
    """Return the words of a text, or the parts of a name, without case and punctuation."""
    return re.findall(r"\w+", text.casefold()) or [text]
