"""Cut a turned square out of an image.

Coordinates are continuous: pixel (i, j) covers [j, j+1) x [i, i+1), so a point keeps its place when
an image is scaled.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def cut_square(
    image: NDArray[np.uint8], transform: NDArray[np.float64], size: int
) -> NDArray[np.uint8]:
    """Cut the square that `transform` maps onto a crop; outside the image it is black.

    A source much larger than the crop is first averaged over blocks, to prevent aliasing.

    Args:
        image: (H, W, 3) uint8.
        transform: (2, 3), a similarity, image pixels to crop pixels.
        size: side of the crop, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = image.shape[:2]
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    block = max(1, int(1 / scale))
    inverse = cv2.invertAffineTransform(transform)
    corners = inverse @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    left, top = corners.min(axis=1).tolist()
    right, bottom = corners.max(axis=1).tolist()
    x0, y0 = max(math.floor(left) - 2 * block, 0), max(math.floor(top) - 2 * block, 0)
    x1, y1 = min(math.ceil(right) + 2 * block, width), min(math.ceil(bottom) + 2 * block, height)
    x1, y1 = x0 + (x1 - x0) // block * block, y0 + (y1 - y0) // block * block
    if x1 <= x0 or y1 <= y0:
        return np.zeros((size, size, 3), np.uint8)
    patch = image[y0:y1, x0:x1]
    if block > 1:
        patch = cv2.resize(
            patch, ((x1 - x0) // block, (y1 - y0) // block), interpolation=cv2.INTER_AREA
        )
    # patch pixels (centres at integers, as in cv2) -> image -> crop pixels (centres at integers)
    to_crop = np.empty((2, 3))
    to_crop[:, :2] = transform[:, :2] * block
    to_crop[:, 2] = transform @ np.array([x0 + block / 2, y0 + block / 2, 1]) - 0.5
    # OpenCV warps four channels in a third of the time of three, to the same values.
    four = cv2.cvtColor(patch, cv2.COLOR_RGB2RGBA)
    warped = cv2.warpAffine(four, to_crop, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), np.uint8)
