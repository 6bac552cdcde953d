"""Retrieval: the rank of each token's partner among its candidates, and R@1."""

from typing import NamedTuple

import torch
from torch import Tensor

from stccl_train.model.contrastive_loss import Similarities


class Retrieval(NamedTuple):
    """How well each anchor finds its partner among its candidates."""

    #: (B, A, S), cosine with the partner.
    matched: Tensor
    #: (B, A, S), mean cosine with the negatives.
    mismatched: Tensor
    #: (B, A, S), rank of the partner; 1 is first, ties count half.
    rank: Tensor
    #: (B, A, S), whether the partner is first (R@1), shared among ties.
    recall: Tensor
    #: (A, S), number of candidates, partner included.
    candidates: Tensor


@torch.no_grad()
def retrieval(similarities: Similarities) -> Retrieval:
    """Rank each anchor's partner among its candidates.

    Ties count as chance: each of n equal candidates is first one time in n. An anchor with NaN
    among its candidates ranks last. The result is detached.
    """
    places = similarities.places.detach()
    matched = places.diagonal(dim1=-2, dim2=-1)
    n = similarities.candidates - 1
    # The partner is among the places, and neither above nor below itself.
    lead = _lead(places, matched)
    total, highest = places.sum(-1) - matched, places.amax(-1)
    if similarities.times is not None and similarities.apart is not None:
        times, apart = similarities.times.detach(), similarities.apart
        here = times.masked_fill(~apart, 0.0)
        total = total + here.sum(-1).transpose(1, 2)
        partners = matched.transpose(1, 2)
        # A time that is no negative is made the partner's equal.
        rest = torch.where(apart, times, partners[..., None])
        lead = lead + _lead(rest, partners).transpose(1, 2)
        highest = torch.maximum(highest, rest.amax(-1).transpose(1, 2))
    lead = torch.where(total.isnan(), n, lead)
    return Retrieval(
        matched,
        total / n.clamp_min(1),
        # above + equal / 2, as n = above + equal + below
        rank=1 + (n + lead) / 2,
        # With none above, n + lead of them are equal.
        recall=torch.where(highest <= matched, 1 / (1 + n + lead), 0.0),
        candidates=similarities.candidates,
    )


@torch.no_grad()
def recall_at_1(similarities: Similarities) -> tuple[Tensor, Tensor]:
    """Return ``matched`` and ``recall`` of `retrieval` alone, in a third of its time."""
    places = similarities.places
    matched = places.diagonal(dim1=-2, dim2=-1)
    highest, negatives = places.amax(-1), None
    if similarities.times is not None and similarities.apart is not None:
        negatives = similarities.times.masked_fill(~similarities.apart, -torch.inf).transpose(1, 2)
        highest = torch.maximum(highest, negatives.amax(-1))
    first = highest <= matched
    best = matched[first][:, None]
    equal = (places[first] == best).sum(-1)  # the partner, and its ties
    if negatives is not None:
        equal += (negatives[first] == best).sum(-1)
    recall = torch.zeros_like(matched)
    recall[first] = 1 / equal
    return matched, recall


def _lead(candidates: Tensor, matched: Tensor) -> Tensor:
    """Return how many more candidates are above the partner than below."""
    return torch.sign(candidates - matched[..., None]).sum(-1)
