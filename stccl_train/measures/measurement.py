"""The Measurement record: every value of every pair, and the means and differences they give."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from stccl_data.errors import UsageError, suggest
from stccl_train.eval.intervals import Interval, mean_interval
from stccl_train.measures.controls import Comparison
from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.request import CONTROLS, claims_speech
from stccl_train.measures.statistics import PairedDifference, paired_difference

#: The column of all emotions together.
ALL = "all"


@dataclass(frozen=True, slots=True)
class PairResult:
    """What was measured of two clips."""

    comparison: Comparison
    #: by measure, margins and gains included; a measure without a value is missing
    values: Values = field(default_factory=dict)
    #: the mean of the same with the generated clip 0.4 s early and late
    shifted: Values = field(default_factory=dict)
    #: frames that were compared
    frames: int = 0
    #: what a reader of the values should know, such as clips of different length
    notes: tuple[str, ...] = ()
    #: why there are no values; empty if there are
    error: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Measures of one kind."""

    name: str
    #: margins and gains included
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a measure over clips."""

    mean: float
    #: clips that have a value
    n: int


@dataclass(frozen=True)
class Measurement:
    """The result of `measure`."""

    groups: tuple[Group, ...]
    results: tuple[PairResult, ...]
    #: groups that were not computed, and why
    absent: dict[str, str]
    #: warnings about the measurement as a whole
    warnings: tuple[str, ...] = ()
    #: (measure, row, emotion) -> value of measures that all clips together have
    pooled: Mapping[tuple[str, str, str], Mean] = field(default_factory=dict)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures, in the order of the tables."""
        return tuple(measure for group in self.groups for measure in group.measures)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods, in the order of the rows."""
        return tuple(
            dict.fromkeys(r.comparison.label for r in self.results if not r.comparison.control)
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Methods, then the controls that have values."""
        controls = [c for c in CONTROLS if any(r.values for r in self.rows(c, ALL))]
        return (*self.methods, *controls)

    @cached_property
    def speaker_of(self) -> dict[str, str]:
        """The speaker of each source; without a name each source is a person of its own."""
        rows = [result.comparison.row for result in self.results]
        named = {row.source: row.speaker for row in rows if row.speaker}
        return {row.source: named.get(row.source, row.source) for row in rows}

    @cached_property
    def unit(self) -> Literal["speakers", "source clips", "clips"]:
        """What an interval takes as independent: the largest units that there are several of."""
        if len(set(self.speaker_of.values())) > 1:
            return "speakers"
        return "source clips" if len(self.speaker_of) > 1 else "clips"

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that rows name, sorted; empty if none does."""
        return tuple(sorted({r.comparison.row.emotion for r in self.results} - {""}))

    @property
    def columns(self) -> tuple[str, ...]:
        """The emotions, if there are several, then `ALL`: the columns of a table by emotion."""
        return (*(self.emotions if len(self.emotions) > 1 else ()), ALL)

    def only(self, names: Sequence[str]) -> "Measurement":
        """Return the same with some measures alone; absent groups, which have none, are left out.

        Args:
            names: of measures, in any order; none: all.

        Raises:
            UsageError: there is no such measure.
        """
        if not names:
            return self
        known = [measure.name for measure in self.measures]
        for name in names:
            if name not in known:
                absent = "".join(f"\nabsent: {group}: {why}" for group, why in self.absent.items())
                raise UsageError(
                    f"no measure {name!r} here{suggest(name, known)}\n"
                    f"measures: {', '.join(known)}{absent}"
                )
        chosen = (
            Group(group.name, tuple(m for m in group.measures if m.name in names))
            for group in self.groups
        )
        groups = tuple(group for group in chosen if group.measures)
        return replace(self, groups=groups, absent={})

    def rows(self, label: str, emotion: str) -> list[PairResult]:
        """Return the results behind a row of the table; those of the methods for ``shifted``."""
        return [
            result
            for result in self.results
            if emotion in (ALL, result.comparison.row.emotion)
            and (
                result.comparison.control is None
                if label == "shifted"
                else result.comparison.label == label
            )
        ]

    def mean(self, label: str, measure: Measure, emotion: str = ALL) -> Mean:
        """Return the mean of a measure over the clips of a method or control.

        Args:
            label: of `labels`.
            measure: of `measures`.
            emotion: of `emotions`, or `ALL`.
        """
        if (measure.name, label, emotion) in self.pooled:
            return self.pooled[measure.name, label, emotion]
        values = list(self._values(label, measure, emotion).values())
        return Mean(float(np.mean(values)) if values else float("nan"), len(values))

    def has_values(self, measure: Measure) -> bool:
        """Return whether any method has a value of a measure."""
        return any(self.mean(method, measure).n for method in self.methods)

    def score(self, label: str, measure: Measure, emotion: str = ALL) -> float:
        """Return how good a row is, higher is better; NaN if it has no value.

        It is the mean over clips of each clip's score, because ratios of 0.7 and 1.3 are not as
        good as two of 1, which their mean would be.
        """
        if (measure.name, label, emotion) in self.pooled:
            return measure.score(self.pooled[measure.name, label, emotion].mean)
        values = self._values(label, measure, emotion).values()
        scores = [measure.score(value) for value in values]
        return float(np.mean(scores)) if scores else float("nan")

    def best(self, measure: Measure, emotion: str = ALL) -> tuple[str, ...]:
        """Return the best method of a column, several if they are equally good.

        None is best if there is one method only, or if they have values of different clips.
        """
        n = {method: self.mean(method, measure, emotion).n for method in self.methods}
        scores = {m: self.score(m, measure, emotion) for m, count in n.items() if count}
        counts = {count for count in n.values() if count}
        if measure.better is None or len(scores) < 2 or len(counts) > 1:
            return ()
        return tuple(method for method, score in scores.items() if score >= max(scores.values()))

    def difference(
        self, method: str, baseline: str, measure: Measure, emotion: str = ALL
    ) -> PairedDifference | None:
        """Return by how much a method is better than a baseline, on the clips that both have.

        Returns:
            None without such clips, or if the measure has no direction.
        """
        if measure.better is None:
            return None
        ours = self._values(method, measure, emotion)
        theirs = self._values(baseline, measure, emotion)
        both = [clip for clip in ours if clip in theirs]
        gains = [measure.gain(ours[clip], theirs[clip]) for clip in both]
        return paired_difference(gains, self._units(both))

    def interval(self, label: str, measure: Measure, emotion: str = ALL) -> Interval | None:
        """Return the 95 % interval of `mean`; None of fewer than two independent units."""
        values = self._values(label, measure, emotion)
        if not values:
            return None
        interval = mean_interval(list(values.values()), self._units(values))
        return interval if interval.units > 1 else None

    def is_evidence(self, label: str, measure: Measure, emotion: str = ALL) -> bool:
        """Return whether a headline number is above the controls beyond chance.

        Its interval has to be above 0, and other people among the controls.
        """
        interval = self.interval(label, measure, emotion)
        compared = any(result.values for result in self.rows("other", emotion))
        return compared and interval is not None and interval.above_zero

    def is_doubtful(self, label: str, measure: Measure, emotion: str = ALL) -> bool:
        """Return whether tables mark a number as no evidence, see `is_evidence`.

        Only headline numbers of methods and of real clips are marked.
        """
        return (
            measure.is_headline
            and claims_speech(label)
            and self.mean(label, measure, emotion).n > 0
            and not self.is_evidence(label, measure, emotion)
        )

    def marks(self, measure: Measure) -> str:
        """Return the marks of a measure: what its controls say against it.

        ``c``: no method is better than a copy of the input. ``o``: another person who says
        something else is better than a method.
        """
        if measure.better is None:
            return ""
        scores = {label: self.score(label, measure) for label in self.labels}
        methods = [scores[m] for m in self.methods if np.isfinite(scores[m])]
        marks = ""
        if methods and all(scores.get("copy", np.nan) >= score for score in methods):
            marks += "c"
        if any(scores.get("other", np.nan) > score for score in methods):
            marks += "o"
        return marks

    def _values(self, label: str, measure: Measure, emotion: str) -> "dict[_Clip, float]":
        """Return the finite values of a measure behind a row of the table."""
        values = {}
        for result in self.rows(label, emotion):
            row, known = result.comparison.row, result.values
            which = ""
            if label in ("other", "other aligned"):  # several for each source
                which = row.generated
            if label == "shifted":  # a row for each method's clip
                which, known = row.method, result.shifted
            if np.isfinite(known.get(measure.name, np.nan)):
                values[_Clip(row.source, row.emotion, row.reference, which)] = known[measure.name]
        return values

    def _units(self, clips: "Iterable[_Clip]") -> list[Hashable]:
        """Return the independent unit of each clip, see `unit`."""
        if self.unit == "clips":
            return list(clips)
        if self.unit == "source clips":
            return [clip.source for clip in clips]
        return [self.speaker_of[clip.source] for clip in clips]


class _Clip(NamedTuple):
    """What identifies a value in a row of the table."""

    source: str
    emotion: str
    reference: str
    #: what tells several comparisons with one source apart; empty if there is one
    which: str = ""


def as_group(name: str, measures: Sequence[Measure]) -> Group:
    """Return a group with the margins and gains of its measures."""
    return Group(name, tuple(each for measure in measures for each in measure.derived))
