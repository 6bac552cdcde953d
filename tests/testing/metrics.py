"""Metrics for tests."""

import torch

from stccl_train.config import MetricConfig
from stccl_train.model.metric import CorrelationMetric


def tiny_metric(freeze_backbone: bool = False, variant: str = "vd") -> CorrelationMetric:
    """Return an untrained metric for windows of three frames of 64 pixels, always the same."""
    torch.manual_seed(0)
    config = MetricConfig(backbone="tiny", frames=3, size=64, variant=variant)  # type: ignore[arg-type]
    return CorrelationMetric(config, freeze_backbone=freeze_backbone)
