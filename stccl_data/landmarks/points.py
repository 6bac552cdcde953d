"""The 68-point view that all landmark backends share, and the points of the lips."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# The MediaPipe vertices at each of iBUG's 68 points; their midpoint if there are two.
_IBUG68 = (
    (127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,),  # right jaw, chin
    (400,), (379,), (365,), (397, 288), (361,), (323,), (454,), (356,),  # left jaw
    (156,), (70, 63), (105,), (66, 107), (55,),  # right brow
    (336, 285), (296,), (334,), (293, 300), (383,),  # left brow
    (168,), (6, 197), (195,), (5, 4), (98,), (97,), (2,), (326,), (327,),  # nose: bridge, tip, base
    (33,), (160,), (158,), (133,), (153,), (144,),  # right eye
    (362,), (385,), (387,), (263,), (373,), (380,),  # left eye
    (61,), (39,), (37,), (0,), (267,), (269,), (291,),  # outer lip: upper
    (321,), (314,), (17,), (84,), (91,),  # outer lip: lower
    (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),  # inner lip
)  # fmt: skip
_FIRST = np.array([vertices[0] for vertices in _IBUG68])
_SECOND = np.array([vertices[-1] for vertices in _IBUG68])

#: Indices of the lips among iBUG's 68 points.
LIPS_68 = np.arange(48, 68)


def ibug68(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the 68-point view of landmarks.

    Args:
        landmarks: (..., 478, 2), or (..., 68, 2), which is returned unchanged.

    Returns:
        (..., 68, 2), in iBUG order.
    """
    if landmarks.shape[-2] == 68:
        return landmarks
    return (landmarks[..., _FIRST, :] + landmarks[..., _SECOND, :]) / 2


def points_in_crop(
    landmarks: NDArray[np.floating], transforms: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Map landmarks into a crop, as the 68 points of iBUG.

    Args:
        landmarks: (T, K, 2), K 478 or 68, pixels of the source frame.
        transforms: (T, 2, 3), source pixels to crop pixels.

    Returns:
        (T, 68, 2) float32, pixels of the crop.
    """
    points = ibug68(landmarks).astype(np.float64)
    mapped: NDArray[np.float64] = (
        np.einsum("tij,tkj->tki", transforms[:, :, :2], points) + transforms[:, None, :, 2]
    )
    return mapped.astype(np.float32)


@cache
def lip_points(count: int) -> NDArray[np.intp]:
    """Return the indices of the lip points among `count` landmarks, 478 or 68."""
    if count == 68:
        return LIPS_68
    # MediaPipe's FACEMESH_LIPS: four arcs of vertices, more than the 68-point view names
    vertices = (
        "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 "
        "78 95 88 178 87 14 317 402 318 324 308 191 80 81 82 13 312 311 310 415"
    )
    return np.array([int(i) for i in vertices.split()])
