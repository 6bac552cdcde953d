"""Random changes to a window, the same on both sides: mirroring, brightness, contrast and tint."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: For each of the 68 points, the point that takes its place in a mirrored frame.
MIRROR_68 = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A change to every frame of a window."""

    mirrored: bool = False
    #: (256, 3) uint8, the new value of each RGB channel by its old one; None keeps the colours
    table: NDArray[np.uint8] | None = None

    def apply_to_image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the changed frame.

        Args:
            image: (H, W, 3) uint8, RGB.
        """
        if self.table is not None:
            image = np.asarray(cv2.LUT(image, self.table[None]), np.uint8)
        return image[:, ::-1] if self.mirrored else image

    def apply_to_points(self, points: NDArray[np.float32], width: int) -> NDArray[np.float32]:
        """Return the points as they lie in the changed frame.

        Args:
            points: (T, 68, 2) float32, pixels, iBUG order.
            width: width of the frame in pixels.
        """
        if not self.mirrored:
            return points
        return points[:, MIRROR_68] * np.array([-1, 1], np.float32) + np.array(
            [width, 0], np.float32
        )


NO_AUGMENTATION = Augmentation()


def draw_augmentation(flip: float, colour: float, rng: np.random.Generator) -> Augmentation:
    """Draw an augmentation at random.

    Args:
        flip: probability of mirroring.
        colour: largest relative change of brightness and of contrast; the tint of each channel
            changes by up to a quarter of it.
        rng: the generator; every call takes the same number of values from it.
    """
    mirrored = bool(rng.random() < flip)
    chance = rng.uniform(-1, 1, 5)
    if colour <= 0:
        return Augmentation(mirrored)
    brightness, contrast, tint = colour * chance[0], colour * chance[1], colour / 4 * chance[2:]
    grey = np.arange(256.0)[:, None] - 127.5
    values = grey * (1 + contrast) * (1 + tint) + 127.5 * (1 + brightness)
    return Augmentation(mirrored, (values + 0.5).clip(0, 255).astype(np.uint8))
