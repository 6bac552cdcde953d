"""The plug-in loss: a trained metric as a loss term of any expression-manipulation trainer.

crit = STCCLLoss.from_run("RUN").to(device)
loss = loss + crit(source, generated)
"""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from stccl_data.errors import UsageError
from stccl_train.config import MetricConfig
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.token_kinds import TCC_CM
from stccl_train.model.tokens import Generators

#: Weight of the sum over layers in the paper's image models; 0.1 for rendered meshes (STCCL,
#: section 4.1).
IMAGE_WEIGHT = 0.3

#: A generator without tanh may overshoot [-1, 1] a little.
_RANGE = 1.1


class STCCLLoss(nn.Module):
    """Loss of generated frames: weight * (sum over layers of SCC + eta * sum over layers of TCC).

    The metric is frozen and stays in eval mode, whatever ``.train()`` or ``.requires_grad_()`` is
    called on. Only the generated frames receive a gradient.

    Args:
        metric: is copied.
        weight: of the loss.
        check_range: check that frames are in [-1, 1], which waits for the GPU once per call.
    """

    def __init__(
        self, metric: CorrelationMetric, weight: float = IMAGE_WEIGHT, check_range: bool = True
    ) -> None:
        super().__init__()
        self.metric = copy.deepcopy(metric).requires_grad_(False).eval()
        self.weight, self.check_range = weight, check_range

    @classmethod
    def from_run(
        cls, run: str | Path, weight: float = IMAGE_WEIGHT, check_range: bool = True
    ) -> "STCCLLoss":
        """Build the loss from the metric that `stccl train` wrote into ``run``.

        Raises:
            MetricError: no usable metric in ``run``.
        """
        return cls(load_metric(run), weight, check_range)

    @property
    def config(self) -> MetricConfig:
        """What the metric was trained on: ``frames``, ``interval``, ``size``, ..."""
        return self.metric.config

    def train(self, mode: bool = True) -> "STCCLLoss":
        """Stay in eval mode, whatever ``mode`` is."""
        return super().train(False)

    def forward(
        self,
        source: Tensor,
        generated: Tensor,
        generator: Generators = None,
        source_points: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss.

        Args:
            source: (B, T, 3, H, W) RGB, float in [-1, 1]: T frames, ``config.interval``
                seconds apart, faces aligned to the crop template of `stccl prepare`. Any H and W;
                frames are resized inside. With T = 1 the temporal term is left out.
            generated: (B, T, 3, H', W'), the same frames manipulated.
            generator: as in `CorrelationMetric.forward`.
            source_points: (B, T, 68, 2), iBUG points in pixels of ``source``. With them
                ``config.mouth`` of the places is drawn at the mouth, where speech is; without them
                places are drawn evenly, and aligned frames differ less from others.

        Returns:
            Scalar.

        Raises:
            UsageError: frames or points of an invalid shape, or frames out of range.
            TypeError: frames that are not a float tensor.
        """
        self._check(source, generated, source_points)
        # The caller may have called requires_grad_() on a module that contains this one.
        self.metric.requires_grad_(False)
        dtype = self.metric.scale.dtype
        with torch.no_grad():
            source_features = self.metric.features(source.detach().to(dtype))
        generated_features = self.metric.features(generated.to(dtype))
        features = [[a, b] for (a,), (b,) in zip(source_features, generated_features, strict=True)]
        mouth = self.metric.mouth_boxes(source_points, (source.shape[-1], source.shape[-2]))
        mean_over_layers = self.metric.contrast(features, generator, mouth).loss
        return self.weight * len(features) * mean_over_layers

    def _check(self, source: Tensor, generated: Tensor, points: Tensor | None) -> None:
        _check_layout("source", source)
        _check_layout("generated", generated)
        if source.shape[:2] != generated.shape[:2]:
            raise UsageError(
                f"source is {tuple(source.shape[:2])} windows and frames, generated "
                f"{tuple(generated.shape[:2])}; give each generated frame its source frame"
            )
        if 0 in source.shape or 0 in generated.shape:
            raise UsageError(
                f"source {tuple(source.shape)}, generated {tuple(generated.shape)}: no frames"
            )
        expected = (*source.shape[:2], 68, 2)
        if points is not None and tuple(points.shape) != expected:
            raise UsageError(
                f"source_points has the shape {tuple(points.shape)}; "
                f"give {expected}, in pixels of source"
            )
        self._check_frame_count(source.shape[1])
        if self.check_range:
            _check_range(source, generated)

    def _check_frame_count(self, frames: int) -> None:
        kinds, trained = self.metric.kinds, self.config.frames
        if not any(kind.exists_in(frames) for kind in kinds):
            raise UsageError(
                "T is 1, but this metric has only the temporal term; give 2 frames or more"
            )
        if frames > 1 and frames != trained and TCC_CM in kinds:
            raise UsageError(
                f"T is {frames}, but the temporal correlation matrix of this metric was trained "
                f"with T = {trained}; give windows of {trained} frames, or single frames"
            )


def _check_layout(name: str, frames: Tensor) -> None:
    if not isinstance(frames, Tensor):
        raise TypeError(f"{name} is a {type(frames).__name__}; give a torch tensor")
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise UsageError(
            f"{name} has the shape {tuple(frames.shape)}; give (B, T, 3, H, W), "
            "and single images as (B, 1, 3, H, W)"
        )
    if not frames.is_floating_point():
        raise TypeError(f"{name} is {frames.dtype}; give floats in [-1, 1]: frames / 127.5 - 1")


def _check_range(source: Tensor, generated: Tensor) -> None:
    """Raise if frames are not in [-1, 1], and warn if they seem to be in [0, 1]."""
    ranges = torch.stack(
        [end for side in (source, generated) for end in side.detach().float().aminmax()]
    )
    low_high = ranges.view(2, 2).tolist()  # one transfer from the GPU
    for name, (low, high) in zip(("source", "generated"), low_high, strict=True):
        if not (low >= -_RANGE and high <= _RANGE):  # true for NaN as well
            raise UsageError(f"{name} ranges from {low:.3g} to {high:.3g}; give RGB in [-1, 1]")
        if low >= 0 and high > 0.5:
            warnings.warn(
                f"{name} has no value below 0 and seems to be in [0, 1]; give RGB in [-1, 1]",
                stacklevel=6,
            )
