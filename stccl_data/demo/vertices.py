"""Named vertices of MediaPipe's face mesh, and the coordinates that the demo uses.

Mesh coordinates are pixels of the photograph, rotated upright about the point between the eyes:
x right, y down. Left and right are those of the image.
"""

import numpy as np

#: The outer corners of the eyes.
LEFT_EYE, RIGHT_EYE = 33, 263
#: The middle of the inner edges of the lips.
UPPER_LIP, LOWER_LIP = 13, 14
#: The corners of the mouth.
LEFT_CORNER, RIGHT_CORNER = 61, 291

#: Mesh coordinates of the centre of a frame.
CENTRE = (222.0, 113.0)
#: Pixels of the photograph across a frame.
SPAN = 168.0

#: Rings of the upper lip from the outer edge to the inner, left to right.
UPPER_RINGS = np.array([
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
    [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
    [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
    [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
])  # fmt: skip
#: The same of the lower lip, without the corners, which both lips share.
LOWER_RINGS = np.array([
    [146, 91, 181, 84, 17, 314, 405, 321, 375],
    [77, 90, 180, 85, 16, 315, 404, 320, 307],
    [96, 89, 179, 86, 15, 316, 403, 319, 325],
    [95, 88, 178, 87, 14, 317, 402, 318, 324],
])  # fmt: skip

#: For each side, left first: upper and lower edge of the brow, from the temple inwards.
BROWS = (
    [[70, 63, 105, 66, 107], [46, 53, 52, 65, 55]],
    [[300, 293, 334, 296, 336], [276, 283, 282, 295, 285]],
)
#: For each side, left first: upper lid, lower lid and crease, from the temple inwards.
LIDS = (
    (
        [246, 161, 160, 159, 158, 157, 173],
        [7, 163, 144, 145, 153, 154, 155],
        [247, 30, 29, 27, 28, 56, 190],
    ),
    (
        [466, 388, 387, 386, 385, 384, 398],
        [249, 390, 373, 374, 380, 381, 382],
        [467, 260, 259, 257, 258, 286, 414],
    ),
)
NOSE_WINGS = [98, 327, 64, 294, 48, 278, 129, 358]
CHEEKS = [50, 280, 205, 425, 187, 411, 36, 266]
#: Vertices that move with the jaw, and how far relative to it.
CHIN = {
    152: 1.0, 148: 1.0, 377: 1.0, 176: 0.95, 400: 0.95, 149: 0.85, 378: 0.85, 150: 0.65, 379: 0.65,
    136: 0.45, 365: 0.45, 172: 0.28, 397: 0.28, 58: 0.12, 288: 0.12, 175: 1.0, 199: 1.0, 200: 1.0,
    18: 1.0, 83: 0.97, 313: 0.97, 201: 1.0, 421: 1.0, 208: 1.0, 428: 1.0, 204: 0.75, 424: 0.75,
    202: 0.6, 422: 0.6,
}  # fmt: skip
#: Vertices that no expression moves.
STILL = [
    10, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323, 132,
    361, 33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 94, 118, 347, 101, 330, 117, 346,
]  # fmt: skip


def outer_lip_polygon(points: np.ndarray) -> np.ndarray:
    """Return the outline of both lips.

    Args:
        points: (V, 2), all vertices.

    Returns:
        (20, 2): from the left corner over the upper lip and back under the lower lip.
    """
    ring: np.ndarray = points[np.concatenate([UPPER_RINGS[0], LOWER_RINGS[0][::-1]])]
    return ring


def inner_lip_polygon(points: np.ndarray) -> np.ndarray:
    """Return the outline of the opening of the mouth.

    Args:
        points: (V, 2), all vertices.

    Returns:
        (20, 2): the inner edge of the upper lip left to right, then that of the lower lip back.
    """
    ring: np.ndarray = points[np.concatenate([UPPER_RINGS[3], LOWER_RINGS[3][::-1]])]
    return ring
