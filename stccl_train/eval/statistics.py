"""The figures of an evaluation: means over tokens, and their 95 % intervals.

Pairs of one sentence share a neutral clip, and sentences of one speaker share a face, so pairs are
not independent. An interval is Student's t over the largest units that there are several of:
speakers, or the sentences of a single speaker (docs/method.md gives its coverage).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.layout import sentence_of
from stccl_train.eval.intervals import Interval, half_width
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

#: With fewer speakers than this a figure is said to hold for these speakers only.
MANY_SPEAKERS = 8


class PairKey(NamedTuple):
    """A pair of clips."""

    #: Clip ids.
    source: str
    target: str
    #: corpus/speaker.
    speaker: str
    #: Of the target.
    emotion: str
    #: Key of the utterance, whichever of its parts the pair is stored in.
    utterance: str


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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that was counted, and the figures that follow from it."""

    #: Evaluated speakers that the metric was trained on.
    seen: tuple[str, ...]
    #: Evaluated sentences (corpus/sentence) that it was trained on, said by anybody.
    seen_sentences: tuple[str, ...]
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
    #: (draws, kinds, layers, 2, 2) float64, of each untrained metric at the mouth in the headline's
    #: view: aligned and shifted (as the verdict is about), the number of tokens and the sum of
    #: their R@1.
    untrained_draws: NDArray[np.float64]
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
    def sentences(self) -> tuple[str, ...]:
        """The evaluated sentences (corpus/sentence), sorted."""
        return tuple(sorted({sentence_of(pair.utterance) for pair in self.pairs}))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The target emotions, sorted."""
        return tuple(sorted({pair.emotion for pair in self.pairs}))

    @property
    def terms(self) -> tuple[Term, ...]:
        """The metric's terms, in its order."""
        return tuple(dict.fromkeys(kind.term for kind in self.kinds))

    @property
    def unit(self) -> Literal["speakers", "sentences"]:
        """What an interval takes as independent: speakers, or the sentences of a single one."""
        return "speakers" if len(self.speakers) > 1 else "sentences"

    def mean(self, measure: str, selection: Selection) -> float:
        """Return the mean of a measure; NaN if nothing was counted."""
        total, weight = self._weighted(measure, selection).sum(0)
        return float(total / weight) if weight > 0 else float("nan")

    def interval(self, measure: str, selection: Selection) -> Interval | None:
        """Return the mean of a measure with its interval; None if nothing was counted."""
        return self.contrast(measure, {selection: 1})

    def contrast(self, measure: str, coefficients: Mapping[Selection, float]) -> Interval | None:
        """Return a weighted sum of means, such as a difference, with its interval.

        Only pairs counted in every selection take part. The variance is that of the linearised
        ratio estimator over units (Cochran, Sampling Techniques, section 6), its quantile that of
        Student's t with one degree of freedom less than there are units.

        Args:
            measure: one of `MEASURES`.
            coefficients: the weight of each selection's mean.

        Returns:
            None if nothing was counted.
        """
        weighted = [self._weighted(measure, selection) for selection in coefficients]
        counted = np.all([pairs[:, 1] > 0 for pairs in weighted], axis=0)
        if not counted.any():
            return None
        groups = self._groups(counted)
        mean = 0.0
        influence = np.zeros(len(groups))
        for coefficient, pairs in zip(coefficients.values(), weighted, strict=True):
            sums = np.stack([pairs[counted][group].sum(0) for group in groups])
            total, weight = sums.sum(0)
            mean += coefficient * total / weight
            influence += coefficient * (sums[:, 0] - total / weight * sums[:, 1]) / weight
        spread = half_width(influence)
        return Interval(float(mean), float(mean - spread), float(mean + spread), len(groups))

    def gap(self, selection: Selection, condition: str) -> Interval | None:
        """Return by how much R@1 of a selection exceeds its R@1 under another condition.

        Returns:
            None if the condition was not evaluated, or nothing was counted.
        """
        if condition not in self.conditions:
            return None
        return self.contrast("recall", gap_coefficients(selection, condition))

    def untrained_gaps(self, kind: TokenKind) -> tuple[float, ...]:
        """Return the verdict's gap of each untrained metric, NaN if nothing was counted."""
        counts, recalls = np.moveaxis(self.untrained_draws[:, self.kinds.index(kind)], -1, 0)
        with np.errstate(invalid="ignore"):
            means = np.nanmean(recalls / counts, axis=1)  # (draws, 2)
        return tuple((means[:, 0] - means[:, 1]).tolist())

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
        """Return the counted rows (numbered among themselves) of each independent unit."""
        pairs = [pair for pair, keep in zip(self.pairs, counted, strict=True) if keep]
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for row, pair in enumerate(pairs):
            rows[pair.speaker if self.unit == "speakers" else pair.utterance].append(row)
        return list(rows.values())


def gap_coefficients(selection: Selection, condition: str) -> dict[Selection, float]:
    """Return the coefficients of a selection's mean minus that under another condition."""
    return {selection: 1, replace(selection, condition=condition): -1}
