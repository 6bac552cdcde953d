"""Cut crops out of a frame: where the face lies in a crop, and the transform that brings it there.

Coordinates are continuous: pixel (i, j) covers [j, j+1) x [i, i+1), so a point keeps its place when
an image is scaled.
"""

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.face.canonical import CANONICAL_CM, EYE_DISTANCE_CM, EYE_LINE_CM, MOUTH_CM
from stccl_data.landmarks import LIPS_68, ibug68

#: Face crop: the outer eye corners are 37.5 % of its width apart and 36 % below its top, so that
#: everything from the hairline to a wide-open jaw fits.
_FACE_EYE_DISTANCE = 0.375
_FACE_EYE_LINE = 0.36
#: Width of the mouth crop: from nose base to chin, with room for a wide smile.
_MOUTH_WIDTH_CM = 8.5


class DegenerateFaceError(StcclError, ValueError):
    """The points coincide, so no transform can be estimated from them."""


def face_template(size: int) -> NDArray[np.float64]:
    """Return the places of STABLE_68 in a face crop of `size` x `size` pixels, (9, 2) float64."""
    return _template(
        size, size * _FACE_EYE_DISTANCE / EYE_DISTANCE_CM, EYE_LINE_CM, size * _FACE_EYE_LINE
    )


def mouth_template(size: int) -> NDArray[np.float64]:
    """Return the places of STABLE_68, mostly outside, for a mouth crop of `size` x `size` pixels.

    Returns:
        (9, 2) float64.
    """
    return _template(size, size / _MOUTH_WIDTH_CM, MOUTH_CM, size / 2)


def crop_eye_distance(face_size: int, mouth_size: int) -> float:
    """Return the eye corners' distance in pixels at the scale of the finer of the two crops."""
    return max(face_size * _FACE_EYE_DISTANCE, mouth_size / _MOUTH_WIDTH_CM * EYE_DISTANCE_CM)


def _template(
    size: int, pixels_per_cm: float, line_cm: float, line_y: float
) -> NDArray[np.float64]:
    """Place the canonical face in a crop: height `line_cm` of the face on row `line_y`."""
    flat = CANONICAL_CM[:-1, :2]
    return np.stack(
        [size / 2 + pixels_per_cm * flat[:, 0], line_y - pixels_per_cm * (flat[:, 1] - line_cm)],
        axis=1,
    )


def estimate_similarity(
    points: NDArray[np.floating], template: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Fit the similarity transform that maps `points` onto `template`.

    Least squares without reflection (Umeyama 1991).

    Args:
        points: (K, 2) float, source pixels.
        template: (K, 2) float, crop pixels.

    Returns:
        (2, 3) float64, source pixels to crop pixels.

    Raises:
        DegenerateFaceError: the points coincide.
    """
    # In the plane a rotation and scale is one complex number, at best conj(x) . y / |x|^2.
    p, q = (
        np.ascontiguousarray(xy, np.float64).view(np.complex128)[:, 0] for xy in (points, template)
    )
    p_mean, q_mean = p.mean(), q.mean()
    x = p - p_mean
    spread = float(np.vdot(x, x).real)
    if not np.isfinite(spread) or spread < 1e-9:
        raise DegenerateFaceError("the landmarks of the face coincide")
    factor = np.vdot(x, q - q_mean) / spread
    shift = q_mean - factor * p_mean
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def constant_box(
    landmarks: NDArray[np.floating], size: int, *, mouth: bool = False
) -> NDArray[np.float64]:
    """Compute the reference implementation's crop, held constant over a clip.

    A square around the 68 points of all frames, 10 % larger; for the mouth a square around the
    lips, 60 % larger.

    Args:
        landmarks: (N, K, 2) pixels; rows of NaN are ignored.
        size: side of the crop, pixels.
        mouth: whether to return the mouth crop.

    Returns:
        (2, 3) float64, the transform of every frame, source pixels to crop pixels.

    Raises:
        DegenerateFaceError: the points coincide.
    """
    points = ibug68(landmarks)[:, LIPS_68 if mouth else slice(None)]
    low, high = np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1))
    side = float((high - low).max()) * (1.6 if mouth else 1.1)
    if not side > 0:
        raise DegenerateFaceError("the landmarks of the face coincide")
    scale = size / side
    centre = (low + high) / 2
    return np.array(
        [[scale, 0, size / 2 - scale * centre[0]], [0, scale, size / 2 - scale * centre[1]]]
    )
