"""Cut a turned square out of an image.

Coordinates are continuous: pixel (i, j) covers [j, j+1) x [i, i+1), so a point keeps its place when
an image is scaled.
"""

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
    inverse = np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]
    corners = inverse @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    x0, y0 = np.maximum(np.floor(corners.min(axis=1)).astype(int) - 2 * block, 0)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 2 * block, [width, height])
    x1, y1 = x0 + (x1 - x0) // block * block, y0 + (y1 - y0) // block * block
    if x1 <= x0 or y1 <= y0:
        return np.zeros((size, size, 3), np.uint8)
    patch = image[y0:y1, x0:x1]
    if block > 1:
        patch = cv2.resize(
            patch, ((x1 - x0) // block, (y1 - y0) // block), interpolation=cv2.INTER_AREA
        )
    # patch pixels (centres at integers, as in cv2) -> image -> crop pixels (centres at integers)
    linear = transform[:, :2] * block
    offset = transform[:, :2] @ np.array([x0 + block / 2, y0 + block / 2]) + transform[:, 2] - 0.5
    warped: NDArray[np.uint8] = cv2.warpAffine(
        patch, np.hstack([linear, offset[:, None]]), (size, size), flags=cv2.INTER_LINEAR
    )
    return warped
