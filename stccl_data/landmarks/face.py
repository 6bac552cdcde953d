"""The Face record: what a landmarker measures of one face in one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Number of blendshape coefficients (MediaPipe's; the first is the neutral face).
BLENDSHAPES = 52

#: The MediaPipe vertices from which the blendshape network computes its coefficients (MediaPipe's
#: face_blendshapes_graph).
BLENDSHAPE_POINTS = np.fromstring(
    "0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 "
    "84 87 88 91 93 95 103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 "
    "157 158 159 160 161 162 163 168 172 173 176 178 181 185 191 195 197 234 246 249 251 263 "
    "267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 311 312 314 317 318 "
    "321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 "
    "386 387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 "
    "476 477 ",
    dtype=int,
    sep=" ",
)


#: Left, top, right, bottom, pixels.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one image."""

    #: (K, 2) float32, pixels of the image (continuous: pixel 0 covers [0, 1)).
    points: NDArray[np.float32]
    #: Probability that the points lie on a face; NaN if the backend does not tell.
    presence: float = float("nan")
    #: (52,) float32 in [0, 1]; None if the backend has none.
    blendshapes: NDArray[np.float32] | None = None

    @property
    def box(self) -> Box:
        """The bounding box of the points."""
        left, top = self.points.T.min(axis=1).tolist()
        right, bottom = self.points.T.max(axis=1).tolist()
        return left, top, right, bottom

    def scaled(self, factor: float) -> "Face":
        """Return the face as it lies in the image enlarged by `factor`."""
        if factor == 1:
            return self
        return Face(self.points * np.float32(factor), self.presence, self.blendshapes)
