"""Train a sequence model that moves a still face, with the loss on whole clips.

A recurrent network reads one number per frame, how open the lips are, as a stand-in for sound, and
warps the first frame of the clip. The loss takes consecutive frames of the video, cuts its windows
from them (``fps=``) and computes features again in the backward pass, so that the length of a clip
costs no memory.

    python examples/sequence_model.py OUT RUN
"""

import argparse

import torch
from clips import batches, read_windows
from torch import Tensor, nn
from torch.nn import functional

from stccl_train import STCCLLoss


class TalkingFace(nn.Module):
    """Warps the first frame (B, 3, H, W) along a signal (B, N), to frames (B, N, 3, H, W)."""

    def __init__(self, hidden: int = 32, grid: int = 8) -> None:
        super().__init__()
        self.grid = grid
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.flow = nn.Linear(hidden, 2 * grid * grid)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)

    def forward(self, first: Tensor, signal: Tensor) -> Tensor:
        batch, count = signal.shape
        hidden, _ = self.rnn(signal[..., None])
        flow = self.flow(hidden).view(batch * count, 2, self.grid, self.grid)
        flow = functional.interpolate(flow, first.shape[-2:], mode="bicubic", align_corners=False)
        still = torch.eye(2, 3).expand(batch * count, 2, 3)
        places = functional.affine_grid(still, flow.shape[:1] + first.shape[1:], False)
        images = first[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)
        moved = functional.grid_sample(
            images, places + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
        return moved.view(batch, count, *first.shape[1:])


def opening(points: Tensor) -> Tensor:
    """Return the opening of the lips, (B, N), from landmarks (B, N, 68, 2)."""
    lips = (points[..., 62, :] - points[..., 66, :]).norm(dim=-1)
    return lips / (points[..., 36, :] - points[..., 45, :]).norm(dim=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("run")
    parser.add_argument("--fps", type=float, default=25)
    parser.add_argument("--frames", type=int, default=32, help="consecutive frames of a clip")
    parser.add_argument("--steps", type=int, default=300)
    a = parser.parse_args()
    torch.manual_seed(0)
    crit = STCCLLoss.from_run(a.run, weight=0.3, chunk=4, checkpointing=True)
    clips = read_windows(a.out, "train", a.frames, 1 / a.fps, crit.config.size)
    model = TalkingFace()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step, (frames, points) in enumerate(batches(clips, 1, a.steps, seed=0)):
        generated = model(frames[:, 0], opening(points))
        l1 = functional.l1_loss(generated, frames)
        speech = crit(frames, generated, source_points=points, fps=a.fps)
        optimiser.zero_grad()
        (l1 + speech).backward()
        optimiser.step()
        if step % 20 == 0:
            print(f"step {step}: L1 {l1.item():.4f}, speech {speech.item():.5f}", flush=True)


if __name__ == "__main__":
    main()
