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


def counted_frames(n: int) -> list[np.ndarray]:
    """Return n frames (64, 128, 3) uint8 that show their number, to 255, as 8 black or white bars.

    They are told apart in long videos, where grey levels are too close.
    """
    bits = (np.arange(n)[:, None] >> np.arange(8)) & 1
    return [
        np.repeat(np.repeat(row, 16)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8) * 215 + 20
        for row in bits
    ]


def read_count(image: np.ndarray) -> int:
    """Return the number that a counted frame shows."""
    bars = image[32, 8::16, 0] > 128
    return int((bars << np.arange(8)).sum())
