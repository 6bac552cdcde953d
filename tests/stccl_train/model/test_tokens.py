"""Drawing of places, and tokens against loops that spell the equations out."""

import math

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train.model.tokens import (
    NEIGHBOURS,
    draw_places,
    motion_disparity,
    patches,
    spatial_correlation,
    spatial_disparity,
    temporal_correlation,
    temporal_disparity,
    trajectories,
    unit,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(b: int = 2, t: int = 3, c: int = 5, h: int = 7, w: int = 9) -> torch.Tensor:
    return torch.randn(b, t, c, h, w, generator=seeded(), dtype=torch.float64)


@pytest.mark.parametrize(("h", "w"), [(3, 3), (4, 7), (7, 4), (14, 14), (40, 25)])
def test_no_neighbour_wraps_around_the_border(h: int, w: int) -> None:
    """In a map that holds its own coordinates, a patch reads those of the nine places around it."""
    places = draw_places(3, 1000, h, w, seeded())
    assert places.shape == (3, (h - 2) * (w - 2), 2)  # every inner place, once
    assert all(len({tuple(p) for p in window.tolist()}) == (h - 2) * (w - 2) for window in places)
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    coordinates = torch.stack([y, x]).double().expand(3, 2, 2, h, w)
    patch = patches(coordinates, places)
    for k, (dy, dx) in enumerate([*NEIGHBOURS[:4], (0, 0), *NEIGHBOURS[4:]]):
        assert torch.equal(patch[:, 0, :, k], (places + torch.tensor([dy, dx])).double())
        assert torch.equal(patch[:, 1, :, k], patch[:, 0, :, k])


def test_places_are_drawn_without_replacement_and_differ_between_windows() -> None:
    places = draw_places(4, 32, 14, 14, seeded())
    flat = places[..., 0] * 14 + places[..., 1]
    assert all(len(set(row.tolist())) == 32 for row in flat)
    assert places.amin() >= 1 and places.amax() <= 12
    assert len({tuple(row.tolist()) for row in flat}) == 4


def test_every_place_is_as_likely_as_any_other() -> None:
    places = draw_places(20_000, 4, 6, 6, seeded())
    counts = torch.zeros(6, 6).index_put(
        (places[..., 0].flatten(), places[..., 1].flatten()), torch.tensor(1.0), accumulate=True
    )
    inner = counts[1:-1, 1:-1] / 20_000
    assert torch.allclose(inner, torch.full((4, 4), 0.25), atol=0.015)
    assert counts.sum() == inner.sum() * 20_000


def test_one_generator_a_window_makes_draws_independent_of_the_batch() -> None:
    alone = draw_places(1, 8, 14, 14, [seeded(7)])
    in_batch = draw_places(3, 8, 14, 14, [seeded(1), seeded(7), seeded(2)])
    assert torch.equal(alone[0], in_batch[1])


def test_a_wrong_number_of_generators_is_an_error() -> None:
    with pytest.raises(UsageError):
        draw_places(3, 8, 14, 14, [seeded(1), seeded(2)])


def test_a_map_without_inner_places_is_an_error() -> None:
    with pytest.raises(UsageError, match="2 x 8"):
        draw_places(1, 1, 2, 8)


def test_places_are_drawn_by_their_likelihood() -> None:
    likelihood = torch.ones(500, 12, 12)
    likelihood[:, 8:11, 3:9] = 10
    places = draw_places(500, 4, 12, 12, seeded(), likelihood)
    inside = (
        (places[..., 0] >= 8) & (places[..., 0] < 11) & (places[..., 1] >= 3) & (places[..., 1] < 9)
    )
    # 18 places of weight 10 among 82 of weight 1: two in three, a little less of four draws.
    assert 0.6 < inside.float().mean() < 0.75


def test_spatial_disparity_is_the_centre_minus_each_neighbour() -> None:
    f, places = features(), draw_places(2, 4, 7, 9, seeded())
    tokens = spatial_disparity(patches(f, places))
    assert tokens.values.shape == (2, 3, 32, 5)
    for b in range(2):
        for t in range(3):
            for n, (y, x) in enumerate(places[b].tolist()):
                for k, (dy, dx) in enumerate(NEIGHBOURS):
                    expected = f[b, t, :, y, x] - f[b, t, :, y + dy, x + dx]
                    assert torch.equal(tokens.values[b, t, 8 * n + k], expected)
                    assert math.isclose(
                        tokens.disparity[b, t, 8 * n + k], expected.abs().mean(), rel_tol=1e-5
                    )


def test_motion_disparity_ignores_what_does_not_move() -> None:
    f, places = features(), draw_places(2, 4, 7, 9, seeded())
    moving = motion_disparity(patches(f, places)).values
    constant = torch.randn(2, 1, 5, 7, 9, generator=seeded(1), dtype=torch.float64)
    assert torch.allclose(moving, motion_disparity(patches(f + constant, places)).values)
    static = spatial_disparity(patches(f, places)).values
    assert torch.allclose(moving[1, 2, 7], static[1, 2, 7] - static[1, :, 7].mean(0))


def test_spatial_correlation_is_the_upper_triangle_of_cosines() -> None:
    f, places = features(), draw_places(2, 4, 7, 9, seeded())
    tokens = spatial_correlation(patches(f, places))
    assert tokens.values.shape == (2, 3, 4, 36)
    y, x = places[1, 2].tolist()
    vectors = [f[1, 2, :, y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    cosines = [
        torch.nn.functional.cosine_similarity(vectors[i], vectors[j], dim=0)
        for i in range(9)
        for j in range(i + 1, 9)
    ]
    assert torch.allclose(tokens.values[1, 2, 2].double(), torch.stack(cosines), atol=1e-5)


def test_temporal_disparity_is_the_difference_of_each_pair_of_times() -> None:
    f, places = features(t=4), draw_places(2, 6, 7, 9, seeded())
    tokens = temporal_disparity(trajectories(f, places))
    assert tokens.values.shape == (2, 6, 6, 5)
    for slot, (i, j) in enumerate([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]):
        for n, (y, x) in enumerate(places[1].tolist()):
            assert torch.equal(tokens.values[1, slot, n], f[1, i, :, y, x] - f[1, j, :, y, x])


def test_temporal_correlation_is_the_upper_triangle_of_cosines_over_time() -> None:
    f, places = features(t=4), draw_places(2, 6, 7, 9, seeded())
    tokens = temporal_correlation(trajectories(f, places))
    assert tokens.values.shape == (2, 1, 6, 6)
    y, x = places[0, 5].tolist()
    vectors = [f[0, t, :, y, x] for t in range(4)]
    cosines = [
        torch.nn.functional.cosine_similarity(vectors[i], vectors[j], dim=0)
        for i in range(4)
        for j in range(i + 1, 4)
    ]
    assert torch.allclose(tokens.values[0, 0, 5].double(), torch.stack(cosines), atol=1e-5)


def test_cosines_are_float32_under_autocast() -> None:
    features = torch.randn(1, 3, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    places = draw_places(1, 4, 5, 5, torch.Generator().manual_seed(0))
    exact = spatial_correlation(patches(features, places)).values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = spatial_correlation(patches(features, places)).values
    assert result.dtype == torch.float32 and torch.allclose(result, exact, atol=1e-6)


def test_channels_last_features_give_the_same_patches() -> None:
    f, places = features().float(), draw_places(2, 4, 7, 9, seeded())
    last = f.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (2, 3))
    assert torch.equal(patches(f, places), patches(last, places))


def test_gradients_are_finite_for_disparities_of_zero() -> None:
    """As in a still clip or a black frame."""
    still = torch.zeros(1, 3, 4, 5, 5, requires_grad=True)
    places = draw_places(1, 4, 5, 5, seeded())
    patch, path = patches(still, places), trajectories(still, places)
    for tokens in (
        spatial_disparity(patch),
        motion_disparity(patch),
        spatial_correlation(patch),
        temporal_disparity(path),
        temporal_correlation(path),
    ):
        (grad,) = torch.autograd.grad(unit(tokens.values).sum(), still, retain_graph=True)
        assert grad.isfinite().all()


def test_unit_keeps_zero_and_scales_the_rest_to_length_one() -> None:
    assert torch.equal(unit(torch.zeros(3)), torch.zeros(3))
    assert math.isclose(unit(torch.tensor([3.0, 4.0])).norm(), 1.0, rel_tol=1e-6)
