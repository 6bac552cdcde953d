"""The random places of a loss, and which of them pull."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stccl_train.config import MetricConfig
from stccl_train.loss.parts import Part, Places
from stccl_train.loss.windows import LossWindows
from stccl_train.model.backbone import map_sides
from stccl_train.model.regions import box_mask, place_centres, place_likelihood, region_boxes
from stccl_train.model.tokens import Generators, draw_places

#: Share of the places drawn in the region, of a metric that was trained on places drawn evenly.
_SHARE = 0.5


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
        region = None
        if windows.mask is not None:
            region = _at_places(windows.mask, side, config.size)
        elif boxes is not None:
            region = box_mask(boxes, side, side, config.size)
        likelihood = None
        if region is not None and (only_region or config.mouth):
            likelihood = region_likelihood(region, config)
        where = draw_places(count, part.places, side, side, generator, likelihood).to(device)
        if region is not None and only_region:
            result.append(places_in(region, where))
        else:
            result.append(Places(where, torch.ones_like(where[..., 0], dtype=torch.bool)))
    return result


def region_likelihood(region: Tensor, config: MetricConfig) -> Tensor:
    """Return relative chances of places to be drawn, so that enough are in a region (B, H, W)."""
    return place_likelihood(region, config.mouth or _SHARE)


def places_in(region: Tensor, where: Tensor) -> Places:
    """Return places of which those in a region pull.

    Args:
        region: (B, H, W) bool; in windows where it is empty all places pull.
        where: (B, L, 2) int64, (y, x).
    """
    flat = region.flatten(1)
    inside = flat.gather(1, where[..., 0] * region.shape[2] + where[..., 1])
    return Places(where, inside | ~flat.any(1, keepdim=True))


def _at_places(mask: Tensor, side: int, size: int) -> Tensor:
    """Read a mask (B, H, W) at the places of a square map, (B, side, side), as `box_mask` does."""
    rows = (place_centres(side, size, mask.device) * mask.shape[-1]).long()
    rows = rows.clamp_max(mask.shape[-1] - 1)
    return mask.bool()[:, rows][:, :, rows]
