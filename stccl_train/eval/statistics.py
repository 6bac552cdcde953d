"""What an evaluation counted, and what it proves: means with bootstrap intervals, and a verdict for each term."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_train.model.regions import REGIONS

STAGES = ("after", "before", "untrained", "untrained_before")
VIEWS = ("place", "place+time")
ALL_REGIONS = ("all", *REGIONS, "rest")
MEASURES = ("matched", "mismatched", "recall", "reciprocal_rank", "auc", "chance")

#: Which candidates the headline figures choose from: those of the paper. SCC, other places of the frame; TCC, other times as well.
HEADLINE = {"scc": "place", "tcc": "place+time"}

#: The shift that the verdict is about: 0.4 s at 25 frames a second, two to four sounds on.
VERDICT_SHIFT = 10

#: With fewer pairs than this there is no verdict: a bootstrap of a few has intervals that are too narrow, of one none.
_LEAST_PAIRS = 5

#: With fewer speakers than this, pairs are drawn again in the bootstrap, for so few speakers say nothing of their spread.
_MANY_SPEAKERS = 8
_RESAMPLES = 1000

#: Noise may be found so much more often than chance, as a share of chance, before a metric is told to know places from each other.
_QUIET = 0.1


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its bootstrap interval, 95 %. Of one pair alone it has no width, and is not shown."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + (
            f" [{self.low:.3f}, {self.high:.3f}]" if self.low < self.high else ""
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was counted, and questions to it.

    `seen`: speakers among those evaluated whom the metric was trained on. `kinds`: scc_vd, ... `conditions`: aligned, shifted_5,
    ..., other_sentence, noise. `pairs`: (source clip, target clip, speaker,
    target emotion) of each row. `sums`: (pairs, stages, conditions, views, kinds, layers, regions, 1 + measures) float64, sums over
    tokens, the first of the last axis their number. `histograms`: of cosines of mouth tokens after training, counts in `bins`.
    """

    seen: tuple[str, ...]
    kinds: tuple[str, ...]
    conditions: tuple[str, ...]
    layers: int
    pairs: tuple[tuple[str, str, str, str], ...]
    windows: int
    sums: NDArray[np.float64]
    histograms: Mapping[str, Mapping[str, NDArray[np.int64]]]
    bins: NDArray[np.float64]

    @property
    def speakers(self) -> tuple[str, ...]:
        """In order."""
        return tuple(sorted({speaker for _, _, speaker, _ in self.pairs}))

    @property
    def emotions(self) -> tuple[str, ...]:
        """Target emotions."""
        return tuple(sorted({emotion for *_, emotion in self.pairs}))

    @property
    def terms(self) -> tuple[str, ...]:
        """scc, tcc, or both."""
        return tuple(dict.fromkeys(kind.split("_")[0] for kind in self.kinds))

    def values(
        self,
        measure: str,
        term: str,
        *,
        condition: str = "aligned",
        stage: str = "after",
        region: str = "all",
        view: str | None = None,
        layer: int | None = None,
        emotion: str | None = None,
    ) -> NDArray[np.float64]:
        """(rows, 2): a measure's weighted sum and weight for each pair, NaN-free; layers and variants weigh alike.

        term: scc or tcc (mean over its variants), or a kind such as scc_vd. layer: 1 to 4; their mean where None.
        """
        picked = self.sums[
            :,
            STAGES.index(stage),
            self.conditions.index(condition),
            VIEWS.index(view or HEADLINE[term[:3]]),
        ]
        kinds = [i for i, kind in enumerate(self.kinds) if kind.startswith(term)]
        layers = range(self.layers) if layer is None else [layer - 1]
        cells = picked[:, kinds][
            :, :, list(layers), ALL_REGIONS.index(region)
        ]  # (pairs, kinds, layers, 1 + measures)
        counts, sums = cells[..., 0], cells[..., 1 + MEASURES.index(measure)]
        if emotion is not None:
            mine = np.array([target == emotion for *_, target in self.pairs])[:, None, None]
            counts, sums = counts * mine, sums * mine
        # A cell's mean over its tokens, all pairs together, then the mean over cells: sums are scaled so that each cell weighs 1.
        totals = counts.sum(0)
        seen = totals > 0
        scale = np.where(seen, 1 / np.maximum(totals, 1), 0) / max(1, seen.sum())
        return np.stack([(sums * scale).sum((1, 2)), (counts * scale).sum((1, 2))], axis=1)

    def interval(
        self, measure: str, term: str, *, less: Mapping[str, Any] | None = None, **chosen: Any
    ) -> Interval | None:
        """A measure's mean with its interval, or its difference to that of another choice: `less` changes some of `chosen`.

        Differences are of the same pairs in each resample. None where nothing was counted.
        """
        rows = [self.values(measure, term, **chosen)]
        if less is not None:
            rows.append(self.values(measure, term, **{**chosen, **less}))
        if any(row[:, 1].sum() == 0 for row in rows):
            return None
        kept = rows[0][:, 1] > 0 if less is None else (rows[0][:, 1] > 0) & (rows[1][:, 1] > 0)
        if not kept.any():
            return None
        rows = [row[kept] for row in rows]
        groups = self._groups(kept)
        grouped = [np.stack([row[members].sum(0) for members in groups]) for row in rows]
        draw = _resamples(len(groups))

        def mean(of: NDArray[np.float64]) -> Any:
            return of[..., 0] / of[..., 1]

        found = mean(grouped[0].sum(0)) - (mean(grouped[1].sum(0)) if less is not None else 0)
        again = mean(grouped[0][draw].sum(1)) - (
            mean(grouped[1][draw].sum(1)) if less is not None else 0
        )
        low, high = np.quantile(again, [0.025, 0.975])
        return Interval(float(found), float(low), float(high))

    @property
    def unit(self) -> str:
        """What is drawn again in the bootstrap."""
        return "speakers" if len(self.speakers) >= _MANY_SPEAKERS else "pairs"

    def _groups(self, kept: NDArray[np.bool_]) -> list[list[int]]:
        rows = [pair for pair, keep in zip(self.pairs, kept, strict=True) if keep]
        if self.unit == "pairs":
            return [[i] for i in range(len(rows))]
        members: defaultdict[str, list[int]] = defaultdict(list)
        for i, (_, _, speaker, _) in enumerate(rows):
            members[speaker].append(i)
        return list(members.values())

    def gap(self, term: str, against: str, **chosen: Any) -> Interval | None:
        """R@1 aligned less R@1 under another condition; at the mouth unless another region is chosen."""
        if against not in self.conditions:
            return None
        return self.interval(
            "recall", term, less={"condition": against}, **{"region": "mouth", **chosen}
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one term is worth: R@1 at the mouth, aligned less shifted by 10 frames and less another sentence.

    `untrained`: the same gap with fresh heads; `bare`: of an untrained backbone's own tokens, without heads. `noise`: R@1 on
    Gaussian noise less that of a wrong place of it, a token's chance. (1 / candidates is not quite that: the eight neighbours'
    tokens of a place differ in kind, and tokens that share a frame are alike.)
    `hears`: the gap is at least twice its untrained value, its interval lies above both untrained ones and above 0, another
    sentence does not pass either, noise is at chance (its interval reaches down to a tenth more than its wrong place), and all this
    is said of enough pairs, of speakers whom the metric has not seen.
    """

    term: str
    gap: Interval
    untrained: Interval
    bare: Interval
    other: Interval | None
    noise: Interval
    chance: float
    hears: bool
    sentence: str


@cache
def _resamples(groups: int) -> NDArray[np.int64]:
    """(_RESAMPLES, groups): which groups each resample has; the same for every question, so that answers may be compared."""
    return np.random.default_rng(0).integers(groups, size=(_RESAMPLES, groups))


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """One a term. Empty where the shift that it is about was not looked at, or nothing was counted at the mouth."""
    found = []
    for term in evaluation.terms:
        gap, untrained, bare = (
            evaluation.gap(term, f"shifted_{VERDICT_SHIFT}", stage=stage)
            for stage in ("after", "untrained", "untrained_before")
        )
        noise = evaluation.interval(
            "recall", term, condition="noise", less={"condition": "noise_elsewhere"}
        )
        wrong = evaluation.interval("recall", term, condition="noise_elsewhere")
        chance = evaluation.interval("chance", term, condition="noise")
        if (
            gap is None
            or untrained is None
            or bare is None
            or noise is None
            or wrong is None
            or chance is None
        ):
            continue
        other = evaluation.gap(term, "other_sentence")
        doubts = []
        if evaluation.seen:
            doubts.append(f"the metric was trained on {', '.join(evaluation.seen)}")
        if len(evaluation.pairs) < _LEAST_PAIRS:
            doubts.append(f"{len(evaluation.pairs)} pairs are too few")
        quiet = noise.low <= _QUIET * wrong.mean
        hears = (
            gap.mean >= 2 * untrained.mean
            and gap.low > max(0.0, untrained.high, bare.high)
            and quiet
            and not doubts
        )
        hears = hears and (other is None or other.low > 0)
        sentence = (
            f"{term.upper()} {'hears speech' if hears else 'does not prove that it hears speech'}: "
            + "".join(f"{doubt}; " for doubt in doubts)
            + f"at the mouth aligned beats shifted by {VERDICT_SHIFT} frames by {gap} in R@1, {_times(gap, untrained)} the "
            f"untrained {untrained}, {_times(gap, bare)} the untrained backbone's own tokens {bare}; "
            + (
                f"another sentence by {other}; "
                if other is not None
                else "there is no other sentence to compare with; "
            )
            + f"noise is {'at' if quiet else 'above'} chance ({wrong.mean + noise.mean:.3f}, at a wrong place {wrong.mean:.3f})"
        )
        found.append(
            Verdict(term, gap, untrained, bare, other, noise, chance.mean, hears, sentence)
        )
    return found


def _times(gap: Interval, untrained: Interval) -> str:
    return f"{gap.mean / untrained.mean:.1f} times" if untrained.mean > 0 else "beside"
