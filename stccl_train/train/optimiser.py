"""The optimiser and its learning-rate schedule."""

import math
from typing import cast

import torch

from stccl_train.config import TrainConfig
from stccl_train.model.metric import CorrelationMetric


def create_optimiser(
    metric: CorrelationMetric, config: TrainConfig, device: torch.device
) -> torch.optim.AdamW:
    """Create AdamW; matrices and kernels decay, biases and the scales of norms do not."""
    trained = [parameter for parameter in metric.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = cast(tuple[float, float], config.betas)
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=device.type == "cuda")


def learning_rate(step: int, steps: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """Return the learning rate of a step, counted from 0.

    It rises linearly to `lr` for `warmup` epochs, but no longer than a fifth of the run, then falls
    along half a cosine to `last_lr` times `lr`.
    """
    warmup = round(min(config.warmup * steps_per_epoch, steps / 5))
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return config.lr * (
        config.last_lr + (1 - config.last_lr) * 0.5 * (1 + math.cos(math.pi * progress))
    )
