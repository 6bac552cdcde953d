"""The figures of an evaluation: means over tokens, and their bootstrap intervals."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stccl_train.model.regions import REGIONS
from stccl_train.model.token_kinds import Form, Term, TokenKind

#: What is evaluated: the metric (`after` training), its backbone's tokens without heads (`before`),
#: and the same two of an untrained metric.
STAGES = ("after", "before", "untrained", "untrained_before")

#: What a token chooses from: other places at its time, or its own place at other times as well.
VIEWS = ("place", "place+time")

ALL_REGIONS = ("all", *REGIONS, "rest")

#: ``recall`` is R@1, ``chance`` is 1 / candidates.
MEASURES = ("matched", "mismatched", "recall", "reciprocal_rank", "auc", "chance")

#: The view of the headline figures, which is the paper's.
HEADLINE: dict[Term, str] = {"scc": "place", "tcc": "place+time"}

#: With fewer speakers than this the bootstrap resamples pairs: so few do not show their spread.
_MANY_SPEAKERS = 8

_RESAMPLES = 1000


class PairKey(NamedTuple):
    """A pair of clips."""

    #: Clip ids.
    source: str
    target: str
    #: corpus/speaker.
    speaker: str
    #: Of the target.
    emotion: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tokens a figure is about."""

    term: Term
    #: One form of the term; None: the mean over its forms.
    form: Form | None = None
    stage: str = "after"
    condition: str = "aligned"
    region: str = "all"
    #: One of `VIEWS`; None: the headline's.
    view: str | None = None
    #: 1 to 4; None: the mean over layers.
    layer: int | None = None
    #: Target emotion; None: all.
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % bootstrap interval. The interval of a single pair has no width."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return ``0.123 [0.100, 0.150]``, without the interval if it has no width."""
        interval = f" [{self.low:.3f}, {self.high:.3f}]" if self.low < self.high else ""
        return f"{self.mean:.3f}{interval}"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that was counted, and the figures that follow from it."""

    #: Evaluated speakers that the metric was trained on.
    seen: tuple[str, ...]
    kinds: tuple[TokenKind, ...]
    #: ``aligned``, ``shifted_5``, ..., ``other_sentence``, ``noise``, ``noise_elsewhere``.
    conditions: tuple[str, ...]
    #: Number of layers.
    layers: int
    #: The pair of each row of ``sums``.
    pairs: tuple[PairKey, ...]
    #: Number of aligned windows.
    windows: int
    #: (pairs, stages, conditions, views, kinds, layers, regions, 1 + measures) float64: number of
    #: tokens, then the sum of each measure over them.
    sums: NDArray[np.float64]
    #: Counts in ``bins`` of the cosines of mouth tokens after training, by kind name and by what
    #: they were compared with.
    histograms: Mapping[str, Mapping[str, NDArray[np.int64]]]
    #: Edges of the histograms.
    bins: NDArray[np.float64]

    @property
    def speakers(self) -> tuple[str, ...]:
        """The evaluated speakers, sorted."""
        return tuple(sorted({pair.speaker for pair in self.pairs}))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The target emotions, sorted."""
        return tuple(sorted({pair.emotion for pair in self.pairs}))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The metric's terms, in its order."""
        return tuple(dict.fromkeys(kind.term for kind in self.kinds))

    @property
    def unit(self) -> str:
        """What the bootstrap resamples: ``speakers``, or ``pairs`` if speakers are few."""
        return "speakers" if len(self.speakers) >= _MANY_SPEAKERS else "pairs"

    def mean(self, measure: str, selection: Selection) -> float:
        """Return the mean of a measure; NaN if nothing was counted."""
        total, weight = self._weighted(measure, selection).sum(0)
        return float(total / weight) if weight > 0 else float("nan")

    def interval(
        self, measure: str, selection: Selection, minus: Selection | None = None
    ) -> Interval | None:
        """Return the mean of a measure with its interval, or of a difference of two selections.

        Args:
            measure: one of `MEASURES`.
            selection: which tokens.
            minus: subtract the mean over these, in each resample of the same pairs.

        Returns:
            None if nothing was counted.
        """
        rows = [self._weighted(measure, selection)]
        if minus is not None:
            rows.append(self._weighted(measure, minus))
        counted = np.all([row[:, 1] > 0 for row in rows], axis=0)
        if not counted.any():
            return None
        groups = self._groups(counted)
        grouped = [np.stack([row[counted][group].sum(0) for group in groups]) for row in rows]
        resamples = _resamples(len(groups))
        mean = _difference([sums.sum(0) for sums in grouped])
        spread = _difference([sums[resamples].sum(1) for sums in grouped])
        low, high = np.quantile(spread, [0.025, 0.975])
        return Interval(float(mean), float(low), float(high))

    def gap(self, selection: Selection, condition: str) -> Interval | None:
        """Return by how much R@1 of a selection exceeds its R@1 under another condition.

        Returns:
            None if the condition was not evaluated, or nothing was counted.
        """
        if condition not in self.conditions:
            return None
        return self.interval("recall", selection, minus=replace(selection, condition=condition))

    def _weighted(self, measure: str, selection: Selection) -> NDArray[np.float64]:
        """Return a measure's weighted sum and weight for each pair, (pairs, 2), without NaN.

        Each cell, a kind in a layer, weighs alike, however many tokens it has.
        """
        kinds = [
            number
            for number, kind in enumerate(self.kinds)
            if kind.term == selection.term and selection.form in (None, kind.form)
        ]
        layers = range(self.layers) if selection.layer is None else [selection.layer - 1]
        sums = self.sums[
            :,
            STAGES.index(selection.stage),
            self.conditions.index(selection.condition),
            VIEWS.index(selection.view or HEADLINE[selection.term]),
        ]
        # (pairs, kinds, layers, 1 + measures)
        cells = sums[:, kinds][:, :, list(layers), ALL_REGIONS.index(selection.region)]
        counts, values = cells[..., 0], cells[..., 1 + MEASURES.index(measure)]
        if selection.emotion is not None:
            chosen = np.array([pair.emotion == selection.emotion for pair in self.pairs])
            counts, values = counts * chosen[:, None, None], values * chosen[:, None, None]
        # The mean over tokens of a cell, all pairs together, then the mean over cells.
        totals = counts.sum(0)
        counted = totals > 0
        scale = np.where(counted, 1 / np.maximum(totals, 1), 0) / max(1, counted.sum())
        return np.stack([(values * scale).sum((1, 2)), (counts * scale).sum((1, 2))], axis=1)

    def _groups(self, counted: NDArray[np.bool_]) -> list[list[int]]:
        """Return the counted rows (numbered among themselves) that are resampled together."""
        pairs = [pair for pair, keep in zip(self.pairs, counted, strict=True) if keep]
        if self.unit == "pairs":
            return [[row] for row in range(len(pairs))]
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, pair in enumerate(pairs):
            rows[pair.speaker].append(row)
        return list(rows.values())


def _difference(sums: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return weighted means, or their differences if there are two: (..., 2) each to (...)."""
    means = [weighted[..., 0] / weighted[..., 1] for weighted in sums]
    return means[0] if len(means) == 1 else means[0] - means[1]


@cache
def _resamples(groups: int) -> NDArray[np.int64]:
    """Return the groups in each resample, (_RESAMPLES, groups).

    The same for every figure, so that figures can be compared.
    """
    return np.random.default_rng(0).integers(groups, size=(_RESAMPLES, groups))
