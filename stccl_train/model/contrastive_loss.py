"""The contrastive loss: InfoNCE of tokens and their partners, and the adaptive weight of tokens.

Each token has to find its partner among other tokens of the same pair of windows. A token's
candidates lie on a cross: all places at its own time, and its own place at other times.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Similarities(NamedTuple):
    """Cosines of each anchor with its candidates."""

    #: (B, A, S), with the anchor's own partner.
    matched: Tensor
    #: (B, A, S, M), with everything on the anchor's cross: S places, then A times if compared.
    others: Tensor
    #: (A or 1, S, M) bool, which of ``others`` are negatives: not the partner itself, and not
    #: times within the guard, at which nearly the same is said.
    is_negative: Tensor


def compare(
    z: Tensor, k: Tensor, across_time: bool, guard: int = 0, times: Tensor | None = None
) -> Similarities:
    """Compute the cosines z_s . k_t of anchors with their candidates, in float32.

    Args:
        z: (B, A, S, D) anchors of unit length. Slot (a, s) of ``z`` and of ``k`` are partners.
        k: (B, A, S, D) candidates of unit length.
        across_time: whether the candidates of (a, s) include (a', s) at other times a', beside
            (a, t) at all places t.
        guard: slots nearer in time than this are not negatives: nearly the same is said there.
        times: (A, n) int, the frames that each time slot covers (two for a pair of frames). Two
            slots are as far apart as the frames that differ most. None: slot a is frame a.
    """
    with torch.autocast(z.device.type, enabled=False):
        z, k = z.float(), k.float()
        _, a, s, _ = z.shape
        others = z @ k.transpose(-1, -2)  # (B, A, S, S): all places at the same time
        matched = others.diagonal(dim1=-2, dim2=-1)
        is_negative = ~torch.eye(s, dtype=torch.bool, device=z.device)[None]
        if across_time and a > 1:
            # (B, S, A, A): all times at the same place
            by_time = z.transpose(1, 2) @ k.permute(0, 2, 3, 1)
            slots = torch.arange(a, device=z.device)[:, None] if times is None else times
            apart = (slots[:, None] - slots[None]).abs().amax(-1) >= max(guard, 1)
            others = torch.cat([others, by_time.transpose(1, 2)], dim=-1)
            is_negative = torch.cat(
                [is_negative.expand(a, -1, -1), apart[:, None].expand(-1, s, -1)], dim=-1
            )
        return Similarities(matched, others, is_negative)


def info_nce(similarities: Similarities, tau: float) -> Tensor:
    """Compute InfoNCE for each anchor (van den Oord et al. 2018, equation 4).

    l_s = -log softmax over candidates of (z_s . k_t / tau), at t = s. Chance is ln(candidates).

    Returns:
        (B, A, S).
    """
    positive = similarities.matched / tau
    negatives = (similarities.others / tau).masked_fill(~similarities.is_negative, -math.inf)
    return torch.logsumexp(torch.cat([positive[..., None], negatives], dim=-1), dim=-1) - positive


def adaptive_weight(disparity: Tensor, scale: Tensor, lam: float, r: float, theta: float) -> Tensor:
    """Compute the correlation-aware adaptive weight: tokens of large disparity count more.

    t_s = sigmoid(|d_s| / scale); w_s = lam t_s^r if t_s > theta, else 1; divided by its mean over
    the tokens of a window.

    Args:
        disparity: (B, A, S), |d_s|.
        scale: (), running mean of the disparity in this layer. Infinite before the first batch,
            which gives equal weights.
        lam: lambda.
        r: exponent.
        theta: threshold on t_s.

    Returns:
        (B, A, S), detached, of mean 1 in each window.
    """
    t = torch.sigmoid(disparity.detach() / scale)
    w = torch.where(t > theta, lam * t**r, 1.0)
    return w / w.mean(dim=(1, 2), keepdim=True)
