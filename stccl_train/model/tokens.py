"""Tokens of local facial animation: how a place differs from its neighbours, and from itself at other times.

Features are (B, T, C, H, W): B windows of T frames. Tokens are (B, A, S, D): at each of A times (frames, or pairs of frames)
S places, D numbers a token. Slot (a, s) of a source's tokens and slot (a, s) of its target's belong together.
Equations: STCCL (Chen et al., arXiv 2604.20226), sections 3.2 and 3.3; ASCCL (CVPR 2024) for the spatial term.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: The 8 neighbours o of a place, (dy, dx), row by row.
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]

Generators = torch.Generator | Sequence[torch.Generator] | None


class Tokens(NamedTuple):
    """`values`: (B, A, S, D). `disparity`: (B, A, S), how much is going on at each token; the adaptive weight reads it."""

    values: Tensor
    disparity: Tensor


def draw_places(
    batch: int,
    count: int,
    height: int,
    width: int,
    generator: Generators = None,
    likelihood: Tensor | None = None,
) -> Tensor:
    """`count` places a window, without replacement, whose 3 x 3 neighbourhood lies within the map: rows in [1, H-2], columns alike.

    generator: one for all, or one a window, so that a window's places do not depend on its batch.
    likelihood: (B, H, W), relative chance of each place to be drawn; equal chances where None.
    Returns (B, count, 2) int64, (y, x), on the device of the likelihood, else of the generator. Where the map has fewer places
    than `count`, all of them.
    """
    rows, columns = height - 2, width - 2
    if rows < 1 or columns < 1:
        raise ValueError(
            f"a feature map of {height} x {width} has no place with eight neighbours; use larger frames"
        )
    if isinstance(generator, Sequence):
        if len(generator) != batch:
            raise ValueError(
                f"{len(generator)} generators for {batch} windows; give one, or one a window"
            )
        uniform = torch.stack(
            [torch.rand(rows * columns, generator=one, device=one.device) for one in generator]
        )
    else:
        device = generator.device if generator is not None else None
        uniform = torch.rand(batch, rows * columns, generator=generator, device=device)
    # The largest of log w + Gumbel noise are a weighted draw without replacement (Efraimidis & Spirakis 2006, Kool et al. 2019).
    keys = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-7)))
    if likelihood is not None:
        inner = likelihood[:, 1:-1, 1:-1].reshape(batch, -1)
        keys = keys.to(inner.device) + torch.log(inner.clamp_min(1e-12))
    chosen = keys.topk(min(count, rows * columns), dim=1).indices
    return torch.stack([chosen // columns + 1, chosen % columns + 1], dim=-1)


def patches(features: Tensor, places: Tensor) -> Tensor:
    """F(p + o) of the 3 x 3 patch around each place, the centre fifth.

    features: (B, T, C, H, W). places: (B, L, 2), (y, x). Returns (B, T, L, 9, C).
    """
    around = torch.tensor([*NEIGHBOURS[:4], (0, 0), *NEIGHBOURS[4:]], device=places.device)
    return _vectors(features, places[:, :, None] + around)


def trajectories(features: Tensor, places: Tensor) -> Tensor:
    """F_t(p): the vectors at each place over time. features: (B, T, C, H, W). places: (B, N, 2). Returns (B, T, N, C)."""
    return _vectors(features, places)


def spatial_disparity(patch: Tensor) -> Tokens:
    """SCC-VD: F(p) - F(p + o), a token for each place and neighbour. patch: (B, T, L, 9, C). Returns (B, T, 8 L, C)."""
    centre, around = patch[..., 4:5, :], torch.cat([patch[..., :4, :], patch[..., 5:, :]], dim=-2)
    values = (centre - around).flatten(2, 3)
    return Tokens(values, values.detach().float().abs().mean(-1))


def motion_disparity(patch: Tensor) -> Tokens:
    """SCC-MD: what is moving of F(p) - F(p + o), the disparity less its mean over the window: how a face is built is not in it.

    patch: (B, T, L, 9, C), T of 2 or more. Returns (B, T, 8 L, C). Ours (docs/method.md).
    """
    still = spatial_disparity(patch).values
    values = still - still.mean(1, keepdim=True)
    return Tokens(values, values.detach().float().abs().mean(-1))


def spatial_correlation(patch: Tensor) -> Tokens:
    """SCC-CM: X of the 9 vectors of a patch, normalised; the 36 entries above the diagonal of X X^T.

    patch: (B, T, L, 9, C). Returns (B, T, L, 36), float32.
    """
    values = _gram(patch)
    return Tokens(values, (1 - values.detach()).mean(-1))


def temporal_disparity(trajectory: Tensor) -> Tokens:
    """TCC-VD: F_i(p) - F_j(p) for i < j, a token for each pair of times and place. trajectory: (B, T, N, C).

    Returns (B, T (T-1) / 2, N, C).
    """
    i, j = time_pairs(trajectory.shape[1], trajectory.device)
    values = trajectory[:, i] - trajectory[:, j]
    return Tokens(values, values.detach().float().abs().mean(-1))


def temporal_correlation(trajectory: Tensor) -> Tokens:
    """TCC-CM: X of the T vectors at a place, normalised; the T (T-1) / 2 entries above the diagonal of X X^T.

    trajectory: (B, T, N, C). Returns (B, 1, N, T (T-1) / 2), float32: a place is one token, its time is within it.
    """
    values = _gram(trajectory.transpose(1, 2))[:, None]
    return Tokens(values, (1 - values.detach()).mean(-1))


def time_pairs(frames: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """i < j of all pairs of T frames, in the order (0, 1), (0, 2), ..., (T-2, T-1)."""
    i, j = torch.triu_indices(frames, frames, offset=1, device=device)
    return i, j


def unit(x: Tensor, eps: float = 1e-6) -> Tensor:
    """x / sqrt(|x|^2 + eps^2) over the last axis, in float32: of length 1, and at zero still zero with a finite gradient."""
    x = x.float()
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps**2)


def _gram(vectors: Tensor) -> Tensor:
    """(..., K, C) -> (..., K (K-1) / 2): cosines between the K vectors, in float32."""
    i, j = time_pairs(vectors.shape[-2], vectors.device)
    with torch.autocast(
        vectors.device.type, enabled=False
    ):  # it would take the product in bfloat16
        x = unit(vectors)
        return (x @ x.transpose(-1, -2))[..., i, j]


def _vectors(features: Tensor, places: Tensor) -> Tensor:
    """features: (B, T, C, H, W). places: (B, ..., 2), (y, x), the same at each time. Returns (B, T, ..., C).

    Rows of a (B T H W, C) table are taken by their number: with channels-last features nothing is copied but the rows.
    """
    b, t, c, h, w = features.shape
    table = features.permute(0, 1, 3, 4, 2).reshape(-1, c)
    inside = (places[..., 0] * w + places[..., 1]).flatten(1)  # (B, n)
    frames = torch.arange(b * t, device=places.device).view(b, t, 1) * (h * w)
    rows = (frames + inside[:, None]).flatten()
    return functional.embedding(rows, table).view(b, t, *places.shape[1:-1], c)
