"""The random places of a loss, and which of them pull."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stccl_train.config import MetricConfig
from stccl_train.loss.parts import Part
from stccl_train.loss.windows import LossWindows
from stccl_train.model.backbone import map_sides
from stccl_train.model.regions import box_mask, place_centres, place_likelihood, region_boxes
from stccl_train.model.tokens import Generators, draw_places

#: Share of the places drawn in the region, of a metric that was trained on places drawn evenly.
_SHARE = 0.5


class Places(NamedTuple):
    """Places of B windows in one layer."""

    #: (B, L, 2) int64, (y, x).
    where: Tensor
    #: (B, L) bool, whether the tokens of a place pull; those of the others are their negatives.
    pulls: Tensor


def draw_all_places(
    windows: LossWindows,
    parts: Sequence[Part],
    config: MetricConfig,
    only_region: bool,
    generator: Generators,
) -> list[Places]:
    """Draw the places of each part.

    Args:
        windows: with points or a mask there is a region: the mask, else the mouth.
        parts: what the places are for.
        config: of the metric.
        only_region: whether places outside of the region do not pull; in windows without a region
            all pull.
        generator: as in `draw_places`.
    """
    boxes = None
    if windows.mask is None and windows.points is not None:
        boxes = region_boxes(windows.points, windows.source.shape[-1])[:, 0]
    device, count = windows.source.device, len(windows.source)
    result = []
    for part in parts:
        side = map_sides(config.size)[part.layer]
        region = likelihood = None
        if windows.mask is not None:
            region = _at_places(windows.mask, side, config.size)
        elif boxes is not None:
            region = box_mask(boxes, side, side, config.size)
        if region is not None and (only_region or config.mouth):
            likelihood = place_likelihood(region, config.mouth or _SHARE)
        where = draw_places(count, part.places, side, side, generator, likelihood).to(device)
        pulls = torch.ones(where.shape[:2], dtype=torch.bool, device=device)
        if region is not None and only_region:
            inside = region.flatten(1).gather(1, where[..., 0] * side + where[..., 1])
            pulls = inside | ~region.flatten(1).any(1, keepdim=True)
        result.append(Places(where, pulls))
    return result


def _at_places(mask: Tensor, side: int, size: int) -> Tensor:
    """Read a mask (B, H, W) at the places of a square map, (B, side, side), as `box_mask` does."""
    rows = (place_centres(side, size, mask.device) * mask.shape[-1]).long()
    rows = rows.clamp_max(mask.shape[-1] - 1)
    return mask.bool()[:, rows][:, :, rows]
