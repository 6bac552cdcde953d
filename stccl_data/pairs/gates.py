"""Which pairs are good enough: a threshold for each score, and one reason for each pair that is refused.

Gates read stored scores alone, so that changing one never reads a video or aligns a pair again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stccl_data.errors import Reason
from stccl_data.options import check_limits
from stccl_data.pairs.content_check import MIN_CONTENT_SCORE

Scores = Mapping[str, Any]

#: What `judge` may answer. An aligned pair refused for one of these may pass other thresholds.
GATE_REASONS = frozenset(
    {
        Reason.FEW_FACES,
        Reason.SMALL_FACE,
        Reason.CONTENT_MISMATCH,
        Reason.DURATION_RATIO,
        Reason.LONGEST_REPEAT,
        Reason.LOCAL_SLOPE,
    }
)


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


def judge(
    pair: Scores, source: Scores, target: Scores, gates: GateConfig
) -> tuple[Reason, str] | None:
    """Why the pair is refused, with a sentence; None where it passes every gate. The first gate in the order of the code counts.

    pair: content_score, duration_ratio, longest_repeat, local_slope. source, target: the clips' scores (face_rate, eye_distance).
    """
    if (score := pair.get("content_score")) is not None and score < gates.min_content_score:
        return (
            Reason.CONTENT_MISMATCH,
            f"the two clips say one sentence with probability {score:.2f}",
        )
    for name, clip in (("source", source), ("target", target)):
        if (rate := clip.get("face_rate")) is not None and rate < gates.min_face_rate:
            return Reason.FEW_FACES, f"the {name} shows a face in {100 * rate:.0f} % of its frames"
        if (distance := clip.get("eye_distance")) is not None and distance < gates.min_eye_distance:
            return (
                Reason.SMALL_FACE,
                f"the {name}'s face is small: {distance:.0f} pixels between the outer eye corners",
            )
    if (
        ratio := pair.get("duration_ratio")
    ) is not None and not 1 / gates.max_duration_ratio <= ratio <= gates.max_duration_ratio:
        return Reason.DURATION_RATIO, f"the target takes {ratio:.2f} times as long as the source"
    if (repeat := pair.get("longest_repeat")) is not None and repeat > gates.max_longest_repeat:
        return Reason.LONGEST_REPEAT, f"one frame stands against {repeat} frames in a row"
    if (slope := pair.get("local_slope")) is not None and slope > gates.max_local_slope:
        return (
            Reason.LOCAL_SLOPE,
            f"the path is locally {2**slope:.1f} times as steep or as flat as the diagonal",
        )
    return None
