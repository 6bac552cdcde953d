"""The contrastive loss: InfoNCE of tokens and their partners, and the adaptive weight of tokens.

Each token has to find its partner among other tokens of the same pair of windows. A token's
candidates lie on a cross: all places at its own time, and its own place at other times.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Similarities(NamedTuple):
    """Cosines of each anchor with its candidates: its partner, and negatives on its cross."""

    #: (B, A, S, S), anchor (a, s) with candidate (a, t), at all places of the same time. The
    #: diagonal holds the partners.
    places: Tensor
    #: (B, S, A, A), anchor (a, s) with candidate (a', s), at all times of the same place; None if
    #: times are not compared.
    times: Tensor | None = None
    #: (A, A) bool, which pairs of times are far enough apart to be negatives; None without times.
    apart: Tensor | None = None

    @property
    def matched(self) -> Tensor:
        """(B, A, S), with the anchor's own partner."""
        return self.places.diagonal(dim1=-2, dim2=-1)

    @property
    def candidates(self) -> Tensor:
        """(A, S) float32, number of candidates, partner included."""
        count = torch.full_like(self.places[0, ..., 0], self.places.shape[-1])
        return count if self.apart is None else count + self.apart.sum(-1)[:, None]

    def at_same_time(self) -> "Similarities":
        """Leave out the negatives at other times."""
        return Similarities(self.places)

    def first_half(self) -> "Similarities":
        """Return those of the first half of the windows."""
        half = len(self.places) // 2
        times = None if self.times is None else self.times[:half]
        return Similarities(self.places[:half], times, self.apart)


def compare(
    z: Tensor, k: Tensor, across_time: bool, guard: int = 0, times: Tensor | None = None
) -> Similarities:
    """Compute the cosines z_s . k_t of anchors with their candidates, in float32.

    Args:
        z: (B, A, S, D) anchors of unit length. Slot (a, s) of ``z`` and of ``k`` are partners.
        k: (B, A, S, D) candidates of unit length; there may be more of them than anchors.
        across_time: whether the candidates of (a, s) include (a', s) at other times a', beside
            (a, t) at all places t.
        guard: slots nearer in time than this are not negatives: nearly the same is said there.
        times: (A, n) int, the frames that each time slot covers (two for a pair of frames). Two
            slots are as far apart as the frames that differ most. None: slot a is frame a.
    """
    with torch.autocast(z.device.type, enabled=False):
        z, k = z.float(), k.float()
        a = z.shape[1]
        places = z @ k.transpose(-1, -2)
        if not across_time or a == 1:
            return Similarities(places)
        slots = torch.arange(a, device=z.device)[:, None] if times is None else times
        apart = (slots[:, None] - slots[None]).abs().amax(-1) >= max(guard, 1)
        partners = k[:, :, : z.shape[2]]
        return Similarities(places, z.transpose(1, 2) @ partners.permute(0, 2, 3, 1), apart)


def info_nce(similarities: Similarities, tau: float) -> Tensor:
    """Compute InfoNCE for each anchor (van den Oord et al. 2018, equation 4).

    l_s = -log softmax over candidates of (z_s . k_t / tau), at t = s. Chance is ln(candidates).

    Returns:
        (B, A, S).
    """
    places, times, apart = similarities
    # The partner is among the places.
    total = torch.logsumexp(places / tau, dim=-1)
    if times is not None and apart is not None:
        negatives = (times / tau).masked_fill(~apart, -math.inf)
        # -inf for an anchor without another time far enough away.
        total = torch.logaddexp(total, torch.logsumexp(negatives, dim=-1).transpose(1, 2))
    return total - similarities.matched / tau


def one_to_one(similarities: Similarities) -> Tensor:
    """Compute the loss of each anchor by its partner alone: 1 - z_s . k_s, without negatives.

    It is multiplied by ln(candidates), so that an unrelated (orthogonal) partner costs what chance
    costs in `info_nce`.

    Returns:
        (B, A, S).
    """
    return (1 - similarities.matched) * similarities.candidates.log()


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
