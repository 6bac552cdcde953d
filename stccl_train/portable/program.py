"""The metric as one function of tensors, without randomness or choices of its own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stccl_train.loss.parts import LAYERS, part_sums, weighted_parts
from stccl_train.loss.places import places_in, region_likelihood
from stccl_train.loss.scale import Scale
from stccl_train.loss.variation import Variation
from stccl_train.model.backbone import map_sides
from stccl_train.model.metric import CorrelationMetric, as_input
from stccl_train.model.regions import box_mask
from stccl_train.model.tokens import choose_places

#: A mouth that reaches further, in sides of the frame, is given in pixels.
_FARTHEST = 2.0


class PortableMetric(nn.Module):
    """The values and losses of a metric, with the random numbers of its places as an input.

    Args:
        metric: the metric.
        scale: of the values and losses.
        layers: weight of each layer, as of `STCCLLoss`.
    """

    def __init__(
        self,
        metric: CorrelationMetric,
        scale: Scale,
        layers: Sequence[float] = LAYERS,
    ) -> None:
        super().__init__()
        self.metric = metric.requires_grad_(False).eval()
        self.scale = scale
        parts = weighted_parts(metric, {}, layers)
        self.parts = [part for part in parts if part.kind.exists_in(metric.config.frames)]

    @property
    def numbers(self) -> int:
        """R, the random numbers of a window."""
        return sum(self._inner(part.layer) ** 2 for part in self.parts)

    def forward(
        self, source: Tensor, generated: Tensor, random: Tensor, mouth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compare windows.

        Args:
            source: (B, T, 3, S, S) float32 RGB in [-1, 1].
            generated: likewise; the gradient goes here, to the pixels at the mouth.
            random: (B, R) float32, uniform from 0 to 1.
            mouth: (B, 4) float32, x0, y0, x1, y1 of the part of the frame that counts, as shares of
                its side. All of the frame counts if no pixel is in it.

        Returns:
            The value, (B,), 1 at chance, and the loss of weight 1, (B,). NaN for a mouth in pixels.
        """
        shape = source.shape[:2]
        pulled = box_mask(mouth, self._size, self._size, self._size)
        pulled = pulled | ~pulled.flatten(1).any(1)[:, None, None]
        variation = Variation.of(source.detach(), pulled)
        generated = torch.where(pulled[:, None, None], generated, generated.detach())
        sides = [
            [
                layer.unflatten(0, shape)
                for layer in self.metric.backbone(as_input(side, self._size))
            ]
            for side in (source.detach(), generated)
        ]
        total = pull = source.new_zeros(())
        first = 0
        for part in self.parts:
            inner = self._inner(part.layer)
            region = box_mask(mouth, inner + 2, inner + 2, self._size)
            likelihood = region_likelihood(region, self.metric.config)
            numbers = random[:, first : first + inner**2]
            where = choose_places(numbers, part.places, inner, likelihood)
            first += inner**2
            x, y = (side[part.layer] for side in sides)
            value, weight = part_sums(self.metric, part, places_in(region, where), x, y).unbind(-1)
            value = part.weight * value / weight.clamp_min(1e-6)
            total, pull = total + value, pull + value * variation.by(part.kind)
        in_pixels = (mouth[:, 2:] > _FARTHEST).any(1)
        weights = sum(part.weight for part in self.parts) * torch.where(in_pixels, torch.nan, 1.0)
        return 1 - self.scale.stretch * (1 - total / weights), self.scale.unit * pull / weights

    @property
    def _size(self) -> int:
        return self.metric.config.size

    def _inner(self, layer: int) -> int:
        """Return the side of a layer's map without its border."""
        return map_sides(self._size)[layer] - 2
