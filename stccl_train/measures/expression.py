"""Expression outside the mouth, from the blendshape coefficients that landmarking gives."""

import numpy as np
from numpy.typing import NDArray

from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip

#: MediaPipe's coefficients that show an expression outside the mouth: brows (1-5), cheeks (7, 8),
#: squinting and widened eyes (19-22), nose (50, 51). Blinks and gaze are momentary, mouth and jaw
#: (23-49) speak.
UPPER_FACE = np.array([1, 2, 3, 4, 5, 7, 8, 19, 20, 21, 22, 50, 51])


class Expression:
    """How the upper face's expression changed, and how near it came to the wanted one.

    With m the mean over a clip's frames of the 13 coefficients of `UPPER_FACE`, each in [0, 1]:

    - `expression_change`: 100 mean |m(generated) - m(source)|, 0 to 100: the intensity of the
      edit. Neither better nor worse: 0 is right when a face is re-rendered, and wrong when its
      emotion had to change.
    - `expression_distance`: 100 mean |m(generated) - m(reference)|, 0 to 100, lower is better.
      The reference is a real clip of the same actor in the wanted emotion; it says any sentence.
    """

    group = "expression"
    measures: tuple[Measure, ...] = (
        Measure("expression_change", "expression change", None, "% of range", 2),
        Measure("expression_distance", "expression distance", "lower", "% of range", 2),
    )

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        generated = _expression(pair.generated)
        values = {"expression_change": _difference(generated, _expression(pair.source))}
        if pair.reference is not None:
            distance = _difference(generated, _expression(pair.reference))
            values["expression_distance"] = distance
        return values


def _expression(clip: MeasuredClip) -> NDArray[np.float64] | None:
    """Return the mean coefficients of a clip, (13,); None without any."""
    if clip.track.blendshapes is None:
        return None
    known = clip.track.blendshapes[clip.track.valid].astype(np.float64)
    return known[:, UPPER_FACE].mean(axis=0) if len(known) else None


def _difference(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> float:
    return float("nan") if a is None or b is None else float(100 * np.abs(a - b).mean())
