"""A small generator that gives a face another expression, and its critic. For `plugin.py`."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Largest displacement of a pixel, as a share of the frame.
_REACH = 0.08


class _Block(nn.Module):
    """A residual block whose scale and bias depend on the emotion."""

    def __init__(self, channels: int, emotions: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.one = nn.Conv2d(channels, channels, 3, 1, 1)
        self.two = nn.Conv2d(channels, channels, 3, 1, 1)
        self.style = nn.Embedding(emotions, 2 * channels)
        nn.init.normal_(self.style.weight, std=0.1)

    def forward(self, x: Tensor, emotion: Tensor) -> Tensor:
        scale, bias = self.style(emotion)[..., None, None].chunk(2, 1)
        h = functional.relu(self.norm(x) * (1 + scale) + bias)
        return x + self.two(functional.relu(self.one(h)))


class Generator(nn.Module):
    """Displaces the pixels of a frame smoothly, and adds to their colours.

    Convolutions at a half and a quarter of the frame's size; at first it changes nothing.
    """

    def __init__(self, emotions: int, channels: int = 32, blocks: int = 2) -> None:
        super().__init__()
        half = channels // 2
        self.down = nn.Sequential(
            nn.Conv2d(3, half, 4, 2, 1), nn.ReLU(), nn.Conv2d(half, channels, 4, 2, 1), nn.ReLU()
        )
        self.blocks = nn.ModuleList(_Block(channels, emotions) for _ in range(blocks))
        self.flow = nn.Conv2d(channels, 2, 3, 1, 1)
        self.up = nn.Conv2d(channels, half, 3, 1, 1)
        self.colour = nn.Conv2d(half, 12, 3, 1, 1)
        for layer in (self.flow, self.colour):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, frames: Tensor, emotion: Tensor) -> Tensor:
        """Map frames (N, 3, S, S) in [-1, 1] to each one's emotion, (N,) int64."""
        h = self.down(frames)
        for block in self.blocks:
            h = block(h, emotion)
        size = frames.shape[-2:]
        flow = functional.interpolate(
            2 * _REACH * torch.tanh(self.flow(h)), size, mode="bilinear", align_corners=False
        )
        unmoved = torch.eye(2, 3, device=frames.device).expand(len(frames), -1, -1)
        grid = functional.affine_grid(unmoved, list(frames.shape), align_corners=False)
        moved = functional.grid_sample(
            frames, grid + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
        h = functional.relu(self.up(functional.interpolate(h, scale_factor=2.0)))
        return (moved + functional.pixel_shuffle(self.colour(h), 2)).clamp(-1, 1)


class Critic(nn.Module):
    """Says of each patch of a frame whether it is real and of the emotion named (a projection)."""

    def __init__(self, emotions: int, channels: int = 24) -> None:
        super().__init__()
        widths = (3, channels, 2 * channels, 4 * channels)
        self.layers = nn.Sequential(
            *(
                part
                for a, b in pairwise(widths)
                for part in (
                    nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 4, 2, 1)),
                    nn.LeakyReLU(0.2),
                )
            )
        )
        self.real = nn.Conv2d(widths[-1], 1, 1)
        # By place as well: a raised brow is a matter of where.
        self.place = nn.Parameter(0.02 * torch.randn(emotions, widths[-1], 8, 8))

    def forward(self, frames: Tensor, emotion: Tensor) -> Tensor:
        """Map frames (N, 3, 64, 64) and the emotion of each, (N,), to (N, 8, 8)."""
        h = self.layers(frames)
        match: Tensor = (h * self.place[emotion]).sum(1)
        return self.real(h)[:, 0] + match
