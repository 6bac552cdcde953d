"""Read the intervals that somebody marked in a recording: what is said from when to when.

Praat TextGrid, ELAN, SubRip and WebVTT subtitles, Audacity labels, and Kaldi's `segments` with its
`text` beside it. Their times are taken as they are.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_data.corpora.csv_text import decode
from stccl_data.errors import UsageError

#: Seconds that two marks may share: people mark generously.
OVERLAP_S = 0.25


class AnnotationError(UsageError):
    """A file of annotations cannot be used."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A marked interval. Times are seconds since the start of the recording."""

    start: float
    end: float
    text: str
    #: the tier of somebody else who speaks meanwhile
    meanwhile: str | None = None


def read_annotations(path: Path, recording: Path, tier: str | None = None) -> list[Interval]:
    """Read the intervals with a text, in the order of time.

    Args:
        path: the annotations.
        recording: the file that they are about; Kaldi's `segments` name it by its stem.
        tier: the tier of a TextGrid or an .eaf; needed if there are several.

    Raises:
        AnnotationError: the file cannot be read, its format is unknown, or the tier is unclear.
    """
    readers: dict[str, Callable[[Path, str | None], list[Interval]]] = {
        ".textgrid": _read_textgrid,
        ".eaf": _read_elan,
        ".srt": _read_subtitles,
        ".vtt": _read_subtitles,
        ".txt": lambda path, _: _read_audacity(path),
    }
    reader = readers.get(path.suffix.lower())
    if path.name == "segments":
        reader = lambda path, _: _read_kaldi(path, recording.stem)  # noqa: E731
    if reader is None:
        raise AnnotationError(
            f"{path} has an unknown format; use .TextGrid, .eaf, .srt, .vtt, Audacity's labels "
            "(.txt), or Kaldi's segments"
        )
    if not path.is_file():
        raise AnnotationError(f"{path} does not exist")
    try:
        intervals = reader(path, tier)
    except AnnotationError:
        raise
    except ImportError as error:
        raise AnnotationError(
            f"{error.name} is not installed; install the extra: pip install 'stccl[segment]'"
        ) from error
    except Exception as error:  # the readers of other formats have no error of their own
        raise AnnotationError(f"{path} cannot be read: {error or type(error).__name__}") from error
    for interval in intervals:
        if not 0 <= interval.start < interval.end < float("inf"):
            raise AnnotationError(
                f"{path}: {interval.text[:40]!r} from {interval.start:g} to {interval.end:g} s"
            )
    marked = [interval for interval in intervals if interval.text.strip()]
    if not marked:
        raise AnnotationError(f"{path} marks nothing with a text")
    return sorted(marked, key=lambda interval: (interval.start, interval.end))


def _choose_tier(path: Path, names: Sequence[str], tier: str | None) -> str:
    if tier is not None and tier in names:
        return tier
    if tier is None and len(names) == 1:
        return names[0]
    listed = ", ".join(names) or "none"
    what = "has several tiers" if tier is None else f"has no tier {tier!r}"
    raise AnnotationError(f"{path} {what}; choose one with --tier: {listed}")


def _read_textgrid(path: Path, tier: str | None) -> list[Interval]:
    from praatio import textgrid
    from praatio.data_classes.interval_tier import IntervalTier

    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="silence")
    tiers = [name for name in grid.tierNames if isinstance(grid.getTier(name), IntervalTier)]
    entries = grid.getTier(_choose_tier(path, tiers, tier)).entries
    return [Interval(float(e.start), float(e.end), e.label) for e in entries]


def _read_elan(path: Path, tier: str | None) -> list[Interval]:
    from pympi import Eaf

    document = Eaf(str(path))
    tiers = [name for name in document.get_tier_names() if document.tiers[name][0]]
    chosen = _choose_tier(path, tiers, tier)
    kind = document.tiers[chosen][2].get("LINGUISTIC_TYPE_REF")
    others = [  # a tier of its own, not one that describes another, of the same kind
        (name, start / 1000, end / 1000)
        for name in tiers
        if name != chosen
        and "PARENT_REF" not in document.tiers[name][2]
        and document.tiers[name][2].get("LINGUISTIC_TYPE_REF") == kind
        for start, end, *_ in document.get_annotation_data_for_tier(name)
    ]
    intervals = []
    for start_ms, end_ms, text, *_ in document.get_annotation_data_for_tier(chosen):
        start, end = start_ms / 1000, end_ms / 1000
        shared = ((min(end, e) - max(start, s), name) for name, s, e in others)
        meanwhile = next((name for seconds, name in shared if seconds > OVERLAP_S), None)
        intervals.append(Interval(start, end, text, meanwhile))
    return intervals


def _read_subtitles(path: Path, tier: str | None) -> list[Interval]:
    import pysubs2

    subtitles = pysubs2.load(str(path), encoding="utf-8-sig")
    return [
        Interval(event.start / 1000, event.end / 1000, event.plaintext.replace("\n", " "))
        for event in subtitles
        if not event.is_comment
    ]


def _read_audacity(path: Path) -> list[Interval]:
    intervals = []
    for number, line in enumerate(decode(path.read_bytes()).splitlines(), 1):
        cells = line.split("\t")
        if not line.strip() or cells[0] == "\\":  # frequencies of the label before
            continue
        if len(cells) < 2 or not all(re.fullmatch(r"\d+([.,]\d+)?", cell) for cell in cells[:2]):
            raise AnnotationError(f"{path}, line {number}: not START, END and TEXT of Audacity")
        start, end = (float(cell.replace(",", ".")) for cell in cells[:2])
        if end > start:  # else a point
            intervals.append(Interval(start, end, " ".join(cells[2:])))
    return intervals


def _read_kaldi(path: Path, recording: str) -> list[Interval]:
    texts: dict[str, str] = {}
    for line in decode((path.parent / "text").read_bytes()).splitlines():
        utterance, _, text = line.strip().partition(" ")
        texts[utterance] = text
    intervals = []
    for number, line in enumerate(decode(path.read_bytes()).splitlines(), 1):
        cells = line.split()
        if cells and len(cells) != 4:
            raise AnnotationError(f"{path}, line {number}: not UTTERANCE RECORDING START END")
        if cells and cells[1] == recording:
            intervals.append(Interval(float(cells[2]), float(cells[3]), texts.get(cells[0], "")))
    return intervals
