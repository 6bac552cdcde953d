"""Gates: a threshold for each score, and one reason for each refused pair.

Gates use stored scores only, so a new threshold never requires reading a video or aligning a pair again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stccl_data.errors import Reason
from stccl_data.options import check_limits
from stccl_data.pairs.content_check import MIN_CONTENT_SCORE

#: Scores of a clip or a pair by name. A score that is absent or None passes its gate.
Scores = Mapping[str, Any]

#: The reason that each threshold of `GateConfig` refuses with.
GATE_REASONS = {
    "min_content_score": Reason.CONTENT_MISMATCH,
    "min_face_rate": Reason.FEW_FACES,
    "min_eye_distance": Reason.SMALL_FACE,
    "max_duration_ratio": Reason.DURATION_RATIO,
    "max_longest_repeat": Reason.LONGEST_REPEAT,
    "max_local_slope": Reason.LOCAL_SLOPE,
}


def _threshold(default: float, help: str, **limits: float) -> Any:
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """The thresholds. A score that is missing passes its gate."""

    min_content_score: float = _threshold(
        MIN_CONTENT_SCORE,
        "Least probability that both clips say one sentence, by the speaker's other clips.",
    )
    min_face_rate: float = _threshold(0.9, "Least share of frames with a face, in either clip.")
    min_eye_distance: float = _threshold(
        24.0,
        "Least pixels between the outer eye corners, in either clip: below, a crop is mostly blur.",
    )
    max_duration_ratio: float = _threshold(
        2.5, "Longest span of speech over the shortest, of the two clips of a pair.", least=1
    )
    max_longest_repeat: int = _threshold(
        45,
        "Most source frames in a row on one target frame, or target frames passed over at once.",
        least=1,
    )
    max_local_slope: float = _threshold(
        3.5,
        "Most |log2| of the path's slope within speech (95th percentile): 2 is four times as fast.",
        least=0,
    )

    def __post_init__(self) -> None:
        """Raises ValueError for a threshold outside its range."""
        check_limits(self)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pair is not used."""

    reason: Reason
    #: one sentence
    detail: str


def judge(
    pair: Scores,
    source: Scores,
    target: Scores,
    gates: GateConfig | Mapping[str, float],
    earlier: Refusal | None = None,
) -> Refusal | None:
    """Judge a pair by its stored scores.

    The first failing gate in the order of the code gives the reason. Gates overrule an earlier
    refusal only if the pair was aligned (it has a `mode`) and a gate gave that refusal.

    Args:
        pair: mode, content_score, duration_ratio, longest_repeat, local_slope.
        source: face_rate and eye_distance of the source clip.
        target: the same of the target clip.
        gates: all thresholds. Or some of them by name: then only these gates overrule the earlier
            verdict; a refused pair that they would accept must also pass the defaults of the others.
        earlier: the refusal so far; None if the pair was accepted or never judged.

    Returns:
        The refusal, or None if the pair is accepted.
    """
    if isinstance(gates, GateConfig):
        config, deciding = gates, set(GATE_REASONS.values())
    else:
        config = GateConfig(**gates)  # type: ignore[arg-type]
        deciding = {GATE_REASONS[name] for name in gates}
    if earlier is None:
        refusals = _refusals(pair, source, target, config)
        return next((refusal for refusal in refusals if refusal.reason in deciding), None)
    if pair.get("mode") is None or earlier.reason not in deciding:
        return earlier
    return next(_refusals(pair, source, target, config), None)


def _refusals(pair: Scores, source: Scores, target: Scores, gates: GateConfig) -> Iterator[Refusal]:
    """Yield a refusal for every gate that the pair fails, in the order of precedence."""
    score = pair.get("content_score")
    if score is not None and score < gates.min_content_score:
        detail = f"the two clips say one sentence with probability {score:.2f}"
        yield Refusal(Reason.CONTENT_MISMATCH, detail)
    for side, clip in (("source", source), ("target", target)):
        rate = clip.get("face_rate")
        if rate is not None and rate < gates.min_face_rate:
            detail = f"the {side} shows a face in {100 * rate:.0f} % of its frames"
            yield Refusal(Reason.FEW_FACES, detail)
        distance = clip.get("eye_distance")
        if distance is not None and distance < gates.min_eye_distance:
            pixels = f"{distance:.0f} pixels between the outer eye corners"
            yield Refusal(Reason.SMALL_FACE, f"the {side}'s face is small: {pixels}")
    ratio, most = pair.get("duration_ratio"), gates.max_duration_ratio
    if ratio is not None and not 1 / most <= ratio <= most:
        detail = f"the target takes {ratio:.2f} times as long as the source"
        yield Refusal(Reason.DURATION_RATIO, detail)
    repeat = pair.get("longest_repeat")
    if repeat is not None and repeat > gates.max_longest_repeat:
        detail = f"one frame stands against {repeat} frames in a row"
        yield Refusal(Reason.LONGEST_REPEAT, detail)
    slope = pair.get("local_slope")
    if slope is not None and slope > gates.max_local_slope:
        detail = f"the path is locally {2**slope:.1f} times as steep or as flat as the diagonal"
        yield Refusal(Reason.LOCAL_SLOPE, detail)
