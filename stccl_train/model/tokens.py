"""Tokens of local facial animation: how a place differs from its neighbours, and over time.

Shapes: B windows of T frames; features (B, T, C, H, W); tokens (B, A, S, D), D numbers at each of
S slots in space and A slots in time (frames, or pairs of frames). Slot (a, s) of the source's
tokens and slot (a, s) of the target's are partners.

Equations: STCCL (Chen et al., arXiv 2604.20226), sections 3.2 and 3.3; ASCCL (CVPR 2024) for the
spatial term.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stccl_data.errors import UsageError

#: The 8 neighbours o of a place, (dy, dx), row by row.
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]

#: Source of random places: one for all windows, one per window, or torch's global generator.
Generators = torch.Generator | Sequence[torch.Generator] | None


class Tokens(NamedTuple):
    """Tokens of one side."""

    #: (B, A, S, D).
    values: Tensor
    #: (B, A, S), how much differs at each token; read by the adaptive weight.
    disparity: Tensor


def draw_places(
    batch: int,
    count: int,
    height: int,
    width: int,
    generator: Generators = None,
    likelihood: Tensor | None = None,
) -> Tensor:
    """Draw places for each window, without replacement, away from the border of the map.

    Every place has its 3 x 3 neighbourhood within the map: rows in [1, H-2], columns likewise.

    Args:
        batch: B, number of windows.
        count: places of a window; all places if the map has fewer.
        height: of the map.
        width: of the map.
        generator: with one generator per window, its places do not depend on the batch it is in.
        likelihood: (B, H, W), relative chance of each place to be drawn; None: all alike.

    Returns:
        (B, count, 2) int64, (y, x), on the device of ``likelihood``, else of ``generator``.

    Raises:
        UsageError: the map is smaller than 3 x 3, or there are not B generators.
    """
    rows, columns = height - 2, width - 2
    if rows < 1 or columns < 1:
        raise UsageError(
            f"a feature map of {height} x {width} has no place with eight neighbours; "
            "use larger frames"
        )
    (uniform,) = random_numbers(batch, [rows * columns], generator)
    return choose_places(uniform, count, columns, likelihood)


def random_numbers(
    batch: int, counts: Sequence[int], generator: Generators = None
) -> Sequence[Tensor]:
    """Draw uniform numbers from 0 to 1 for each window.

    Args:
        batch: B, number of windows.
        counts: how many numbers of a window each of the results has.
        generator: as in `draw_places`. The numbers are on its device.

    Returns:
        (B, count) float32 for each of ``counts``.

    Raises:
        UsageError: there are not B generators.
    """
    if not isinstance(generator, Sequence):
        device = generator.device if generator is not None else None
        return [torch.rand(batch, n, generator=generator, device=device) for n in counts]
    if len(generator) != batch:
        raise UsageError(
            f"{len(generator)} generators for {batch} windows; give one, or one per window"
        )
    # One draw for each window: a GPU takes as long to start a small one as a large one.
    rows = [torch.rand(sum(counts), generator=g, device=g.device) for g in generator]
    return torch.split(torch.stack(rows), list(counts), dim=1)


def choose_places(
    uniform: Tensor, count: int, columns: int, likelihood: Tensor | None = None
) -> Tensor:
    """Choose places by random numbers, as `draw_places` does.

    The largest of log w + Gumbel noise are a weighted draw without replacement (Efraimidis &
    Spirakis 2006, Kool et al. 2019).

    Args:
        uniform: (B, n), one number from 0 to 1 for each place away from the border, row by row.
        count: places of a window; all if there are fewer.
        columns: of such places.
        likelihood: as in `draw_places`.
    """
    keys = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-7)))
    if likelihood is not None:
        inner = likelihood[:, 1:-1, 1:-1].reshape(uniform.shape)
        keys = keys.to(inner.device) + torch.log(inner.clamp_min(1e-12))
    drawn = keys.topk(min(count, uniform.shape[1]), dim=1).indices
    return torch.stack([drawn // columns + 1, drawn % columns + 1], dim=-1)


def patches(features: Tensor, places: Tensor) -> Tensor:
    """Read F(p + o) over the 3 x 3 patch around each place; the centre is the fifth of the nine.

    Args:
        features: (B, T, C, H, W).
        places: (B, L, 2), (y, x).

    Returns:
        (B, T, L, 9, C).
    """
    steps = torch.arange(-1, 2, device=places.device)
    offsets = torch.cartesian_prod(steps, steps)  # row by row, as `NEIGHBOURS`
    return _vectors(features, places[:, :, None] + offsets)


def trajectories(features: Tensor, places: Tensor) -> Tensor:
    """Read F_t(p): the vector at each place over time.

    Args:
        features: (B, T, C, H, W).
        places: (B, N, 2), (y, x).

    Returns:
        (B, T, N, C).
    """
    return _vectors(features, places)


def spatial_disparity(patch: Tensor) -> Tokens:
    """SCC-VD: F(p) - F(p + o), one token for each place and neighbour.

    Args:
        patch: (B, T, L, 9, C).

    Returns:
        Tokens (B, T, 8 L, C).
    """
    centre, around = patch[..., 4:5, :], torch.cat([patch[..., :4, :], patch[..., 5:, :]], dim=-2)
    values = (centre - around).flatten(2, 3)
    return Tokens(values, values.detach().float().abs().mean(-1))


def motion_disparity(patch: Tensor) -> Tokens:
    """SCC-MD: F(p) - F(p + o) minus its mean over the window, which removes the shape of the face.

    Not in the paper (docs/method.md).

    Args:
        patch: (B, T, L, 9, C), T of 2 or more.

    Returns:
        Tokens (B, T, 8 L, C).
    """
    static = spatial_disparity(patch).values
    values = static - static.mean(1, keepdim=True)
    return Tokens(values, values.detach().float().abs().mean(-1))


def spatial_correlation(patch: Tensor) -> Tokens:
    """SCC-CM: the 36 cosines between the 9 vectors of a patch (upper triangle of X X^T).

    Args:
        patch: (B, T, L, 9, C).

    Returns:
        Tokens (B, T, L, 36), float32.
    """
    values = _pairwise_cosines(patch)
    return Tokens(values, (1 - values.detach()).mean(-1))


def temporal_disparity(trajectory: Tensor) -> Tokens:
    """TCC-VD: F_i(p) - F_j(p) for i < j, one token for each pair of times and each place.

    Args:
        trajectory: (B, T, N, C).

    Returns:
        Tokens (B, T (T-1) / 2, N, C).
    """
    i, j = time_pairs(trajectory.shape[1], trajectory.device)
    values = trajectory[:, i] - trajectory[:, j]
    return Tokens(values, values.detach().float().abs().mean(-1))


def temporal_correlation(trajectory: Tensor) -> Tokens:
    """TCC-CM: the T (T-1) / 2 cosines between the T vectors at a place (upper triangle of X X^T).

    Args:
        trajectory: (B, T, N, C).

    Returns:
        Tokens (B, 1, N, T (T-1) / 2), float32: one token per place, which covers the whole window.
    """
    values = _pairwise_cosines(trajectory.transpose(1, 2))[:, None]
    return Tokens(values, (1 - values.detach()).mean(-1))


def time_pairs(frames: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return i and j of all pairs i < j of T frames: (0, 1), (0, 2), ..., (T-2, T-1)."""
    i, j = torch.triu_indices(frames, frames, offset=1, device=device)
    return i, j


def unit(x: Tensor, eps: float = 1e-6) -> Tensor:
    """Scale vectors to unit length, in float32: x / sqrt(|x|^2 + eps^2) over the last axis.

    A zero vector stays zero and its gradient finite.
    """
    x = x.float()
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps**2)


def _pairwise_cosines(vectors: Tensor) -> Tensor:
    """Map (..., K, C) to the cosines between the K vectors, (..., K (K-1) / 2) float32."""
    i, j = time_pairs(vectors.shape[-2], vectors.device)
    # Autocast would take the product in bfloat16.
    with torch.autocast(vectors.device.type, enabled=False):
        x = unit(vectors)
        return (x @ x.transpose(-1, -2))[..., i, j]


def _vectors(features: Tensor, places: Tensor) -> Tensor:
    """Read the feature vectors at places (B, ..., 2), the same at each time: (B, T, ..., C).

    Rows of a (B T H W, C) table are picked by number, so that nothing but these rows is copied when
    features are channels-last.
    """
    b, t, c, h, w = features.shape
    table = features.permute(0, 1, 3, 4, 2).reshape(-1, c)
    within_frame = (places[..., 0] * w + places[..., 1]).flatten(1)  # (B, n)
    frames = torch.arange(b * t, device=places.device).view(b, t, 1) * (h * w)
    rows = (frames + within_frame[:, None]).flatten()
    return functional.embedding(rows, table).view(b, t, *places.shape[1:-1], c)
