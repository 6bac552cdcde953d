"""Real frames for the examples: windows of the clips and pairs of a prepared dataset."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from stccl_data import open_dataset
from stccl_data.dataset import UtteranceClip


class PairedWindow(NamedTuple):
    """Frames of a clip, and those of a clip in another emotion that correspond to them."""

    #: (T, 3, size, size) in [-1, 1]
    source: Tensor
    #: (T, 68, 2) landmarks of the source, in its pixels
    points: Tensor
    #: as the source
    target: Tensor
    #: of the target
    emotion: str


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
    return [
        (read_frames(clip, rows, size), read_points(clip, rows, size))
        for utterance in open_dataset(out).stream(split)
        for clip in utterance.clips.values()
        for rows in windows_of(clip, frames, interval)
    ]


def read_pairs(
    out: str | Path, split: str, frames: int, interval: float, size: int
) -> list[PairedWindow]:
    """Cut the accepted pairs of a split into windows of neutral frames; arguments as above."""
    return [
        PairedWindow(
            read_frames(pair.source, rows, size),
            read_points(pair.source, rows, size),
            read_frames(pair.target, pair.frame_map[rows].tolist(), size),
            pair.target.emotion,
        )
        for utterance in open_dataset(out).stream(split)
        for pair in utterance.pairs()
        if pair.source.emotion == "neutral"
        for rows in windows_of(pair.source, frames, interval)
        if (pair.frame_map[rows] >= 0).all() and pair.target.valid[pair.frame_map[rows]].all()
    ]


def windows_of(clip: UtteranceClip, frames: int, interval: float) -> Iterator[list[int]]:
    """Yield the frames of each window of a clip, all with a face."""
    step = max(1, round(interval / np.median(np.diff(clip.times))))
    span = (frames - 1) * step + 1
    for first in range(0, len(clip) - span + 1, span):
        rows = list(range(first, first + span, step))
        if clip.valid[rows].all():
            yield rows


def read_frames(clip: UtteranceClip, rows: list[int], size: int) -> Tensor:
    images = [cv2.resize(frame, (size, size)) for frame in clip.frames("face", rows)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 127.5 - 1


def read_points(clip: UtteranceClip, rows: list[int], size: int) -> Tensor:
    return torch.from_numpy(clip.points("face", rows, size=size))


def batches(
    windows: list[tuple[Tensor, Tensor]], batch: int, steps: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw batches of windows at random: frames (B, T, 3, H, W) and points (B, T, 68, 2)."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(windows), (batch,), generator=generator).tolist()
        frames, points = zip(*(windows[row] for row in rows), strict=True)
        yield torch.stack(frames), torch.stack(points)
