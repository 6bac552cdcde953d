"""The verdict: whether a form of the metric hears speech, by its figures beside the controls."""

from dataclasses import dataclass

from stccl_train.eval.conditions import (
    NOISE,
    NOISE_ELSEWHERE,
    OTHER_SAME_TIME,
    OTHER_SENTENCE,
    shifted,
)
from stccl_train.eval.intervals import Interval
from stccl_train.eval.shift import VERDICT_SHIFT
from stccl_train.eval.statistics import (
    MANY_SPEAKERS,
    Evaluation,
    Selection,
    gap_coefficients,
)
from stccl_train.model.token_kinds import Form, Term, TokenKind

#: The condition of that shift.
SHIFTED = shifted(VERDICT_SHIFT)

#: With fewer pairs there is no verdict.
LEAST_PAIRS = 5

#: The gap has to be this many times that of every untrained metric.
_LEAST_FACTOR = 2

#: What of the gap has to be left if the shifted clip is replaced by another sentence at the same
#: relative time. A mouth that only follows the clock keeps nothing, speech about all.
_LEAST_SAME_TIME = 0.5

#: What of the gap has to be left if the shifted clip is replaced by another sentence aligned by the
#: mouth. Speech on drawn and rendered faces keeps 0.56 to 0.80, a mouth that follows the loudness
#: 0.25 (docs/method.md).
_LEAST_OTHER = 0.33

#: How much more often than chance noise may be found, as a share of chance.
_NOISE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one form of a term. R@1 is at the mouth; on noise it is over the whole frame.

    Each interval is that of `Evaluation.contrast`.
    """

    term: Term
    form: Form
    #: R@1 aligned minus R@1 shifted by `VERDICT_SHIFT`.
    gap: Interval
    #: The same gap with untrained heads, the mean of several untrained metrics.
    untrained: Interval
    #: The same gap of each of these untrained metrics.
    untrained_draws: tuple[float, ...]
    #: The same gap of the tokens of the untrained backbones, without heads.
    bare: Interval
    #: R@1 aligned minus R@1 of another sentence, aligned by the mouth; None without one.
    other: Interval | None
    #: R@1 aligned minus R@1 of another sentence at the same relative time; None without one.
    same_time: Interval | None
    #: R@1 on Gaussian noise minus R@1 at a wrong place of it, which is a token's true chance: the
    #: tokens of a place's eight neighbours differ in kind, and tokens that share a frame are alike,
    #: so it is not exactly 1 / candidates.
    noise: Interval
    #: 1 / candidates.
    chance: float
    #: What the metric fails, in words; empty if it hears speech.
    failures: tuple[str, ...]
    #: All of this in one sentence.
    sentence: str

    @property
    def hears(self) -> bool:
        """Whether all controls are passed."""
        return not self.failures

    @property
    def name(self) -> str:
        """Term and form: ``SCC-VD``."""
        return f"{self.term}-{self.form}".upper()


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures that a verdict rests on; see `Verdict`."""

    gap: Interval
    untrained: Interval
    untrained_draws: tuple[float, ...]
    bare: Interval
    #: `gap` minus `untrained`, and minus `bare`, of the same pairs.
    gain: Interval
    bare_gain: Interval
    other: Interval | None
    same_time: Interval | None
    noise: Interval
    #: R@1 at a wrong place of noise.
    wrong_place: float
    chance: float


def verdicts(evaluation: Evaluation) -> list[Verdict]:
    """Judge each form of each term.

    Forms without the figures needed are left out: the verdict's shift was not evaluated, or nothing
    was counted at the mouth.
    """
    judged = []
    for kind in evaluation.kinds:
        figures = _read_figures(evaluation, kind)
        if figures is not None:
            judged.append(_judge(evaluation, kind, figures))
    return judged


def verdict_line(evaluation: Evaluation) -> str:
    """Return all verdicts as one line, or why there is none."""
    judged = verdicts(evaluation)
    if judged:
        return ". ".join(verdict.sentence for verdict in judged)
    if SHIFTED not in evaluation.conditions:
        return (
            f"No verdict: it is about a shift by {VERDICT_SHIFT} s, which was not among --shifts."
        )
    return "No verdict: nothing was counted at the mouth."


def cautions(evaluation: Evaluation) -> list[str]:
    """Return in words what limits the verdicts, whatever the figures are."""
    found = []
    if len(evaluation.speakers) == 1:
        found.append(
            f"one speaker, {evaluation.speakers[0]}: whether it holds for another face is open"
        )
    if len(evaluation.sentences) == 1:
        found.append(f"one sentence, {evaluation.sentences[0]}: it may hear the clock alone")
    if evaluation.seen_sentences:
        seen, all_of_them = len(evaluation.seen_sentences), len(evaluation.sentences)
        found.append(
            f"{seen} of {all_of_them} sentences were trained on, said by other speakers: it may "
            "know them by heart"
        )
    return found


def _read_figures(evaluation: Evaluation, kind: TokenKind) -> _Figures | None:
    after, untrained, bare = (
        Selection(kind.term, kind.form, stage, region="mouth")
        for stage in ("after", "untrained", "untrained_before")
    )
    noise = Selection(kind.term, kind.form, condition=NOISE)
    gaps = [evaluation.gap(selection, SHIFTED) for selection in (after, untrained, bare)]
    gains = [_gain(evaluation, after, baseline) for baseline in (untrained, bare)]
    noise_gap = evaluation.gap(noise, NOISE_ELSEWHERE)
    if gaps[0] is None or gaps[1] is None or gaps[2] is None:
        return None
    if gains[0] is None or gains[1] is None or noise_gap is None:
        return None
    return _Figures(
        gap=gaps[0],
        untrained=gaps[1],
        untrained_draws=evaluation.untrained_gaps(kind),
        bare=gaps[2],
        gain=gains[0],
        bare_gain=gains[1],
        other=evaluation.gap(after, OTHER_SENTENCE),
        same_time=evaluation.gap(after, OTHER_SAME_TIME),
        noise=noise_gap,
        wrong_place=evaluation.mean(
            "recall", Selection(kind.term, kind.form, condition=NOISE_ELSEWHERE)
        ),
        chance=evaluation.mean("chance", noise),
    )


def _gain(evaluation: Evaluation, after: Selection, baseline: Selection) -> Interval | None:
    """Return the gap of one selection minus that of another, of the same pairs."""
    if SHIFTED not in evaluation.conditions:
        return None
    less = {selection: -c for selection, c in gap_coefficients(baseline, SHIFTED).items()}
    return evaluation.contrast("recall", gap_coefficients(after, SHIFTED) | less)


def _judge(evaluation: Evaluation, kind: TokenKind, figures: _Figures) -> Verdict:
    failures = tuple(_doubts(evaluation) + _failed_controls(figures))
    name = f"{kind.term}-{kind.form}".upper()
    scope = _scope(evaluation)
    judgement = f"does not prove that it hears speech ({'; '.join(failures)})"
    sentence = (
        f"{name} {judgement if failures else f'hears speech{scope}'}: "
        f"at the mouth aligned beats shifted by {VERDICT_SHIFT} s by {figures.gap} in R@1, "
        f"{_times(figures.gap, figures.untrained)} untrained metrics "
        f"({_spread(figures)}), "
        f"{_times(figures.gap, figures.bare)} their backbones' own tokens {figures.bare}; "
        f"{_other_words(figures)}; noise is "
        f"{'at' if _noise_at_chance(figures) else 'above'} chance "
        f"({figures.wrong_place + figures.noise.mean:.3f}, "
        f"at a wrong place {figures.wrong_place:.3f})"
    )
    return Verdict(
        kind.term,
        kind.form,
        figures.gap,
        figures.untrained,
        figures.untrained_draws,
        figures.bare,
        figures.other,
        figures.same_time,
        figures.noise,
        figures.chance,
        failures,
        sentence,
    )


def _doubts(evaluation: Evaluation) -> list[str]:
    """List what forbids a verdict, whatever the figures are."""
    doubts = []
    if evaluation.seen:
        doubts.append(f"the metric was trained on {', '.join(evaluation.seen)}")
    if len(evaluation.pairs) < LEAST_PAIRS:
        doubts.append(f"{len(evaluation.pairs)} pairs are too few")
    return doubts


def _failed_controls(figures: _Figures) -> list[str]:
    """List the controls that the figures fail."""
    gap, same_time = figures.gap, figures.same_time
    failures = []
    if gap.units < 2:
        failures.append("a single sentence shows no spread")
    elif not gap.above_zero:
        failures.append("shifted may be found as well")
    if not figures.gain.above_zero:
        failures.append("an untrained metric may do as well")
    elif gap.mean < _LEAST_FACTOR * max(figures.untrained_draws):
        failures.append("an untrained metric does more than half as well")
    if not figures.bare_gain.above_zero:
        failures.append("an untrained backbone may do as well")
    other = figures.other
    if other is not None and (not other.above_zero or other.mean < _LEAST_OTHER * gap.mean):
        failures.append("another sentence may be found as well")
    if same_time is None:
        failures.append("without another sentence it may hear the clock alone")
    elif not same_time.above_zero or same_time.mean < _LEAST_SAME_TIME * gap.mean:
        failures.append("another sentence at the same relative time may be found as well")
    if not _noise_at_chance(figures):
        failures.append("it finds noise")
    return failures


def _noise_at_chance(figures: _Figures) -> bool:
    return figures.noise.low <= _NOISE_TOLERANCE * figures.wrong_place


def _scope(evaluation: Evaluation) -> str:
    """Return for whom the verdict holds: few speakers do not stand for all."""
    count = len(evaluation.speakers)
    if count >= MANY_SPEAKERS:
        return ""
    return f", for these {count} speakers" if count > 1 else ", for this speaker"


def _other_words(figures: _Figures) -> str:
    parts = []
    if figures.other is not None:
        parts.append(f"another sentence by {figures.other}")
    if figures.same_time is not None:
        parts.append(f"another sentence at the same relative time by {figures.same_time}")
    return ", ".join(parts) or "there is no other sentence to compare with"


def _spread(figures: _Figures) -> str:
    """Return the gaps of the untrained metrics: their mean and range."""
    low, high = min(figures.untrained_draws), max(figures.untrained_draws)
    return f"{figures.untrained.mean:.3f}, from {low:.3f} to {high:.3f}"


def _times(gap: Interval, untrained: Interval) -> str:
    return f"{gap.mean / untrained.mean:.1f} times" if untrained.mean > 0 else "beside"
