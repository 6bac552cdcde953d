"""Realism without a network: is the generated face as sharp, and as steady, as the source's?"""

import numpy as np
from numpy.typing import NDArray

from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.matched_pair import MatchedPair


class Realism:
    """Sharpness and flicker of the stabilised face crop, as ratios to the source's.

    - `sharpness`: median variance of the crop's Laplacian (Pech-Pacheco et al. 2000), generated
      over source. 0 and up; 1 is best, below 1 is blurred, above 1 is over-sharpened or noisy.
    - `flicker`: median over frames of the mean of |I(k-1) - 2 I(k) + I(k+1)|, generated over
      source. 0 and up; 1 is best, above 1 flickers, below 1 is smoother than a real recording. It
      grows with the time between frames, so of a clip with two or more times the other's frame rate
      every second (third, ...) frame is taken; at other rates, such as 25 and 30, there is none.

    Ratios of grey levels on crops of one size, each from its own file: they include what the
    codec did to it.
    """

    group = "realism"
    measures: tuple[Measure, ...] = (
        Measure("sharpness", "sharpness", "one", "ratio to source", 2),
        Measure("flicker", "flicker", "one", "ratio to source", 2),
    )

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        a, b = pair.frames
        values = {"sharpness": _ratio(pair.generated.sharpness[b], pair.source.sharpness[a])}
        if pair.strides is not None:
            source, generated = pair.strides
            values["flicker"] = _ratio(
                pair.generated.flicker_between(generated)[b],
                pair.source.flicker_between(source)[a],
            )
        return values


def _ratio(generated: NDArray[np.float32], source: NDArray[np.float32]) -> float:
    both = np.isfinite(generated) & np.isfinite(source)
    if not both.any() or not (level := float(np.median(source[both]))) > 0:
        return float("nan")
    return float(np.median(generated[both])) / level
