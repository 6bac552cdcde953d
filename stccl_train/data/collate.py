"""Batches: windows decoded, augmented and stacked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.dataset import ShardError
from stccl_data.media.jpeg import decode_jpeg
from stccl_train.data.windows import Window, WindowSide


@dataclass(frozen=True, slots=True)
class Batch:
    """B windows of T frames each; `len` is B."""

    #: (B, T, 3, H, W) uint8, RGB
    source: Tensor
    #: (B, T, 3, H, W) uint8, RGB
    target: Tensor
    #: (B, T, 68, 2) float32, iBUG order, pixels of `source` (pixel (i, j) covers
    #: [j, j+1) x [i, i+1)), NaN where unknown
    source_points: Tensor
    #: of each window, for messages
    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory; `DataLoader` calls this."""
        return Batch(
            self.source.pin_memory(),
            self.target.pin_memory(),
            self.source_points.pin_memory(),
            self.names,
        )


def collate(windows: Sequence[Window], size: int) -> Batch:
    """Decode windows into a batch.

    Args:
        windows: one or more windows of equal length.
        size: width and height of the frames, pixels.

    Raises:
        ShardError: a JPEG cannot be decoded.
    """
    sources = [_decode_side(window, window.source, size) for window in windows]
    targets = [_decode_side(window, window.target, size) for window in windows]
    return Batch(
        source=_stack_frames([frames for frames, _ in sources]),
        target=_stack_frames([frames for frames, _ in targets]),
        source_points=torch.from_numpy(np.stack([points for _, points in sources])),
        names=[window.name for window in windows],
    )


def batches(windows: Iterable[Window], batch: int, size: int) -> Iterator[Batch]:
    """Yield the windows in order as batches of `batch` windows; the last one may be smaller."""
    remaining = iter(windows)
    while chunk := list(islice(remaining, batch)):
        yield collate(chunk, size)


def _stack_frames(frames: Sequence[NDArray[np.uint8]]) -> Tensor:
    """(B, T, 3, H, W), a view of (B, T, H, W, 3): the channels-last layout convolutions prefer."""
    return torch.from_numpy(np.stack(frames)).permute(0, 1, 4, 2, 3)


def _decode_side(
    window: Window, side: WindowSide, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(T, H, W, 3) uint8 RGB and (T, 68, 2) float32, resized and augmented."""
    frames = np.empty((len(side.jpegs), size, size, 3), np.uint8)
    stored_size = size
    for i, data in enumerate(side.jpegs):
        if i and data is side.jpegs[i - 1]:  # the frame map repeats a frame
            frames[i] = frames[i - 1]
            continue
        try:
            image = decode_jpeg(data)
        except ValueError as error:
            raise ShardError(f"{window.name}: {error}; run `stccl verify --decode`") from None
        stored_size = image.shape[0]
        if stored_size != size:
            interpolation = cv2.INTER_AREA if size < stored_size else cv2.INTER_LINEAR
            image = np.asarray(
                cv2.resize(image, (size, size), interpolation=interpolation), np.uint8
            )
        frames[i] = window.augmentation.apply_to_image(image)
    points = side.points * np.float32(size / stored_size)
    return frames, window.augmentation.apply_to_points(points, size)
