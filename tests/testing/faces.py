"""Follow one face through frames, and compare what two landmarkers see."""

from collections.abc import Sequence

import numpy as np

from stccl_data.landmarks import Face, Landmarker

_EYE_CORNERS = (33, 263)


def follow(landmarker: Landmarker, images: Sequence[np.ndarray]) -> list[Face]:
    """Return the first face of each frame, looked for where it was in the frame before."""
    faces: list[Face] = []
    for image in images:
        (found,) = landmarker.detect([image], faces[-1:], search=False)
        faces.append(found[0])
    return faces


def disagreement(ours: Sequence[Face], theirs: Sequence[Face]) -> np.ndarray:
    """Return the distances (N, 478) of landmarks, as shares of the distance of the eye corners."""
    a, b = np.stack([f.points for f in ours]), np.stack([f.points for f in theirs])
    return np.hypot(*np.moveaxis(a - b, -1, 0)) / _eye_distances(b)[:, None]


def jitter(faces: Sequence[Face]) -> float:
    """Return the median second difference of the landmarks, as a share of the eye distance."""
    points = np.stack([face.points for face in faces])
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    return float(
        np.median(np.hypot(*np.moveaxis(second, -1, 0)) / _eye_distances(points)[1:-1, None])
    )


def _eye_distances(points: np.ndarray) -> np.ndarray:
    right, left = (points[:, i] for i in _EYE_CORNERS)
    distance: np.ndarray = np.hypot(*(left - right).T)
    return distance
