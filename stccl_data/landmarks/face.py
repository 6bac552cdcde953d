"""The Face record: what a landmarker measures of one face in one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Number of blendshape coefficients (MediaPipe's; the first is the neutral face).
BLENDSHAPES = 52


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one image."""

    #: (K, 2) float32, pixels of the image (continuous: pixel 0 covers [0, 1)).
    points: NDArray[np.float32]
    #: Probability that the points lie on a face; NaN if the backend does not tell.
    presence: float = float("nan")
    #: (52,) float32 in [0, 1]; None if the backend has none.
    blendshapes: NDArray[np.float32] | None = None

    def scaled(self, factor: float) -> "Face":
        """Return the face as it lies in the image enlarged by `factor`."""
        if factor == 1:
            return self
        return Face(self.points * np.float32(factor), self.presence, self.blendshapes)
