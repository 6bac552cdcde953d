"""The plug-in: a trained metric as a loss for anybody's expression-manipulation trainer.

crit = STCCLLoss.from_run("RUN").to(device)
loss = loss + crit(source, generated)
"""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from stccl_train.model.metric import CorrelationMetric, MetricConfig, load_metric
from stccl_train.model.tokens import Generators

#: What the paper's trainers put before the sum over layers: images; for meshes rendered it is 0.1 (STCCL, section 4.1).
IMAGE_WEIGHT = 0.3

#: A generator without tanh may overshoot [-1, 1] a little.
_RANGE = 1.1


class STCCLLoss(nn.Module):
    """weight * (sum over layers of SCC + eta * sum over layers of TCC) between the frames of a clip and what was made of them.

    The metric is frozen and always in eval mode, whatever `.train()` is called on. Gradient flows into the generated frames alone.
    """

    def __init__(
        self, metric: CorrelationMetric, weight: float = IMAGE_WEIGHT, check_range: bool = True
    ) -> None:
        """metric: is copied. check_range: look whether frames are in [-1, 1], which waits for the GPU once a call."""
        super().__init__()
        self.metric = copy.deepcopy(metric).requires_grad_(False).eval()
        self.weight, self.check_range = weight, check_range

    @classmethod
    def from_run(
        cls, run: str | Path, weight: float = IMAGE_WEIGHT, check_range: bool = True
    ) -> "STCCLLoss":
        """The loss of the metric that `stccl train` left in `run`. Raises MetricError with a sentence where there is none."""
        return cls(load_metric(run), weight, check_range)

    @property
    def config(self) -> MetricConfig:
        """What the metric compares: `frames`, `stride` and `size` say what it was trained on."""
        return self.metric.config

    def train(self, mode: bool = True) -> "STCCLLoss":
        """Stays in eval mode."""
        return super().train(False)

    def forward(
        self,
        source: Tensor,
        generated: Tensor,
        generator: Generators = None,
        source_points: Tensor | None = None,
    ) -> Tensor:
        """source, generated: (B, T, 3, H, W), RGB, float in [-1, 1]: T frames, `config.stride` apart, and the same manipulated,
        faces laid on one template as `stccl prepare` cuts them. H and W are free, frames are resized inside.

        source_points: (B, T, 68, 2), iBUG points in pixels of `source`. With them a share of the places (`config.mouth`) is drawn
        at the mouth, where speech is; without, places are drawn evenly, and aligned frames differ less from others.
        With T = 1 the temporal term is left out. generator: as in `CorrelationMetric.forward`.
        Returns a scalar. Raises ValueError or TypeError with a sentence for frames of another shape, range or dtype.
        """
        self._check(source, generated, source_points)
        self.metric.requires_grad_(False)  # whatever was called on a module that this is a part of
        dtype = self.metric.scale.dtype
        with torch.no_grad():
            kept = self.metric.features(source.detach().to(dtype))
        made = self.metric.features(generated.to(dtype))
        features = [[a, b] for (a,), (b,) in zip(kept, made, strict=True)]
        near_mouth = self.metric.mouth_box(source_points, (source.shape[-1], source.shape[-2]))
        return (
            self.weight * len(features) * self.metric.contrast(features, generator, near_mouth).loss
        )

    def _check(self, source: Tensor, generated: Tensor, points: Tensor | None) -> None:
        for name, frames in (("source", source), ("generated", generated)):
            if not isinstance(frames, Tensor):
                raise TypeError(f"{name} is a {type(frames).__name__}; give a torch tensor")
            if frames.ndim != 5 or frames.shape[2] != 3:
                raise ValueError(
                    f"{name} has the shape {tuple(frames.shape)}; give (B, T, 3, H, W), and single pictures as (B, 1, 3, H, W)"
                )
            if not frames.is_floating_point():
                raise TypeError(
                    f"{name} is {frames.dtype}; give floats in [-1, 1]: frames / 127.5 - 1"
                )
        if source.shape[:2] != generated.shape[:2]:
            raise ValueError(
                f"source has {tuple(source.shape[:2])} windows and frames, generated {tuple(generated.shape[:2])}; "
                "give each generated frame the source frame that it was made of"
            )
        if 0 in source.shape or 0 in generated.shape:
            raise ValueError(
                f"source {tuple(source.shape)} and generated {tuple(generated.shape)}: there is nothing to compare"
            )
        if points is not None and tuple(points.shape) != (*source.shape[:2], 68, 2):
            wanted = (*source.shape[:2], 68, 2)
            raise ValueError(
                f"source_points has the shape {tuple(points.shape)}; give {wanted}, in pixels of source"
            )
        self._check_frames(source.shape[1])
        if self.check_range:
            sides = (source, generated)
            lows_highs = torch.stack(
                [x.detach().float().aminmax()[side] for x in sides for side in (0, 1)]
            ).tolist()
            for name, low, high in zip(
                ("source", "generated"), lows_highs[::2], lows_highs[1::2], strict=True
            ):
                if not (low >= -_RANGE and high <= _RANGE):  # nan as well
                    raise ValueError(
                        f"{name} goes from {low:.3g} to {high:.3g}; give RGB in [-1, 1]"
                    )
                if low >= 0 and high > 0.5:
                    warnings.warn(
                        f"{name} has no value below 0: it seems to be in [0, 1]; give RGB in [-1, 1]",
                        stacklevel=3,
                    )

    def _check_frames(self, frames: int) -> None:
        config = self.config
        if frames == 1 and "scc" not in config.terms:
            raise ValueError(
                "this metric has the temporal term alone, which says nothing of single frames; give T of 2 or more"
            )
        if (
            frames > 1
            and "tcc" in config.terms
            and config.variant != "vd"
            and frames != config.frames
        ):
            raise ValueError(
                f"T is {frames}; the temporal correlation matrix of this metric was learned with T = {config.frames}: "
                f"give windows of {config.frames} frames, or single frames"
            )
