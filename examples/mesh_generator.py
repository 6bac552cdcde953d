"""Train a generator of face parameters through a differentiable render, with the loss at 0.1.

A network reads a frame and moves the vertices of a flat mesh, as a model of blendshapes would; a
render in plain torch draws the mesh with the texture of the clip's first frame. The gradient of the
loss passes through the render into the parameters. (With a real renderer, such as nvdiffrast, only
`render` changes.)

    python examples/mesh_generator.py OUT RUN
"""

import argparse

import torch
from clips import batches, read_windows
from torch import Tensor, nn
from torch.nn import functional

from stccl_train import STCCLLoss


class ParameterGenerator(nn.Module):
    """Maps frames (N, 3, H, W) to parameters of the mesh, (N, P)."""

    def __init__(self, parameters: int = 12, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 5, 4, 2), nn.ReLU(), nn.Conv2d(width, width, 5, 4, 2), nn.ReLU()
        )
        self.last = nn.Linear(width * 16, parameters)

    def forward(self, frames: Tensor) -> Tensor:
        features = functional.adaptive_avg_pool2d(self.features(frames), 4)
        return self.last(features.flatten(1))


class Mesh(nn.Module):
    """A grid of vertices whose shapes are learned: parameters (N, P) to offsets (N, 2, G, G)."""

    def __init__(self, parameters: int = 12, grid: int = 12) -> None:
        super().__init__()
        self.shapes = nn.Parameter(torch.randn(parameters, 2, grid, grid) * 0.01)

    def forward(self, parameters: Tensor) -> Tensor:
        return torch.einsum("np,pcij->ncij", parameters, self.shapes)


def render(texture: Tensor, offsets: Tensor) -> Tensor:
    """Draw a texture (N, 3, H, W) on a mesh whose vertices are moved by offsets (N, 2, G, G)."""
    count, _, height, width = texture.shape
    flow = functional.interpolate(offsets, (height, width), mode="bilinear", align_corners=True)
    places = functional.affine_grid(
        torch.eye(2, 3).expand(count, 2, 3), texture.shape, align_corners=False
    )
    return functional.grid_sample(
        texture, places + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("run")
    parser.add_argument("--steps", type=int, default=300)
    a = parser.parse_args()
    torch.manual_seed(0)
    crit = STCCLLoss.from_run(a.run, weight=0.1)
    c = crit.config
    windows = read_windows(a.out, "train", c.frames, c.interval, c.size)
    generator, mesh = ParameterGenerator(), Mesh()
    optimiser = torch.optim.Adam([*generator.parameters(), *mesh.parameters()], lr=1e-3)
    for step, (frames, points) in enumerate(batches(windows, 2, a.steps, seed=0)):
        texture = frames[:, :1].expand_as(frames).flatten(0, 1)
        generated = render(texture, mesh(generator(frames.flatten(0, 1)))).view_as(frames)
        l1 = functional.l1_loss(generated, frames)
        speech = crit(frames, generated, source_points=points)
        optimiser.zero_grad()
        (l1 + speech).backward()
        optimiser.step()
        if step % 20 == 0:
            print(f"step {step}: L1 {l1.item():.4f}, speech {speech.item():.5f}", flush=True)


if __name__ == "__main__":
    main()
