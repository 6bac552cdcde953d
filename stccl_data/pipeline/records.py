"""The rows of a run in memory, one per clip and per candidate pair, and the rule for clips."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from stccl_data.clip import Clip
from stccl_data.dataset.tables import PAIR_SCORES
from stccl_data.errors import Reason
from stccl_data.pairs.content_check import ContentScore
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.clip_artefact import ClipArtefact
from stccl_data.pipeline.pair_artefacts import StoredAlignment


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip and what happened to it."""

    clip: Clip
    #: why the clip is not in use; None if it is
    reason: Reason | None = None
    detail: str = ""
    #: the clip could not be read
    failed: bool = False
    #: see `stccl_data.extract`
    scores: dict[str, float] = field(default_factory=dict)
    #: what was done with the footage, see `Extraction.notes`
    notes: tuple[str, ...] = ()
    #: see `Track.blendshape_summary`
    expression: dict[str, list[float]] = field(default_factory=dict)
    #: see `ClipFrames.identity`; empty if it was not extracted
    frames: dict[str, Any] = field(default_factory=dict)
    #: the extracted clip; None if it was not extracted
    artefact: ClipArtefact | None = None
    #: probability that the clip says the sentence of its label, judged by the speaker's other clips
    content_trust: float | None = None
    #: the sentence that fits far better, if any
    suggested_sentence: str | None = None

    @property
    def state(self) -> str:
        """`paired` (in an accepted pair), `unpaired`, or `failed`."""
        return "failed" if self.failed else "paired" if self.reason is None else "unpaired"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The rows of the two clips of a candidate pair."""

    source: ClipRow
    target: ClipRow

    @property
    def ids(self) -> tuple[str, str]:
        """Clip ids of the source and the target."""
        return self.source.clip.clip_id, self.target.clip.clip_id

    @property
    def artefacts(self) -> tuple[ClipArtefact, ClipArtefact]:
        """The extracted clips; both must exist."""
        assert self.source.artefact is not None and self.target.artefact is not None
        return self.source.artefact, self.target.artefact


@dataclass(frozen=True, slots=True)
class PairRow:
    """A candidate pair and what happened to it."""

    source: Clip
    target: Clip
    utterance: str
    #: None if the pair could not be aligned
    alignment: StoredAlignment | None = None
    #: None if the pair is accepted
    reason: Reason | None = None
    detail: str = ""
    #: whether both clips say one sentence; None if that could not be checked
    content: ContentScore | None = None
    #: see `alignment.consistency`; None without a third take of the sentence
    consistency_s: float | None = None

    @property
    def accepted(self) -> bool:
        return self.reason is None

    @property
    def refusal(self) -> Refusal | None:
        """Why the pair is not used; None if it is accepted."""
        return None if self.reason is None else Refusal(self.reason, self.detail)

    def scores(self) -> dict[str, Any]:
        """Return the PAIR_SCORES of the pair; None for each that is unknown."""
        known = {} if self.alignment is None else self.alignment.scores
        scores = {name: known.get(name) for name in PAIR_SCORES}
        # NaN is unknown too: an imported path has no cost.
        scores = {name: value if value == value else None for name, value in scores.items()}
        if self.content is not None and self.content.score == self.content.score:
            scores |= {"content_score": self.content.score, "content_weak": self.content.weak}
        return scores | {"consistency_s": self.consistency_s}


@dataclass(frozen=True, slots=True)
class PairDecision:
    """Whether a pair is used, by the ids of its clips."""

    source: str
    target: str
    #: None if the pair is accepted
    refusal: Refusal | None


def settle_clips(decisions: Iterable[PairDecision]) -> dict[str, Refusal | None]:
    """Decide for each clip of the pairs whether it is in use.

    Returns:
        clip id -> None if the clip is in an accepted pair; otherwise the commonest reason of its
        pairs (at a tie the first of `Reason`), with the detail of the first pair that has it.
    """
    accepted: set[str] = set()
    refusals: defaultdict[str, list[Refusal]] = defaultdict(list)
    for decision in decisions:
        for clip_id in (decision.source, decision.target):
            if decision.refusal is None:
                accepted.add(clip_id)
            else:
                refusals[clip_id].append(decision.refusal)
    settled: dict[str, Refusal | None] = dict.fromkeys(accepted)
    for clip_id, of_clip in refusals.items():
        if clip_id not in accepted:
            settled[clip_id] = _commonest(of_clip)
    return settled


def _commonest(refusals: list[Refusal]) -> Refusal:
    reasons = [refusal.reason for refusal in refusals]
    reason = max(Reason, key=reasons.count)
    return next(refusal for refusal in refusals if refusal.reason is reason)


def with_refusal(row: ClipRow, refusal: Refusal) -> ClipRow:
    """Return the row of a clip that is in no accepted pair."""
    return replace(row, reason=refusal.reason, detail=refusal.detail)
