"""What a loss adds up: one kind of token in one layer each, and how much it weighs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stccl_data.errors import UsageError
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.token_kinds import TokenKind


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
