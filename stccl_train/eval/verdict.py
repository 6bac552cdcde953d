"""The verdict: whether a term of the metric hears speech, by its figures beside the controls."""

from dataclasses import dataclass

from stccl_train.eval.conditions import NOISE, NOISE_ELSEWHERE, OTHER_SENTENCE, shifted
from stccl_train.eval.statistics import Evaluation, Interval, Selection
from stccl_train.model.token_kinds import Term

#: The shift that the verdict is about: 0.4 s at 25 frames a second, two to four sounds later.
VERDICT_SHIFT = 10

#: The condition of that shift.
SHIFTED = shifted(VERDICT_SHIFT)

#: With fewer pairs there is no verdict: the bootstrap intervals of a few pairs are too narrow.
_LEAST_PAIRS = 5

#: The gap has to be this many times its untrained value.
_LEAST_FACTOR = 2

#: How much more often than chance noise may be found, as a share of chance.
_NOISE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one term. R@1 is at the mouth; on noise it is over the whole frame."""

    term: Term
    #: R@1 aligned minus R@1 shifted by `VERDICT_SHIFT` frames.
    gap: Interval
    #: The same gap with untrained heads.
    untrained: Interval
    #: The same gap of the tokens of an untrained backbone, without heads.
    bare: Interval
    #: R@1 aligned minus R@1 of another sentence; None if there is no other sentence.
    other: Interval | None
    #: R@1 on Gaussian noise minus R@1 at a wrong place of it, which is a token's true chance: the
    #: tokens of a place's eight neighbours differ in kind, and tokens that share a frame are alike,
    #: so it is not exactly 1 / candidates.
    noise: Interval
    #: 1 / candidates.
    chance: float
    #: Whether all controls are passed: the gap is at least twice its untrained value, its interval
    #: lies above both untrained intervals and above 0, another sentence fails too, noise is at
    #: chance, there are enough pairs, and no speaker was used in training.
    hears: bool
    #: All of this in one sentence.
    sentence: str


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """Judge each term.

    Terms without the figures needed are left out: the verdict's shift was not evaluated, or nothing
    was counted at the mouth.
    """
    judged = [_judge(evaluation, term) for term in evaluation.terms]
    return [verdict for verdict in judged if verdict is not None]


def verdict_line(evaluation: Evaluation) -> str:
    """Return all verdicts as one line, or why there is none."""
    judged = verdicts(evaluation)
    if judged:
        return ". ".join(verdict.sentence for verdict in judged)
    if SHIFTED not in evaluation.conditions:
        return (
            f"No verdict: it is about a shift by {VERDICT_SHIFT} frames, "
            "which was not among --shifts."
        )
    return "No verdict: nothing was counted at the mouth."


def _judge(evaluation: Evaluation, term: Term) -> Verdict | None:
    gap, untrained, bare = (
        evaluation.gap(Selection(term, stage=stage, region="mouth"), SHIFTED)
        for stage in ("after", "untrained", "untrained_before")
    )
    noise_tokens = Selection(term, condition=NOISE)
    noise = evaluation.gap(noise_tokens, NOISE_ELSEWHERE)
    wrong_place = evaluation.interval("recall", Selection(term, condition=NOISE_ELSEWHERE))
    chance = evaluation.interval("chance", noise_tokens)
    if gap is None or untrained is None or bare is None:
        return None
    if noise is None or wrong_place is None or chance is None:
        return None
    other = evaluation.gap(Selection(term, region="mouth"), OTHER_SENTENCE)
    at_chance = noise.low <= _NOISE_TOLERANCE * wrong_place.mean
    doubts = _doubts(evaluation)
    hears = (
        gap.mean >= _LEAST_FACTOR * untrained.mean
        and gap.low > max(0.0, untrained.high, bare.high)
        and at_chance
        and not doubts
        and (other is None or other.low > 0)
    )
    other_words = (
        f"another sentence by {other}"
        if other is not None
        else "there is no other sentence to compare with"
    )
    sentence = (
        f"{term.upper()} {'hears speech' if hears else 'does not prove that it hears speech'}: "
        + "".join(f"{doubt}; " for doubt in doubts)
        + f"at the mouth aligned beats shifted by {VERDICT_SHIFT} frames by {gap} in R@1, "
        f"{_times(gap, untrained)} the untrained {untrained}, "
        f"{_times(gap, bare)} the untrained backbone's own tokens {bare}; "
        f"{other_words}; noise is {'at' if at_chance else 'above'} chance "
        f"({wrong_place.mean + noise.mean:.3f}, at a wrong place {wrong_place.mean:.3f})"
    )
    return Verdict(term, gap, untrained, bare, other, noise, chance.mean, hears, sentence)


def _doubts(evaluation: Evaluation) -> list[str]:
    """List what forbids a verdict, whatever the figures are."""
    doubts = []
    if evaluation.seen:
        doubts.append(f"the metric was trained on {', '.join(evaluation.seen)}")
    if len(evaluation.pairs) < _LEAST_PAIRS:
        doubts.append(f"{len(evaluation.pairs)} pairs are too few")
    return doubts


def _times(gap: Interval, untrained: Interval) -> str:
    return f"{gap.mean / untrained.mean:.1f} times" if untrained.mean > 0 else "beside"
