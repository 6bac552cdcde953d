"""Train a latent diffusion model with the loss on the decoded estimate of the clean frames.

The denoiser predicts the noise; from it follows the estimate of the clean latent x0, which the
frozen decoder turns into frames for the loss. At large noise x0 says nothing yet, so the loss is
weighted by the share of signal. Runs in mixed precision as such trainers do: overflows make the
loss NaN, and the scaler skips the step.

    python examples/latent_diffusion.py OUT RUN
"""

import argparse

import torch
from clips import batches, read_windows
from torch import Tensor, nn
from torch.nn import functional

from stccl_train import STCCLLoss


class Codec(nn.Module):
    """A frozen autoencoder's place: patches of 8 x 8 pixels in a fixed basis of 48 numbers."""

    def __init__(self, patch: int = 8, channels: int = 48) -> None:
        super().__init__()
        basis, _ = torch.linalg.qr(torch.randn(3 * patch * patch, channels))
        # Averages of blocks first: most of what a patch shows.
        blocks = functional.interpolate(torch.eye(channels).view(channels, 3, 4, 4), (patch, patch))
        basis = torch.linalg.qr(blocks.flatten(1).T + 1e-3 * basis)[0]
        self.register_buffer("kernel", basis.T.reshape(channels, 3, patch, patch).contiguous())
        self.patch = patch

    def encode(self, frames: Tensor) -> Tensor:
        return functional.conv2d(frames, self.kernel, stride=self.patch) / 4

    def decode(self, latents: Tensor) -> Tensor:
        return functional.conv_transpose2d(latents * 4, self.kernel, stride=self.patch)


class Denoiser(nn.Module):
    """Predicts the noise of latents (N, C, h, w) at times (N,) from 0 to 1."""

    def __init__(self, channels: int = 48, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels + 1, width, 3, padding=1)
        self.middle = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU())
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, latents: Tensor, time: Tensor) -> Tensor:
        times = time[:, None, None, None].expand(-1, 1, *latents.shape[-2:])
        return self.last(self.middle(self.first(torch.cat([latents, times], 1))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("run")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=300)
    a = parser.parse_args()
    torch.manual_seed(0)
    crit = STCCLLoss.from_run(a.run, weight=0.3).to(a.device)
    c = crit.config
    windows = read_windows(a.out, "train", c.frames, c.interval, c.size)
    codec, model = Codec().to(a.device).requires_grad_(False), Denoiser().to(a.device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler(a.device, enabled=a.device != "cpu")
    precision = torch.bfloat16 if a.device == "cpu" else torch.float16
    for step, (frames, points) in enumerate(batches(windows, 2, a.steps, seed=0)):
        frames = frames.to(a.device)
        with torch.autocast(a.device, precision):
            clean = codec.encode(frames.flatten(0, 1))
            time = torch.rand(len(frames), device=a.device)  # one for all frames of a window
            signal = (time * torch.pi / 2).cos().repeat_interleave(c.frames)
            noise = torch.randn_like(clean)
            alpha = signal[:, None, None, None]
            noisy = alpha * clean + (1 - alpha**2).sqrt() * noise
            predicted = model(noisy, time.repeat_interleave(c.frames))
            x0 = (noisy - (1 - alpha**2).sqrt() * predicted) / alpha.clamp_min(0.05)
            decoded = codec.decode(x0).view_as(frames)
            denoising = functional.mse_loss(predicted.float(), noise.float())
            speech = crit(frames, decoded.clamp(-1, 1), source_points=points.to(a.device))
            loss = denoising + signal.mean() ** 2 * speech
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        if step % 20 == 0:
            print(f"step {step}: noise {denoising.item():.4f}, speech {speech.item():.5f}")


if __name__ == "__main__":
    main()
