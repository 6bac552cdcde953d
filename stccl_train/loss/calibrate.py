"""Measure the scale of a loss on real pairs."""

from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from stccl_data.dataset import Dataset
from stccl_train.data.collate import batches
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.windows import WindowShape
from stccl_train.loss.scale import Calibration, Levels, setting, write_calibration
from stccl_train.loss.stccl_loss import STCCLLoss
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.seeding import torch_generator

#: Windows that are measured, and at once.
_WINDOWS, _BATCH = 32, 8

#: Seconds that make frames unlike the source's speech, as in the verdict.
_SHIFT = 0.4


class _Sides(NamedTuple):
    """Windows of one source and three targets, (B, T, 3, H, W) uint8 each."""

    source: Tensor
    #: (B, T, 68, 2), pixels of `source`.
    points: Tensor
    itself: Tensor
    aligned: Tensor
    shifted: Tensor


def calibrate(metric: CorrelationMetric, dataset: Dataset) -> Calibration | None:
    """Measure what the loss of a metric says of real pairs.

    Args:
        metric: the metric.
        dataset: what it was trained on; pairs of the val split, or of train without one.

    Returns:
        None if no pair is long enough to be shifted.

    Raises:
        ShardError: the dataset is corrupt.
    """
    for split in ("val", "train"):
        sides = _sides(metric, dataset, split) if split in dataset.splits else []
        if sides:
            levels = {
                setting(frames, mouth): _levels(metric, sides, frames, mouth)
                for frames in sorted({1, metric.config.frames})
                for mouth in (True, False)
                if frames > 1 or any(kind.exists_in(1) for kind in metric.kinds)
            }
            windows = sum(len(batch.source) for batch in sides)
            return Calibration(split=split, windows=windows, levels=levels)
    return None


def calibrate_run(run: str | Path, dataset: Dataset, device: torch.device) -> None:
    """Measure the scale of the metric in ``run`` and store it there.

    Raises:
        MetricError: no usable metric in ``run``.
        ShardError: the dataset is corrupt.
    """
    calibration = calibrate(load_metric(run).to(device), dataset)
    if calibration is not None:
        write_calibration(run, calibration)


def _sides(metric: CorrelationMetric, dataset: Dataset, split: str) -> list[_Sides]:
    """Read the same windows aligned and shifted."""
    shape = WindowShape(metric.config.frames, metric.config.interval)
    aligned, shifted = (
        batches(
            islice(
                evaluation_windows(dataset, split, shape, 1, shift=shift, margin=_SHIFT), _WINDOWS
            ),
            _BATCH,
            metric.config.size,
        )
        for shift in (0.0, _SHIFT)
    )
    return [
        _Sides(a.source, a.source_points, itself=a.source, aligned=a.target, shifted=b.target)
        for a, b in zip(aligned, shifted, strict=True)
    ]


@torch.no_grad()
def _levels(metric: CorrelationMetric, sides: list[_Sides], frames: int, mouth: bool) -> Levels:
    """Return the mean values of each part, over all windows."""
    crit = STCCLLoss(metric, region="mouth" if mouth else "face", check_range=False)
    device = metric.scale.device
    sums = {name: defaultdict[str, float](float) for name in ("itself", "aligned", "shifted")}
    for number, batch in enumerate(sides):
        source, points = (side[:, :frames].to(device) for side in batch[:2])
        for name, by_part in sums.items():
            target = getattr(batch, name)[:, :frames].to(device)
            places = torch_generator(0, number)
            result = crit(_floats(source), _floats(target), places, points, return_parts=True)
            for part, value in result.parts.items():
                by_part[part] += value.item() * len(source)
    windows = sum(len(batch.source) for batch in sides)
    return Levels(**{n: {k: round(v / windows, 5) for k, v in d.items()} for n, d in sums.items()})


def _floats(frames: Tensor) -> Tensor:
    return frames.float() / 127.5 - 1
