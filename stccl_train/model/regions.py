"""Regions of the face: boxes around mouth and eyes, and which places of a feature map they hold."""

import math

import torch
from torch import Tensor

REGIONS = ("mouth", "eyes")

#: iBUG points of each region; the eyes include the brows.
_REGION_POINTS = ((slice(48, 68),), (slice(17, 27), slice(36, 48)))


def region_boxes(points: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Return boxes around mouth and eyes over all frames of each window.

    A box is wider and higher than its points by a quarter of their extent at each side.

    Args:
        points: (B, T, 68, 2) in pixels, NaN where there is no face.
        size: side of the square frames in pixels, or (width, height).

    Returns:
        (B, 2, 4): x0, y0, x1, y1 of each of `REGIONS`, as shares of the frame's width and height.
        A region without any known point gets a box that contains nothing.
    """
    width, height = size if isinstance(size, tuple) else (size, size)
    points = torch.stack([points[..., 0] / width, points[..., 1] / height], dim=-1)
    boxes = []
    for slices in _REGION_POINTS:
        part = torch.cat([points[:, :, each] for each in slices], dim=2).flatten(1, 2)
        low = torch.where(part.isnan(), torch.inf, part).amin(1)
        high = torch.where(part.isnan(), -torch.inf, part).amax(1)
        margin = (high - low) / 4
        boxes.append(torch.cat([low - margin, high + margin], dim=-1))
    return torch.stack(boxes, dim=1)


def place_centres(count: int, size: int, device: torch.device | None = None) -> Tensor:
    """Return where the places of a row of a feature map are centred, as shares of the frame.

    Place i of a map with stride s is centred on pixel s i, as a 3 x 3 convolution of stride 2 is.

    Args:
        count: places of the row.
        size: pixels of the frame's side.
        device: where the result is made.

    Returns:
        (count,) float32.
    """
    stride = 2 ** round(math.log2(size / count))
    centres: Tensor = (torch.arange(count, device=device) * stride + 0.5) / size
    return centres


def box_mask(box: Tensor, height: int, width: int, size: int) -> Tensor:
    """Return which places of a feature map lie in a box.

    Args:
        box: (B, 4), x0, y0, x1, y1 as shares.
        height: of the map.
        width: of the map.
        size: side in pixels of the frames that the map was computed from.

    Returns:
        (B, height, width) bool.
    """
    y, x = (place_centres(n, size, box.device) for n in (height, width))
    x0, y0, x1, y1 = box.T[..., None, None]
    mask: Tensor = (x >= x0) & (x <= x1) & (y[:, None] >= y0) & (y[:, None] <= y1)
    return mask


def place_likelihood(mask: Tensor, share: float) -> Tensor:
    """Return relative chances of a map's places, so that about ``share`` of draws are in the mask.

    Args:
        mask: (B, H, W) bool.
        share: 0 to 1.

    Returns:
        (B, H, W) float32.
    """
    area = mask.float().mean(dim=(1, 2), keepdim=True).clamp(1e-3, 1 - 1e-3)
    return torch.where(mask, share / area, (1 - share) / (1 - area))
