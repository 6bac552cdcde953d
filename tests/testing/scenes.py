"""Compose rendered faces into frames with several people."""

from collections.abc import Sequence

import cv2
import numpy as np

#: A face in a frame: its image, and the pixel of its upper left corner.
Placed = tuple[np.ndarray, tuple[int, int]]


def scene(*people: Placed, size: tuple[int, int] = (480, 240)) -> np.ndarray:
    """Return a grey frame of `size` (width, height) with people; later ones are in front.

    What lies outside the frame is cut off.
    """
    width, height = size
    frame = np.full((height, width, 3), 90, np.uint8)
    for image, (x, y) in people:
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + image.shape[1], width), min(y + image.shape[0], height)
        if x1 > x0 and y1 > y0:
            frame[y0:y1, x0:x1] = image[y0 - y : y1 - y, x0 - x : x1 - x]
    return frame


def scaled(images: Sequence[np.ndarray], side: int) -> list[np.ndarray]:
    """Return square images scaled to a side of so many pixels."""
    return [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images]


def hidden(image: np.ndarray) -> np.ndarray:
    """Return the image so blurred that no face is found in it."""
    return cv2.GaussianBlur(image, (0, 0), image.shape[0] / 8)
