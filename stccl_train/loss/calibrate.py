"""Measure the scale of a loss on real pairs."""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from stccl_data.dataset import Dataset
from stccl_train.data.collate import Batch, batches
from stccl_train.data.controls import evaluation_windows, spread
from stccl_train.data.windows import WindowShape
from stccl_train.eval.shift import VERDICT_SHIFT
from stccl_train.loss.parts import LossForm
from stccl_train.loss.scale import Calibration, RealPairs, setting_name, write_calibration
from stccl_train.loss.stccl_loss import STCCLLoss
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric, as_floats
from stccl_train.seeding import torch_generator

#: Windows that are measured, and at once.
_WINDOWS, _BATCH = 16, 8
#: Utterances that they are taken from, and windows of each pair; the most of each.
_UTTERANCES, _PER_PAIR = 16, 2


class _Sides(NamedTuple):
    """Windows of a source and two targets, (B, T, 3, H, W) in [-1, 1]."""

    source: Tensor
    aligned: Tensor
    shifted: Tensor
    #: (B, T, 68, 2), pixels of `source`.
    points: Tensor

    def single_frames(self) -> "_Sides":
        """Return the first, middle and last frame of each window as windows of their own."""
        rows = [0, self.source.shape[1] // 2, -1]
        return _Sides(*(side[:, rows].flatten(0, 1)[:, None] for side in self))


def calibrate(metric: CorrelationMetric, dataset: Dataset) -> Calibration | None:
    """Measure what a loss says of real pairs.

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
            settings = {}
            all_layers = (1.0,) * len(metric.backbone.channels)
            for mouth, form in product((True, False), get_args(LossForm)):
                shared: dict[str, Any] = {
                    "region": "mouth" if mouth else "face",
                    "form": form,
                    "check_range": False,
                }
                crit = STCCLLoss(metric, **shared)
                every = STCCLLoss(metric, **shared, layers=all_layers)
                for frames in sorted({1, metric.config.frames}):
                    if crit.accepts(frames):
                        shown = sides if frames > 1 else [s.single_frames() for s in sides]
                        settings[setting_name(frames, mouth, form)] = _real_pairs(
                            crit, every, shown
                        )
            windows = sum(len(batch.source) for batch in sides)
            return Calibration(split=split, windows=windows, settings=settings)
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
    """Read the same windows aligned and shifted, as floats, evenly spread over the split."""
    shape = WindowShape(metric.config.frames, metric.config.interval)
    keys = spread(dataset.keys(split), _UTTERANCES)

    def read(shift: float) -> Iterator[Batch]:
        windows = evaluation_windows(
            dataset, split, shape, _PER_PAIR, shift=shift, margin=VERDICT_SHIFT, keys=keys
        )
        return batches(spread(list(windows), _WINDOWS), _BATCH, metric.config.size)

    return [
        _Sides(as_floats(a.source), as_floats(a.target), as_floats(b.target), a.source_points)
        for a, b in zip(read(0.0), read(VERDICT_SHIFT), strict=True)
    ]


def _real_pairs(crit: STCCLLoss, every: STCCLLoss, sides: list[_Sides]) -> RealPairs:
    """Return means over all windows; the slope is the geometric mean over them.

    Args:
        crit: whose slope is measured, of the default layers.
        every: the same of all layers, whose values are measured, so that a user can choose others.
        sides: the windows.
    """
    values = {name: defaultdict[str, float](float) for name in ("itself", "aligned", "shifted")}
    slopes = []
    count = sum(len(batch.source) for batch in sides)
    for number, batch in enumerate(sides):
        source, aligned, shifted, points = (side.to(crit.metric.scale.device) for side in batch)
        for name, target in (("itself", source), ("aligned", aligned), ("shifted", shifted)):
            with torch.no_grad():
                places = torch_generator(0, number)
                result = every(source, target, places, points, return_parts=True)
            for part, value in result.parts.items():
                values[name][part] += value.item() * len(source) / count
        loss = crit(source, aligned.requires_grad_(), torch_generator(0, number), points)
        (gradient,) = torch.autograd.grad(loss, aligned)
        # A window's part of the batch's mean; that of a mean L1 is 1 / sqrt(numbers).
        lengths = gradient.flatten(1).norm(dim=1) * len(source)
        slopes += (lengths * gradient[0].numel() ** 0.5).clamp_min(1e-6).log().tolist()
    rounded = {name: {k: round(v, 5) for k, v in means.items()} for name, means in values.items()}
    return RealPairs(**rounded, slope=round(math.exp(sum(slopes) / len(slopes)), 5))
