"""Videos whose frames carry their number, so that a test can tell which frame it sees."""

from pathlib import Path

import numpy as np

from stccl_data.media.video import read_frames


def numbered_frame(i: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Return frame i: red top left, green top right, blue bottom left; its number bottom right.

    The number is the grey level 20 + 8 i. (height, width, 3) uint8 RGB.
    """
    image = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    image[:h, :w], image[:h, w:], image[h:, :w] = (200, 40, 40), (40, 160, 60), (30, 60, 190)
    image[h:, w:] = 20 + 8 * i
    return image


def numbered_frames(n: int) -> list[np.ndarray]:
    """Return the first n numbered frames."""
    return [numbered_frame(i) for i in range(n)]


def read_numbers(path: Path) -> list[int]:
    """Return the number of each frame of a video."""
    return [
        round((float(f.image[-f.image.shape[0] // 4, -f.image.shape[1] // 4, 0]) - 20) / 8)
        for f in read_frames(path)
    ]


def read_times(path: Path) -> np.ndarray:
    """Return the time of each decoded frame, seconds."""
    return np.array([frame.time for frame in read_frames(path)])
