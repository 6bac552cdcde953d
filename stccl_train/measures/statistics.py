"""Statistics over clips: intervals of means, and differences between methods paired by clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

#: Resamples of the clips.
_RESAMPLES = 10_000
_SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Return the interval of a mean by Student's t, which holds for few values too.

    Returns:
        None for fewer than two values: one tells nothing about others.
    """
    known = np.asarray([value for value in values if np.isfinite(value)], np.float64)
    n = len(known)
    if n < 2:
        return None
    from scipy.special import stdtrit  # slow to import

    half = float(stdtrit(n - 1, 0.975) * known.std(ddof=1) / np.sqrt(n))
    return Interval(float(known.mean()) - half, float(known.mean()) + half)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """By how much a method is better than a baseline on the clips that both have."""

    #: clips
    n: int
    #: mean gain, positive if the method is better
    mean: float
    #: 95 % percentile interval of the mean over bootstrap resamples of clips (Efron 1979); None
    #: of one clip, which says nothing about others
    low: float | None
    high: float | None
    #: clips on which the method is better, and clips on which both are equal
    wins: int
    ties: int
    #: two-sided sign test: probability of so unequal a number of wins if each clip were a coin
    #: toss; equal clips do not count
    p: float


def paired_difference(gains: Sequence[float]) -> PairedDifference | None:
    """Summarise the gains of a method over a baseline, one for each clip.

    Returns:
        None without clips.
    """
    values = np.asarray(gains, np.float64)
    if not len(values):
        return None
    low, high = _bootstrap(values) if len(values) > 1 else (None, None)
    wins, losses = int((values > 0).sum()), int((values < 0).sum())
    return PairedDifference(
        n=len(values),
        mean=float(values.mean()),
        low=low,
        high=high,
        wins=wins,
        ties=len(values) - wins - losses,
        p=sign_test(wins, losses),
    )


def _bootstrap(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean over resamples of the values."""
    # Rows of indices, in parts: a million clips times ten thousand resamples would not fit.
    generator = np.random.default_rng(_SEED)
    part = max(1, 10**7 // len(values))
    means = [
        values[
            generator.integers(len(values), size=(min(part, _RESAMPLES - first), len(values)))
        ].mean(axis=1)
        for first in range(0, _RESAMPLES, part)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of so many wins and losses under equal chances (exact)."""
    n, k = wins + losses, min(wins, losses)
    tail = sum(comb(n, i) for i in range(k + 1))
    return float(min(1.0, 2 * tail / 2**n))
