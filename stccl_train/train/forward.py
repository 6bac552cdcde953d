"""One forward pass of the metric, the same in training and validation."""

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from stccl_train.config import TrainConfig
from stccl_train.data.collate import Batch
from stccl_train.model.metric import MetricOutput, as_floats
from stccl_train.seeding import torch_generator

#: Sides of the grids of random light.
_CELLS = (3, 6, 12)


def forward(
    model: torch.nn.Module,
    batch: Batch,
    windows: range,
    config: TrainConfig,
    device: torch.device,
) -> MetricOutput:
    """Run the metric on a batch.

    Frames are copied to the device as bytes and converted there.

    Args:
        model: the metric, possibly wrapped.
        batch: the batch.
        windows: number of each window among all windows of the run. It decides, with the seed,
            which places of the window are compared; neither the batch nor the past does.
        config: seed and precision. Under bf16 the metric computes similarities, norms and softmax
            in float32 by itself.
        device: the device of the model.
    """
    source, target, points = (
        side.to(device, non_blocking=True)
        for side in (batch.source, batch.target, batch.source_points)
    )
    if model.training and config.windows.light:
        source, target = (
            _lit(
                as_floats(side),
                config.windows.light,
                torch_generator(config.seed, *key, device=device),
            )
            for side, key in ((source, (windows[0], 1)), (target, (windows[0], 2)))
        )
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")

    def run(model: torch.nn.Module, source: Tensor, target: Tensor) -> MetricOutput:
        places = [torch_generator(config.seed, number, device=device) for number in windows]
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return cast(MetricOutput, model(source, target, places, points, config.draws))

    if model.training and config.attack:
        sides = [as_floats(side).requires_grad_() for side in (source, target)]
        gradients = torch.autograd.grad(run(getattr(model, "module", model), *sides).loss, sides)
        source, target = (
            (side + config.attack * gradient.sign()).clamp(-1, 1).detach()
            for side, gradient in zip(sides, gradients, strict=True)
        )
    return run(model, source, target)


def _lit(frames: Tensor, light: float, generator: torch.Generator) -> Tensor:
    """Light each frame by a smooth random field of its own.

    Args:
        frames: (B, T, 3, H, W) in [-1, 1].
        light: standard deviation of the change.
        generator: of the fields.
    """
    flat = frames.flatten(0, 1)
    field = torch.zeros_like(flat)
    for cells in _CELLS:
        for channels in (1, 3):
            shape = (len(flat), channels, cells, cells)
            knots = torch.randn(shape, generator=generator, device=flat.device)
            field += functional.interpolate(knots, flat.shape[-2:], mode="bicubic")
    field *= light / (2 * len(_CELLS)) ** 0.5
    return ((flat + 1) * torch.exp(field) - 1).clamp(-1, 1).view_as(frames)
