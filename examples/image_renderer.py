"""Train an image renderer on self-reconstruction, with the loss beside a mean L1.

A renderer (NED's is one) draws each frame from a poor version of it; here a small U-Net draws faces
from frames that were reduced to 24 x 24 pixels, in which a mouth is six pixels wide.

    python examples/image_renderer.py OUT RUN --weight 0.3
    python examples/image_renderer.py OUT RUN --weight 0      # without the loss

prints the mean L1 and the error of the lips' opening on held-out speakers.
"""

import argparse

import numpy as np
import torch
from clips import batches, read_windows
from torch import Tensor, nn
from torch.nn import functional

from stccl_data import face_points
from stccl_data.errors import ClipError
from stccl_train import STCCLLoss

REDUCED = 24


class UNet(nn.Module):
    """Draws frames: (N, channels_in, H, W) to (N, 3, H, W) in [-1, 1]."""

    def __init__(self, channels_in: int = 3, width: int = 16) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [conv(channels_in, width), conv(width, 2 * width, 2), conv(2 * width, 4 * width, 2)]
        )
        self.up = nn.ModuleList([conv(6 * width, 2 * width), conv(3 * width, width)])
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = functional.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], 1))
        return self.last(x).tanh()


def conv(channels_in: int, channels: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, 1), nn.GroupNorm(4, channels), nn.SiLU()
    )


def poor(frames: Tensor) -> Tensor:
    """Reduce frames (N, 3, H, W) to 24 x 24 pixels, at their size."""
    small = functional.interpolate(frames, (REDUCED, REDUCED), mode="area")
    return functional.interpolate(small, frames.shape[-2:], mode="bilinear", align_corners=False)


def train(out: str, crit: STCCLLoss, steps: int, seed: int) -> UNet:
    torch.manual_seed(seed)
    c = crit.config
    windows = read_windows(out, "train", c.frames, c.interval, c.size)
    model = UNet()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step, (frames, points) in enumerate(batches(windows, 1, steps, seed)):
        generated = model(poor(frames.flatten(0, 1))).view_as(frames)
        loss = functional.l1_loss(generated, frames)
        if crit.weight:
            loss = loss + crit(frames, generated, source_points=points)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    return model


@torch.no_grad()
def evaluate(model: UNet, crit: STCCLLoss, out: str, split: str, most: int) -> dict[str, float]:
    """Compare drawn frames with the true ones: mean L1, and the lips as a landmarker sees them."""
    l1, errors, correlations = [], [], []
    c = crit.config
    windows = read_windows(out, split, c.frames, c.interval, c.size)
    for frames, _ in windows[:: -(-len(windows) // most)]:
        drawn = model(poor(frames))
        l1.append(functional.l1_loss(drawn, frames).item())
        try:
            true, ours = (opening(side, 1 / c.interval) for side in (frames, drawn))
        except ClipError:  # no face in any frame
            continue
        errors.append(float(np.nanmean(abs(true - ours))))
        correlations.append(float(np.corrcoef(true, ours)[0, 1]))
    return {
        "l1": float(np.mean(l1)),
        "lip_error": float(np.mean(errors or np.nan)),
        "lip_correlation": float(np.nanmean(correlations or np.nan)),
    }


def opening(frames: Tensor, fps: float) -> np.ndarray:
    """Return the opening of the lips in each frame, as a share of the distance of the eyes."""
    large = functional.interpolate(frames, (224, 224), mode="bilinear", align_corners=False)
    pixels = ((large + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    points = face_points(pixels.numpy(), fps=fps)
    eyes = np.linalg.norm(points[:, 36] - points[:, 45], axis=-1)
    return np.linalg.norm(points[:, 62] - points[:, 66], axis=-1) / eyes


def read_options(description: str | None, weight: float, steps: int) -> argparse.Namespace:
    """Read the options of the command line, of which these are defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out")
    parser.add_argument("run")
    parser.add_argument("--weight", type=float, default=weight)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", default="test", help="whose windows to evaluate on")
    parser.add_argument("--windows", type=int, default=40, help="at most so many of them")
    return parser.parse_args()


def main() -> None:
    a = read_options(__doc__, weight=0.3, steps=300)
    crit = STCCLLoss.from_run(a.run, weight=a.weight)
    model = train(a.out, crit, a.steps, a.seed)
    print(a.weight, a.seed, evaluate(model, crit, a.out, a.split, a.windows))


if __name__ == "__main__":
    main()
