"""One forward pass of the metric, the same in training and validation."""

from typing import cast

import torch

from stccl_train.config import TrainConfig
from stccl_train.data.collate import Batch
from stccl_train.model.metric import MetricOutput
from stccl_train.seeding import torch_generator


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
    places = [torch_generator(config.seed, number, device=device) for number in windows]
    source, target, points = (
        side.to(device, non_blocking=True)
        for side in (batch.source, batch.target, batch.source_points)
    )
    bf16 = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        return cast(MetricOutput, model(source, target, places, points, config.draws))
