"""A small generator that lets a face in a reference frame speak. For `plugin.py`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Largest displacement of a pixel, as a share of the frame.
_REACH = 0.08


class _Block(nn.Module):
    """A residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.one = nn.Conv2d(channels, channels, 3, 1, 1)
        self.two = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.two(functional.relu(self.one(functional.relu(self.norm(x)))))
        return x + h


class Generator(nn.Module):
    """Displaces the pixels of the reference smoothly, and adds to their colours.

    Convolutions at a half and a quarter of the frame's size; at first it returns the reference.
    """

    def __init__(self, channels: int = 32, blocks: int = 2) -> None:
        super().__init__()
        half = channels // 2
        self.inner = nn.Sequential(
            nn.Conv2d(6, half, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(half, channels, 4, 2, 1),
            nn.ReLU(),
            *(_Block(channels) for _ in range(blocks)),
        )
        self.flow = nn.Conv2d(channels, 2, 3, 1, 1)
        self.up = nn.Conv2d(channels, half, 3, 1, 1)
        self.colour = nn.Conv2d(half, 12, 3, 1, 1)
        for layer in (self.flow, self.colour):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, source: Tensor, reference: Tensor) -> Tensor:
        """Map frames that speak and the face that shall, (N, 3, S, S) each, in [-1, 1]."""
        h = self.inner(torch.cat([source, reference], dim=1))
        size = reference.shape[-2:]
        flow = functional.interpolate(
            2 * _REACH * torch.tanh(self.flow(h)), size, mode="bilinear", align_corners=False
        )
        unmoved = torch.eye(2, 3, device=source.device).expand(len(source), -1, -1)
        grid = functional.affine_grid(unmoved, list(reference.shape), align_corners=False)
        moved = functional.grid_sample(
            reference, grid + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
        h = functional.relu(self.up(functional.interpolate(h, scale_factor=2.0)))
        return (moved + functional.pixel_shuffle(self.colour(h), 2)).clamp(-1, 1)
