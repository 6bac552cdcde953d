"""Real frames for the examples: windows of the clips of a prepared dataset."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stccl_data import open_dataset


def read_windows(
    out: str | Path, split: str, frames: int, interval: float, size: int
) -> list[tuple[Tensor, Tensor]]:
    """Cut the clips of a split into windows, one after the other.

    Args:
        out: the dataset that `stccl prepare` wrote.
        split: train, val or test.
        frames: T, of a window.
        interval: seconds from one frame of a window to the next.
        size: side of the frames, pixels.

    Returns:
        For each window (T, 3, size, size) in [-1, 1] and the landmarks (T, 68, 2) in its pixels.
    """
    windows = []
    for utterance in open_dataset(out).stream(split):
        for clip in utterance.clips.values():
            step = max(1, round(interval / np.median(np.diff(clip.times))))
            span = (frames - 1) * step + 1
            for first in range(0, len(clip) - span + 1, span):
                rows = list(range(first, first + span, step))
                if clip.valid[rows].all():
                    images = [cv2.resize(f, (size, size)) for f in clip.frames("face", rows)]
                    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
                    points = torch.from_numpy(clip.points("face", rows, size=size))
                    windows.append((pixels / 127.5 - 1, points))
    return windows


def batches(
    windows: list[tuple[Tensor, Tensor]], batch: int, steps: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw batches of windows at random: frames (B, T, 3, H, W) and points (B, T, 68, 2)."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(windows), (batch,), generator=generator).tolist()
        frames, points = zip(*(windows[row] for row in rows), strict=True)
        yield torch.stack(frames), torch.stack(points)
