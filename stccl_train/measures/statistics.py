"""Differences between methods, paired by clip."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import comb

from stccl_train.eval.intervals import mean_interval


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """By how much a method is better than a baseline on the clips that both have."""

    #: clips
    n: int
    #: mean gain, positive if the method is better
    mean: float
    #: 95 % interval of the mean, see `mean_interval`; None of one unit, which says nothing about
    #: others
    low: float | None
    high: float | None
    #: clips on which the method is better, and clips on which both are equal
    wins: int
    ties: int
    #: two-sided sign test: probability of so unequal a number of wins if each clip were a coin
    #: toss; equal clips do not count
    p: float


def paired_difference(gains: Sequence[float], units: Sequence[Hashable]) -> PairedDifference | None:
    """Summarise the gains of a method over a baseline, one for each clip.

    Args:
        gains: (n,) finite.
        units: (n,) the independent unit of each, such as its speaker.

    Returns:
        None without clips.
    """
    if not gains:
        return None
    interval = mean_interval(gains, units)
    wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return PairedDifference(
        n=len(gains),
        mean=interval.mean,
        low=interval.low if interval.units > 1 else None,
        high=interval.high if interval.units > 1 else None,
        wins=wins,
        ties=len(gains) - wins - losses,
        p=sign_test(wins, losses),
    )


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of so many wins and losses under equal chances (exact)."""
    n, k = wins + losses, min(wins, losses)
    tail = sum(comb(n, i) for i in range(k + 1))
    return float(min(1.0, 2 * tail / 2**n))
