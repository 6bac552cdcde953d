"""Boxes around mouth and eyes, and the places of a feature map that lie in them."""

import math

import pytest
import torch

from stccl_train.model.backbone import make_backbone
from stccl_train.model.regions import box_mask, place_likelihood, region_boxes
from tests.testing.landmarks import mouth_points


def places_in_box(box: torch.Tensor) -> list[list[int]]:
    """List the places of an 8 x 8 map of a 64-pixel frame whose centres lie in a box (pixels)."""
    x0, y0, x1, y1 = box.tolist()
    return [
        [y, x]
        for y in range(8)
        for x in range(8)
        if x0 <= 8 * x + 0.5 <= x1 and y0 <= 8 * y + 0.5 <= y1
    ]


def test_boxes_are_a_quarter_larger_than_their_points_at_each_side() -> None:
    boxes = region_boxes(mouth_points(), 64) * 64
    assert torch.allclose(boxes[:, 0], torch.tensor([20.0, 37.0, 44.0, 55.0]))
    assert torch.allclose(boxes[:, 1], torch.tensor([2.0, 11.5, 62.0, 26.5]))


def test_a_mask_holds_the_places_centred_in_the_box() -> None:
    boxes = region_boxes(mouth_points(), 64)
    mask = box_mask(boxes[:, 0], 8, 8, 64)
    assert mask[0].nonzero().tolist() == places_in_box(boxes[0, 0] * 64)


def test_a_region_without_known_points_holds_no_place() -> None:
    unknown = torch.full((1, 4, 68, 2), math.nan)
    assert not box_mask(region_boxes(unknown, 64)[:, 0], 8, 8, 64).any()


def test_boxes_are_shares_of_width_and_height() -> None:
    points = mouth_points()
    wide = region_boxes(points * torch.tensor([2.0, 1.0]), (128, 64))
    assert torch.allclose(wide, region_boxes(points, 64))


def test_the_likelihood_puts_the_share_inside_the_mask() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, 5:7, 2:6] = True
    likelihood = place_likelihood(mask, 0.7)
    assert math.isclose(likelihood[mask].sum() / likelihood.sum(), 0.7, rel_tol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "iresnet18"])
def test_a_place_depends_on_pixels_centred_where_the_mask_assumes(name: str) -> None:
    """The gradient of each layer's middle place is centred within a pixel of its assumed centre."""
    torch.manual_seed(0)
    backbone = make_backbone(name).eval()
    frames = torch.randn(4, 3, 64, 64, requires_grad=True)
    pixels = torch.arange(64) + 0.5
    for layer, features in enumerate(backbone(frames)):
        size = features.shape[-1]
        middle = size // 2
        (gradient,) = torch.autograd.grad(
            features[:, :, middle, middle].square().sum(), frames, retain_graph=True
        )
        energy = gradient.square().sum((0, 1, 2))
        centre = float((energy * pixels).sum() / energy.sum())
        outer, inner = (
            torch.tensor([[0.0, 0.0, edge / 64, edge / 64]]) for edge in (centre + 1, centre - 1)
        )
        assert box_mask(outer, size, size, 64)[0, middle, middle], layer
        assert not box_mask(inner, size, size, 64)[0, middle, middle], layer
