"""The Measure record, and the interface by which a group of measures is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from stccl_train.measures.matched_pair import MatchedPair

#: Which value is better; ``one``: the nearest to 1.
Better = Literal["lower", "higher", "one"]

#: Values by the name of their measure; NaN if a pair has none.
Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about a generated clip beside its source."""

    name: str
    #: heading of its column
    label: str
    #: None if a larger value is neither better nor worse
    better: Better | None
    unit: str = ""
    #: digits after the point
    digits: int = 3
    #: Whether its margin over a shift is measured too: by how much it is better than that of the
    #: same two clips with the generated one 0.4 s early or late. What the clips share whatever is
    #: said, such as the shape of a face, is in both and drops out.
    has_margin: bool = False
    #: Whether its gain over the controls is measured too, a headline number: by how much it is
    #: better than the better of that shift and the mean of other people, who say something else.
    #: Two people who begin and end in silence share that, which a shift alone would count as
    #: speech.
    has_gain: bool = False

    @property
    def derived(self) -> "tuple[Measure, ...]":
        """The measure, then its margin and its gain, if it has them."""
        margin = Measure(
            f"{self.name}_margin", f"{self.label}, over shift", "higher", self.unit, self.digits
        )
        gain = Measure(
            f"{self.name}_gain", f"{self.label}, over controls", "higher", self.unit, self.digits
        )
        return (self, *([margin] if self.has_margin else []), *([gain] if self.has_gain else []))

    @property
    def is_headline(self) -> bool:
        """Whether the measure alone may be quoted for how well speech is kept."""
        return self.name.endswith("_gain")

    @property
    def is_derived(self) -> bool:
        """Whether it is the margin or gain of another measure."""
        return self.name.endswith(("_margin", "_gain"))

    def score(self, value: float) -> float:
        """Return a number that is higher for the better value; NaN without a direction."""
        return self.gain(value, 1.0)

    def gain(self, value: float, other: float) -> float:
        """Return by how much ``value`` is better than ``other``; NaN without a direction."""
        if self.better == "lower":
            return other - value
        if self.better == "higher":
            return value - other
        return abs(other - 1) - abs(value - 1) if self.better == "one" else float("nan")


class Instrument(Protocol):
    """Computes a group of measures."""

    #: name of the group
    group: str
    measures: tuple[Measure, ...]

    def measure(self, pair: MatchedPair) -> Values:
        """Return the value of each measure, NaN if the pair has none."""
        ...


def margins(measures: Sequence[Measure], values: Values, shifted: Values) -> Values:
    """Return the margin over a shift of each measure that has one.

    Args:
        measures: of an instrument.
        values: of a pair.
        shifted: of the same pair, shifted.
    """
    return {
        f"{m.name}_margin": m.gain(values[m.name], shifted[m.name])
        for m in measures
        if m.has_margin and m.name in values and m.name in shifted
    }


def gains(measures: Sequence[Measure], values: Values, controls: Sequence[Values]) -> Values:
    """Return the gain over the better of several controls of each measure that has one.

    Args:
        measures: of an instrument.
        values: of a pair.
        controls: the same measures of each control; those without a value do not count.
    """
    result = {}
    for m in measures:
        known = [control[m.name] for control in controls if m.name in control]
        if m.has_gain and m.name in values and known:
            result[f"{m.name}_gain"] = min(m.gain(values[m.name], control) for control in known)
    return result


def mean_values(several: Sequence[Values]) -> Values:
    """Return the mean of each measure over those that have it."""
    names = dict.fromkeys(name for values in several for name in values)
    return {
        name: float(np.mean([values[name] for values in several if name in values]))
        for name in names
    }


def finite_mean(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
