"""Gates: a threshold for each score, and one reason for each refused pair.

Gates use stored scores only, so a new threshold never requires reading a video or aligning a pair
again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from stccl_data.errors import Reason
from stccl_data.options import config_class

#: A pair is accepted at this score or above: even odds. Scores lie far from it on both sides.
MIN_CONTENT_SCORE = 0.5
#: A pair between this score and `MIN_CONTENT_SCORE` is doubtful, below it a mismatch.
MIN_DOUBTFUL_SCORE = 0.1

#: Two people who stand out alike, within a fifth, are a coin toss: their places, sizes and mouths
#: vary by more within a clip.
MIN_SPEAKER_MARGIN = 0.2
#: Clips without anything before the mouth have 1.0 (see docs/footage.md).
MIN_MOUTH_VISIBLE = 0.8
#: A mouth that opens and closes by less stands still: a fourth of the least of 34 clips of speech
#: (0.08 to 0.28), four times that of a mask.
MIN_MOUTH_RANGE = 0.02

#: Scores of a clip or a pair by name. A score that is absent or None passes its gate.
Scores = Mapping[str, Any]

#: The reason that each threshold of `GateConfig` refuses with.
GATE_REASONS = {
    "min_content_score": Reason.CONTENT_MISMATCH,
    "min_doubtful_score": Reason.CONTENT_DOUBTFUL,
    "min_face_rate": Reason.FEW_FACES,
    "min_eye_distance": Reason.SMALL_FACE,
    "max_several_faces": Reason.SEVERAL_FACES,
    "min_speaker_margin": Reason.SPEAKER_UNCLEAR,
    "min_mouth_visible": Reason.MOUTH_HIDDEN,
    "min_mouth_range": Reason.MOUTH_STILL,
    "min_mouth_moves_with_sound": Reason.MOUTH_WITHOUT_SOUND,
    "max_duration_ratio": Reason.DURATION_RATIO,
    "max_longest_repeat": Reason.LONGEST_REPEAT,
    "max_local_slope": Reason.LOCAL_SLOPE,
    "max_inconsistency_s": Reason.INCONSISTENT_PATH,
}


@config_class
class GateConfig:
    """Thresholds of the gates. A missing score passes its gate."""

    min_content_score: float = Field(
        default=MIN_CONTENT_SCORE,
        description="Minimum probability that both clips say the same sentence, judged by the "
        "speaker's other clips.",
    )
    min_doubtful_score: float = Field(
        default=MIN_DOUBTFUL_SCORE,
        description="A pair below --min-content-score, but not below this, is refused as doubtful, "
        "not as a mismatch.",
    )
    min_face_rate: float = Field(
        default=0.9, description="Minimum share of frames with a face, in either clip."
    )
    min_eye_distance: float = Field(
        default=24.0,
        description="Minimum pixels between the outer eye corners, in either clip; a smaller face "
        "gives a blurred crop.",
    )
    max_several_faces: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Maximum share of frames with several faces, in either clip.",
    )
    min_speaker_margin: float = Field(
        default=MIN_SPEAKER_MARGIN,
        ge=0,
        le=1,
        description="Minimum by which the speaker stands out among several people, in either clip; "
        "0 is a tie.",
    )
    min_mouth_visible: float = Field(
        default=MIN_MOUTH_VISIBLE,
        ge=0,
        le=1,
        description="Minimum share of frames that show the mouth, in either clip; a hand or a mask "
        "hides it.",
    )
    min_mouth_range: float = Field(
        default=MIN_MOUTH_RANGE,
        description="Minimum range of the mouth's opening, in either clip, in units of the outer "
        "eye corners' distance; behind a mask the mouth stands still.",
    )
    min_mouth_moves_with_sound: float = Field(
        default=-1.0,
        ge=-1,
        le=1,
        description="Minimum correlation of the mouth's opening with the loudness, in either clip; "
        "-1 is off. 0 refuses next to no speaker.",
    )
    max_duration_ratio: float = Field(
        default=2.5,
        ge=1,
        allow_inf_nan=True,
        description="Maximum ratio of the two clips' spans of speech.",
    )
    max_longest_repeat: int = Field(
        default=45,
        ge=1,
        strict=False,
        description="Maximum source frames in a row on one target frame, or target frames skipped "
        "at once.",
    )
    max_local_slope: float = Field(
        default=3.5,
        ge=0,
        allow_inf_nan=True,
        description="Maximum |log2| of the path's slope within speech (95th percentile); 2 is "
        "four times as fast.",
    )
    max_inconsistency_s: float = Field(
        # Measured on right pairs: 0.05 s at most for 99.5 % of RAVDESS's, 0.28 s for 99.5 % of
        # EMO-DB's, which are cut in mid-sentence. A lower value is for those who need exactness.
        default=0.5,
        ge=0,
        allow_inf_nan=True,
        description="Maximum seconds by which the path and those through other takes of the "
        "sentence lie apart, for all but a tenth of the speech.",
    )


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
        pair: mode, content_score, duration_ratio, longest_repeat, local_slope, consistency_s.
        source: face_rate, eye_distance, several_faces, speaker_margin, mouth_visible, mouth_range
            and mouth_moves_with_sound of the source clip.
        target: the same of the target clip.
        gates: all thresholds. Or some of them by name: then only these gates overrule the earlier
            decision; a refused pair that they would accept must also pass the defaults of the
            others.
        earlier: the refusal so far; None if the pair was accepted or never judged.

    Returns:
        The refusal, or None if the pair is accepted.
    """
    if isinstance(gates, GateConfig):
        config, deciding = gates, set(GATE_REASONS.values())
    else:
        config = GateConfig(**gates)  # type: ignore[arg-type]
        deciding = {GATE_REASONS[name] for name in gates}
        if "min_content_score" in gates:
            deciding.add(Reason.CONTENT_DOUBTFUL)
    if earlier is None:
        refusals = _refusals(pair, source, target, config)
        return next((refusal for refusal in refusals if refusal.reason in deciding), None)
    if pair.get("mode") is None or earlier.reason not in deciding:
        return earlier
    return next(_refusals(pair, source, target, config), None)


def _refusals(pair: Scores, source: Scores, target: Scores, gates: GateConfig) -> Iterator[Refusal]:
    """Yield a refusal for every gate that the pair fails, in the order of precedence.

    Those of the clips come first: two clips do not look like one sentence if a mask hides a mouth.
    """
    for side, clip in (("source", source), ("target", target)):
        yield from _clip_refusals(side, clip, gates)
    score = pair.get("content_score")
    if score is not None and score < gates.min_content_score:
        detail = f"the two clips say one sentence with probability {score:.2f}"
        doubtful = score >= gates.min_doubtful_score
        yield Refusal(Reason.CONTENT_DOUBTFUL if doubtful else Reason.CONTENT_MISMATCH, detail)
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
    apart = pair.get("consistency_s")
    if apart is not None and apart > gates.max_inconsistency_s:
        detail = f"the path lies {apart:.2f} s from those through other takes of the sentence"
        yield Refusal(Reason.INCONSISTENT_PATH, detail)


def shows_speaker(clip: Scores, gates: GateConfig) -> bool:
    """Return whether a clip passes its own gates: else its mouth may be hidden or another's."""
    return next(_clip_refusals("clip", clip, gates), None) is None


def _clip_refusals(side: str, clip: Scores, gates: GateConfig) -> Iterator[Refusal]:
    """Yield a refusal for every gate that the source or the target clip fails."""
    rate = clip.get("face_rate")
    if rate is not None and rate < gates.min_face_rate:
        detail = f"the {side} shows a face in {100 * rate:.0f} % of its frames"
        yield Refusal(Reason.FEW_FACES, detail)
    distance = clip.get("eye_distance")
    if distance is not None and distance < gates.min_eye_distance:
        pixels = f"{distance:.0f} pixels between the outer eye corners"
        yield Refusal(Reason.SMALL_FACE, f"the {side}'s face is small: {pixels}")
    several = clip.get("several_faces")
    if several is not None and several > gates.max_several_faces:
        detail = f"the {side} shows several faces in {100 * several:.0f} % of its frames"
        yield Refusal(Reason.SEVERAL_FACES, detail)
    margin = clip.get("speaker_margin")
    if margin is not None and margin < gates.min_speaker_margin:
        detail = f"the {side} shows two people who stand out alike (margin {margin:.2f})"
        yield Refusal(Reason.SPEAKER_UNCLEAR, detail)
    visible = clip.get("mouth_visible")
    if visible is not None and visible < gates.min_mouth_visible:
        detail = f"the {side} shows its mouth in {100 * visible:.0f} % of the frames with a face"
        yield Refusal(Reason.MOUTH_HIDDEN, detail)
    opening = clip.get("mouth_range")
    if opening is not None and opening < gates.min_mouth_range:
        detail = f"the {side}'s mouth opens by {opening:.3f} of the eye corners' distance"
        yield Refusal(Reason.MOUTH_STILL, detail)
    along = clip.get("mouth_moves_with_sound")
    if along is not None and along < gates.min_mouth_moves_with_sound:
        detail = f"the {side}'s mouth and sound have a correlation of {along:.2f}"
        yield Refusal(Reason.MOUTH_WITHOUT_SOUND, detail)
