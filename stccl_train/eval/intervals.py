"""Means and their 95 % intervals, by Student's t over independent units.

Values of one speaker are alike, so the units are speakers rather than clips. docs/evaluation.md and
docs/method.md have the coverage of these intervals.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float
    #: Number of independent units it rests on; a single one has no spread, so no interval.
    units: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero. A single unit proves nothing."""
        return self.units > 1 and self.low > 0

    def __str__(self) -> str:
        """Return ``0.123 [0.100, 0.150]``, without the interval if it has no width."""
        interval = f" [{self.low:.3f}, {self.high:.3f}]" if self.low < self.high else ""
        return f"{self.mean:.3f}{interval}"


def mean_interval(values: Sequence[float], units: Sequence[Hashable]) -> Interval:
    """Return the mean of values with its interval.

    The influence of a unit is measured by leaving it out (jackknife): with as many values in each
    unit the interval is Student's t over the units' means, and it is wide enough if few units have
    most of the values.

    Args:
        values: (n,) finite, n >= 1.
        units: (n,) the unit of each value.
    """
    known = np.asarray(values, np.float64)
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    unit_of = np.array([numbers[unit] for unit in units])
    mean, count = float(known.mean()), len(numbers)
    sizes = np.bincount(unit_of)
    deviations = np.bincount(unit_of, weights=known - mean)
    others = np.maximum(len(known) - sizes, 1)  # none are left out of a single unit
    spread = half_width((count - 1) / count * deviations / others)
    return Interval(mean, mean - spread, mean + spread, count)


def half_width(influence: NDArray[np.float64]) -> float:
    """Return half the width of the 95 % interval.

    Args:
        influence: (units,) by how much each unit moves the estimate.
    """
    units = len(influence)
    if units < 2:
        return 0.0
    # takes a third of a second to import
    from scipy.special import stdtrit

    variance = units / (units - 1) * float(np.square(influence).sum())
    return float(stdtrit(units - 1, 0.975) * np.sqrt(variance))
