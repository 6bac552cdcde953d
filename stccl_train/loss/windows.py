"""Windows of a loss: frames made square, sequences cut into windows of the metric's length."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stccl_train.model.regions import box_mask, region_boxes


class LossWindows(NamedTuple):
    """B windows of T frames."""

    #: (B, T, 3, H, W), square.
    source: Tensor
    #: (B, T, 3, H', W'), square.
    generated: Tensor
    #: (B, T, 68, 2), pixels of `source`.
    points: Tensor | None
    #: (B, H, W) bool, square.
    mask: Tensor | None

    @classmethod
    def fit(
        cls, source: Tensor, generated: Tensor, points: Tensor | None, mask: Tensor | None
    ) -> "LossWindows":
        """Clamp frames to [-1, 1] and keep the middle of those that are not square."""
        if points is not None:
            height, width = source.shape[-2:]
            side = min(height, width)
            cut = (width - side) // 2, (height - side) // 2
            points = torch.stack([points[..., i] - cut[i] for i in (0, 1)], dim=-1)
        return cls(
            _centre_square(_clamp(source.detach())),
            _centre_square(_clamp(generated)),
            points,
            None if mask is None else _centre_square(mask),
        )

    def cut(self, frames: int, stride: int) -> "LossWindows":
        """Cut sequences of N frames into n windows each; shorter ones stay one window.

        Args:
            frames: T, of a window.
            stride: frames from one frame of a window to the next.
        """
        count = self.source.shape[1]
        rows = window_frames(count, frames, stride, self.source.device)
        if rows.shape == (1, count):
            return self
        return LossWindows(
            self.source[:, rows].flatten(0, 1),
            self.generated[:, rows].flatten(0, 1),
            None if self.points is None else self.points[:, rows].flatten(0, 1),
            None if self.mask is None else self.mask.repeat_interleave(len(rows), 0),
        )

    def region(self, side: int) -> Tensor | None:
        """Return which pixels are in the mask, or else at the mouth.

        Args:
            side: of the frames whose pixels are meant.

        Returns:
            (B, side, side) bool, all pixels in a window without a region; None without mask and
            points.
        """
        if self.mask is not None:
            region = functional.interpolate(self.mask[:, None].float(), (side, side))[:, 0] > 0
        elif self.points is not None:
            boxes = region_boxes(self.points, self.source.shape[-1])[:, 0]
            region = box_mask(boxes, side, side, side)
        else:
            return None
        return region | ~region.flatten(1).any(1)[:, None, None]

    def hold_rest(self) -> "LossWindows":
        """Let only the generated pixels in the region, the mask or else the mouth, get a gradient.

        A token at the mouth sees far beyond it, and would pull at brows and eyes too
        (docs/evaluation.md). In windows without a region all pixels get one.
        """
        region = self.region(self.generated.shape[-1])
        if region is None:
            return self
        held = torch.where(region[:, None, None], self.generated, self.generated.detach())
        return self._replace(generated=held)


def window_frames(
    count: int, frames: int, stride: int = 1, device: torch.device | None = None
) -> Tensor:
    """Return which frames of a sequence are in each window.

    Every frame that a whole window can reach is in one.

    Args:
        count: N, frames of the sequence.
        frames: T, of a window.
        stride: frames from one frame of a window to the next.
        device: where the result is made.

    Returns:
        (n, T) int64; (1, fewer than T) if no whole window fits.
    """
    span = (frames - 1) * stride + 1
    if count < span:
        return torch.arange(0, count, stride, device=device)[None]
    starts: list[int] = []
    for first in range(min(stride, count - span + 1)):
        last = first + (count - span - first) // stride * stride
        starts += dict.fromkeys([*range(first, last + 1, frames * stride), last])
    return torch.stack(
        [torch.arange(start, start + span, stride, device=device) for start in starts]
    )


def _clamp(frames: Tensor) -> Tensor:
    """Clamp to [-1, 1]; NaN and infinity stay."""
    return torch.where(frames.isfinite(), frames.clamp(-1, 1), frames)


def _centre_square(frames: Tensor) -> Tensor:
    """Cut the largest centred square from (..., H, W)."""
    height, width = frames.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return frames[..., top : top + side, left : left + side]
