"""The contrast: each token has to find its partner among others of the same pair of clips.

Tokens are compared along a cross: with those at the same time and other places, and with those at the same place and other times.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Similarities(NamedTuple):
    """Cosines of each anchor with its candidates.

    `matched`: (B, A, S), with its own partner. `others`: (B, A, S, M), with everything on its cross; `counted`: (A or 1, S, M)
    bool, which of these are its negatives (its partner, which lies on the cross as well, is not).
    """

    matched: Tensor
    others: Tensor
    counted: Tensor


def compare(
    z: Tensor, k: Tensor, across_time: bool, guard: int = 0, times: Tensor | None = None
) -> Similarities:
    """Cosines z_s . k_t of anchors with candidates, in float32.

    z, k: (B, A, S, D), of unit length; slot (a, s) of z and of k belong together. across_time: whether the candidates of (a, s)
    are, beside (a, t) for all places t, also (a', s) at other times a'. guard: times nearer than this are no negatives, for what
    is said at them is nearly the same. times: (A, n) int, the frames of each time slot (two for a pair of frames); two slots are as
    far apart as the frames that differ most.
    """
    with torch.autocast(z.device.type, enabled=False):
        z, k = z.float(), k.float()
        _, a, s, _ = z.shape
        others = z @ k.transpose(-1, -2)  # (B, A, S, S): all places at the same time
        matched = others.diagonal(dim1=-2, dim2=-1)
        counted = ~torch.eye(s, dtype=torch.bool, device=z.device)[None]
        if across_time and a > 1:
            by_time = z.transpose(1, 2) @ k.permute(
                0, 2, 3, 1
            )  # (B, S, A, A): all times at the same place
            slots = torch.arange(a, device=z.device)[:, None] if times is None else times
            apart = (slots[:, None] - slots[None]).abs().amax(-1) >= max(guard, 1)
            others = torch.cat([others, by_time.transpose(1, 2)], dim=-1)
            counted = torch.cat(
                [counted.expand(a, -1, -1), apart[:, None].expand(-1, s, -1)], dim=-1
            )
        return Similarities(matched, others, counted)


def info_nce(similarities: Similarities, tau: float) -> Tensor:
    """l_s = -log softmax over candidates of (z_s . k_t / tau), at t = s. Returns (B, A, S). Chance is ln(candidates).

    van den Oord et al. 2018, equation 4.
    """
    positive = similarities.matched / tau
    negatives = (similarities.others / tau).masked_fill(~similarities.counted, -math.inf)
    return torch.logsumexp(torch.cat([positive[..., None], negatives], dim=-1), dim=-1) - positive


def adaptive_weight(disparity: Tensor, scale: Tensor, lam: float, r: float, theta: float) -> Tensor:
    """The correlation-aware adaptive weight: tokens where much is going on count more.

    t_s = sigmoid(|d_s| / scale); w_s = lam t_s^r if t_s > theta, else 1; divided by its mean over the tokens of a window.
    disparity: (B, A, S). scale: (), the running mean of the disparity in this layer; infinite before anything was seen, which gives
    equal weights. Returns (B, A, S), detached, of mean 1 in each window.
    """
    t = torch.sigmoid(disparity.detach() / scale)
    w = torch.where(t > theta, lam * t**r, 1.0)
    return w / w.mean(dim=(1, 2), keepdim=True)


class Retrieval(NamedTuple):
    """What an anchor finds, each (B, A, S): cosines `matched` and `mismatched` (mean over negatives), the `rank` of its partner
    among its candidates (1 is first; ties count half), whether it is first (`recall`, shared among ties); and
    `candidates`, (A or 1, S), how many it had to choose from."""

    matched: Tensor
    mismatched: Tensor
    rank: Tensor
    recall: Tensor
    candidates: Tensor


@torch.no_grad()
def retrieval(similarities: Similarities) -> Retrieval:
    """Where each anchor ranks its partner. A tie is no success: of n equal ones each is first one time in n. NaN is last."""
    matched, others, counted = similarities
    count = counted.sum(-1)
    mismatched = torch.where(counted, others, 0.0).sum(-1) / count.clamp_min(1)
    better = (~(others <= matched[..., None]) & counted).sum(-1)
    equal = ((others == matched[..., None]) & counted).sum(-1)
    return Retrieval(
        matched, mismatched, 1 + better + equal / 2, (better == 0) / (1.0 + equal), 1 + count
    )
