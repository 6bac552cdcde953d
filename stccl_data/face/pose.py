"""Head pose and face size from landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.face.canonical import CANONICAL_CM, NOSE_TIP_68, STABLE_68
from stccl_data.landmarks import ibug68


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose of N frames, degrees."""

    #: (N,) positive: turned to the image's right.
    yaw: NDArray[np.float64]
    #: (N,) positive: up.
    pitch: NDArray[np.float64]
    #: (N,) positive: clockwise in the image.
    roll: NDArray[np.float64]


def head_pose(landmarks: NDArray[np.floating]) -> Pose:
    """Estimate the head pose of each frame.

    Fits the canonical face to the stable points and the nose tip under scaled orthography (POS,
    DeMenthon and Davis 1995).

    Args:
        landmarks: (N, K, 2) pixels, K 478 or 68. A frame of NaN gives NaN.
    """
    points = ibug68(landmarks)[:, [*STABLE_68, NOSE_TIP_68]].astype(np.float64)
    # homogeneous, in image axes: x right, y down, z away from the camera
    model = np.hstack([CANONICAL_CM * [1, -1, -1], np.ones((len(CANONICAL_CM), 1))])
    affine = np.einsum("ij,njk->nki", np.linalg.pinv(model), points)[:, :, :3]
    with np.errstate(invalid="ignore", divide="ignore"):
        r1 = affine[:, 0] / np.linalg.norm(affine[:, 0], axis=1, keepdims=True)
        r2 = affine[:, 1] - (affine[:, 1] * r1).sum(axis=1, keepdims=True) * r1
        r2 = r2 / np.linalg.norm(r2, axis=1, keepdims=True)
        r3 = np.cross(r1, r2)
        # the directions of the nose (yaw, pitch) and of the eye line (roll)
        yaw = np.degrees(np.arctan2(-r1[:, 2], r3[:, 2]))
        pitch = np.degrees(np.arcsin(np.clip(r2[:, 2], -1, 1)))
        roll = np.degrees(np.arctan2(r2[:, 0], r1[:, 0]))
    return Pose(yaw, pitch, roll)


def eye_distance(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Measure the distance of the outer eye corners.

    Args:
        landmarks: (N, K, 2) pixels, K 478 or 68.

    Returns:
        (N,) float64 pixels.
    """
    points = ibug68(landmarks)
    offsets = np.moveaxis(points[:, 36] - points[:, 45], -1, 0)
    distance: NDArray[np.float64] = np.hypot(*offsets).astype(np.float64)
    return distance
