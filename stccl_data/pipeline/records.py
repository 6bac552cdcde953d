"""The records of a prepared dataset in memory: a row for every clip and for every candidate pair, as its tables hold them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stccl_data.clip import Clip
from stccl_data.dataset.tables import PAIR_SCORES
from stccl_data.errors import Reason
from stccl_data.pairs.content_check import ContentScore
from stccl_data.pipeline.artefacts import ClipArtefact, StoredAlignment


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip and what became of it. `reason`: why it is not in use, None where it is. `failed`: it could not be read.
    `artefact`: where it was extracted to, None where it was not. `content_trust`: the probability that its sentence is the one on
    its label, by the speaker's other clips; `suggested_sentence`: the one that fits far better, if any."""

    clip: Clip
    reason: Reason | None = None
    detail: str = ""
    failed: bool = False
    scores: dict[str, float] = field(default_factory=dict)
    artefact: ClipArtefact | None = None
    content_trust: float | None = None
    suggested_sentence: str | None = None

    @property
    def state(self) -> str:
        """`paired` (in an accepted pair), `unpaired`, or `failed`."""
        return "failed" if self.failed else "paired" if self.reason is None else "unpaired"

    def unused(self, reason: Reason, detail: str) -> "ClipRow":
        """The same clip, not in use for this reason."""
        return replace(self, reason=reason, detail=detail)


@dataclass(frozen=True, slots=True)
class PairRow:
    """A candidate pair and what became of it. `alignment`: None where it could not be aligned. `content`: whether both clips say
    one sentence, None where that could not be checked. `reason`: None where accepted."""

    source: Clip
    target: Clip
    utterance: str
    alignment: StoredAlignment | None = None
    reason: Reason | None = None
    detail: str = ""
    content: ContentScore | None = None

    @property
    def accepted(self) -> bool:
        return self.reason is None

    def scores(self) -> dict[str, Any]:
        """PAIR_SCORES of the pair; None for each that it has not."""
        known = {} if self.alignment is None else self.alignment.scores
        scores = {name: known.get(name) for name in PAIR_SCORES}
        scores = {
            name: value if value == value else None for name, value in scores.items()
        }  # an imported path has no cost
        if self.content is not None and self.content.score == self.content.score:
            scores |= {"content_score": self.content.score, "content_weak": self.content.weak}
        return scores


def commonest_refusal(refusals: Sequence[tuple[Reason, str]]) -> tuple[Reason, str]:
    """Why a clip whose pairs were all refused is not in use: the commonest of their (reason, detail), at least one."""
    reasons = [reason for reason, _ in refusals]
    reason = max(Reason, key=reasons.count)
    return reason, next(detail for why, detail in refusals if why is reason)
