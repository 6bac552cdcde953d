"""The Measure record, and the interface by which a group of measures is computed."""

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
    #: Whether it also has a margin: by how much it is better than that of the same two clips with
    #: the generated one shifted by `SHIFT_S`. What two clips share whatever is said, such as the
    #: shape of a face, is in both and drops out.
    has_margin: bool = False
    #: The value of a clip that is compared with itself, if it is known without looking.
    perfect: float | None = None

    @property
    def margin(self) -> "Measure | None":
        """The measure's margin over a shift; None if it has none."""
        if not self.has_margin:
            return None
        label = f"{self.label}, over shift"
        return Measure(f"{self.name}_margin", label, "higher", self.unit, self.digits)

    @property
    def is_headline(self) -> bool:
        """Whether the measure alone may be quoted for how well speech is kept.

        Margins only: somebody else who says something else has none, but may have a lip distance
        or a cosine that is better than a genuine pair's.
        """
        return self.name.endswith("_margin")

    def gain(self, value: float, other: float) -> float:
        """Return by how much ``value`` is better than ``other``; NaN without a direction."""
        if self.better == "lower":
            return other - value
        if self.better == "higher":
            return value - other
        return abs(other - 1) - abs(value - 1) if self.better == "one" else float("nan")


class Instrument(Protocol):
    """Computes a group of measures."""

    measures: tuple[Measure, ...]

    def measure(self, pair: MatchedPair) -> Values:
        """Return the value of each measure, NaN if the pair has none."""
        ...


def with_margins(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    """Return measures, each followed by its margin if it has one."""
    return tuple(
        each for measure in measures for each in (measure, measure.margin) if each is not None
    )


def margins(measures: tuple[Measure, ...], values: Values, shifted: Values) -> Values:
    """Return the margin of each measure that has one.

    Args:
        measures: of an instrument.
        values: of a pair.
        shifted: of the same pair, shifted.
    """
    nan = float("nan")
    return {
        f"{m.name}_margin": m.gain(values.get(m.name, nan), shifted.get(m.name, nan))
        for m in measures
        if m.has_margin
    }


def finite_mean(values: np.ndarray) -> float:
    """Return the mean of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
