"""What a loss adds up: one kind of token in one layer each, and how much it weighs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from stccl_data.errors import UsageError
from stccl_train.model.metric import CorrelationMetric, TokenPair
from stccl_train.model.token_kinds import TokenKind

#: How a token and its partner are compared: among others, or by themselves.
LossForm = Literal["contrast", "distance"]

#: Defaults of `STCCLLoss`: distances in the two fine layers. The coarse layers and a contrast are
#: satisfied by less motion of the lips (docs/evaluation.md).
FORM: LossForm = "distance"
LAYERS = (1.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of token in one layer."""

    kind: TokenKind
    #: 0 to 3.
    layer: int
    #: Relative to the other parts.
    weight: float

    @property
    def name(self) -> str:
        """``scc_vd.1``, as in the metric's statistics."""
        return f"{self.kind.name}.{self.layer + 1}"

    @property
    def places(self) -> int:
        """How many places are drawn."""
        return self.kind.places[self.layer]


class Places(NamedTuple):
    """Places of B windows in one layer."""

    #: (B, L, 2) int64, (y, x).
    where: Tensor
    #: (B, L) bool, whether the tokens of a place pull; those of the others are their negatives.
    pulls: Tensor


def weighted_parts(
    metric: CorrelationMetric, terms: Mapping[str, float], layers: Sequence[float]
) -> list[Part]:
    """Return the parts of a loss that weigh anything.

    Args:
        metric: whose tokens.
        terms: weights of terms and kinds, see `STCCLLoss`.
        layers: weight of each layer.

    Raises:
        UsageError: an unknown term, a weight that is not a number from 0, or nothing left.
    """
    known = {name for kind in metric.kinds for name in (kind.term, kind.name)}
    if unknown := sorted(set(terms) - known):
        raise UsageError(
            f"this metric has no {', '.join(unknown)}; choose from {', '.join(sorted(known))}"
        )
    count = len(metric.backbone.channels)
    if len(layers) != count:
        raise UsageError(f"layers has {len(layers)} weights; give {count}, one per layer")
    if not all(0 <= weight < float("inf") for weight in (*terms.values(), *layers)):
        raise UsageError("weights of terms and layers have to be numbers from 0")
    parts = []
    for kind in metric.kinds:
        forms = sum(other.term == kind.term for other in metric.kinds)
        share = terms.get(kind.term, metric.config.eta if kind.term == "tcc" else 1.0) / forms
        weight = terms.get(kind.name, share)
        parts += [Part(kind, i, weight * layers[i]) for i in range(count) if weight * layers[i]]
    if not parts:
        raise UsageError("all weights of terms and layers are 0; nothing is left to compare")
    return parts


def part_sums(
    metric: CorrelationMetric,
    part: Part,
    places: Places,
    source: Tensor,
    generated: Tensor,
    margin: float = 0.0,
    form: LossForm = FORM,
) -> Tensor:
    """Compare the tokens of one part: their losses, divided by that of chance.

    Args:
        metric: whose heads embed the tokens.
        part: the part.
        places: where tokens are read, and which of them pull.
        source: (B, T, C, H, W) features.
        generated: likewise.
        margin: least value of a token, a share of chance.
        form: see `STCCLLoss`.

    Returns:
        (B, 2), the weighted sum over the tokens that pull in each window, and their weight.
    """
    kind = part.kind
    pulls = places.pulls.repeat_interleave(kind.tokens_per_place, dim=1)[:, None]  # (B, 1, S)
    x, y = kind.build(source, places.where), kind.build(generated, places.where)
    # What does not pull is not pulled either: as a negative it would be pushed away.
    y = y._replace(values=torch.where(pulls[..., None], y.values, y.values.detach()))
    pair = TokenPair(kind, part.layer, x, y)
    if form == "distance":
        z, k = (metric.embed(kind, part.layer, side.values) for side in (x, y))
        value, weight = distance(z, k).repeat(2, 1, 1), metric.token_weights(pair)
    else:
        loss, weight, similarities = metric.token_losses(pair, source.shape[1])
        value = loss / similarities.candidates.clamp_min(2).log()
    weight = weight * pulls.repeat(2, 1, 1)
    sums = torch.stack([(weight * value.clamp_min(margin)).sum((1, 2)), weight.sum((1, 2))], dim=-1)
    return sums.view(2, -1, 2).sum(0)


def distance(z: Tensor, k: Tensor) -> Tensor:
    """Compute the distances of tokens from their partners, |z_s - k_s| / sqrt(2).

    Divided so that an unrelated (orthogonal) partner is at 1, as chance is for a contrast. The
    gradient does not vanish as the two come near each other, as that of a contrast does.

    Args:
        z: (B, A, S, D) of unit length.
        k: (B, A, S, D) likewise, the partners.

    Returns:
        (B, A, S).
    """
    # Clamped, for the slope of the root has no limit at 0.
    return (1 - (z * k).sum(-1)).clamp_min(1e-4).sqrt()
