"""The scores that a report shows: their distributions, and the gates that judge by them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.tables import Row
from stccl_data.pairs.gates import GateConfig

_BINS = 40
#: Values nearer than this to each other, relative to the largest, are equal but for rounding.
_NOISE = 1e-6


@dataclass(frozen=True, slots=True)
class Score:
    """One score of a pair or of a clip."""

    name: str
    #: what it measures, for people
    meaning: str
    #: 1 if larger is better, -1 if smaller is better, 0 if neither
    better: int
    #: the field of `GateConfig` that refuses by it
    gate: str | None = None


PAIR_SCORES = (
    Score(
        "content_score",
        "probability that both clips say the same sentence",
        1,
        "min_content_score",
    ),
    Score("cost", "mean cost along the warping path", -1),
    Score("duration_ratio", "speech in the target / speech in the source", 0, "max_duration_ratio"),
    Score("longest_repeat", "frames in a row on one frame", -1, "max_longest_repeat"),
    Score("local_slope", "|log2| of the path's local slope, 95 %", -1, "max_local_slope"),
    Score("diagonal_fraction", "share of diagonal steps of the path", 1),
    Score("coverage", "share of the speech that the path covers", 1),
    Score(
        "consistency_s",
        "seconds from the paths through other takes",
        -1,
        "max_inconsistency_s",
    ),
)
CLIP_SCORES = (
    Score("face_rate", "share of frames with a face", 1, "min_face_rate"),
    Score("eye_distance", "pixels between the outer eye corners", 1, "min_eye_distance"),
    Score("several_faces", "share of frames with several faces", -1, "max_several_faces"),
    Score("speaker_margin", "how clearly the speaker stands out", 1, "min_speaker_margin"),
    Score("mouth_visible", "share of frames that show the mouth", 1, "min_mouth_visible"),
    Score("mouth_range", "range of the mouth's opening, eye distances", 1, "min_mouth_range"),
    Score(
        "mouth_moves_with_sound",
        "correlation of mouth opening and loudness",
        1,
        "min_mouth_moves_with_sound",
    ),
    Score("sharpness", "variance of the Laplacian of the face crop", 1),
    Score("yaw", "median turn of the head, degrees", 0),
    Score("emotion_margin", "nearer to its emotion than to another, by other faces", 1),
    Score("longest_gap", "frames in a row without a face", -1),
    Score("av_difference_s", "sound minus video, seconds", 0),
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values of one score over a dataset."""

    score: Score
    #: (B + 1,) edges of the bins
    edges: NDArray[np.float64]
    #: (B,) accepted pairs, or clips in accepted pairs
    used: NDArray[np.int64]
    #: (B,) the others
    refused: NDArray[np.int64]
    #: the gate's thresholds
    thresholds: tuple[float, ...]
    #: sorted
    values: NDArray[np.float64]

    @property
    def rule(self) -> str:
        """Words such as `at least 0.5`; empty without a gate."""
        return _rule(self.score, self.thresholds)

    def place(self, value: float | None) -> float | None:
        """Return the share of values below this one, ties counted half; None if unknown."""
        if value is None or not math.isfinite(value) or not len(self.values):
            return None
        noise = _noise(self.values[0], self.values[-1])
        below = np.searchsorted(self.values, value - noise, "left")
        up_to = np.searchsorted(self.values, value + noise, "right")
        return float(below + up_to) / (2 * len(self.values))


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One score of a pair, or of one of its clips, against its gate."""

    score: Score
    #: pair, clip, source or target
    side: str
    value: float
    #: words such as `at least 0.5`; empty without a gate
    rule: str
    passed: bool
    #: the share of the dataset's values below this one; None if unknown
    place: float | None

    @property
    def badness(self) -> float | None:
        """The share of the dataset that is better; None if the score has no better side."""
        if self.place is None or not self.score.better:
            return None
        return 1 - self.place if self.score.better > 0 else self.place


def distributions(
    scores: Sequence[Score],
    rows: Sequence[Row],
    is_used: Callable[[Row], bool],
    gates: GateConfig,
) -> dict[str, Distribution]:
    """Return the distribution of each score that some row has."""
    used = np.array([is_used(row) for row in rows], bool)
    result = {}
    for score in scores:
        column = [row.get(score.name) for row in rows]
        values = np.array([math.nan if value is None else value for value in column], np.float64)
        known = np.isfinite(values)
        if not known.any():
            continue
        edges = _edges(values[known])
        result[score.name] = Distribution(
            score,
            edges,
            np.histogram(np.clip(values[known & used], edges[0], edges[-1]), edges)[0],
            np.histogram(np.clip(values[known & ~used], edges[0], edges[-1]), edges)[0],
            thresholds(score, gates),
            np.sort(values[known]),
        )
    return result


def thresholds(score: Score, gates: GateConfig) -> tuple[float, ...]:
    """Return the values at which the gate of a score refuses; empty without a gate."""
    if score.gate is None:
        return ()
    value = float(getattr(gates, score.gate))
    if score.name == "duration_ratio":
        return 1 / value, value
    return (value,)


def gate_checks(
    scores: Sequence[Score],
    sides: Mapping[str, Row],
    gates: GateConfig,
    known: Mapping[str, Distribution],
) -> list[list[GateCheck]]:
    """Compare the scores of a pair, or of clips, with the gates.

    Args:
        scores: the scores to compare.
        sides: the rows that have them, such as those of the `source` and the `target`.
        gates: the thresholds.
        known: distributions by the name of the score.

    Returns:
        For each score that is known, the check of each side that has it.
    """
    checks = []
    for score in scores:
        of_score = []
        for side, row in sides.items():
            value = row.get(score.name)
            if value is None or math.isnan(value):
                continue
            limits = thresholds(score, gates)
            at = known[score.name].place(float(value)) if score.name in known else None
            passed = _passes(score, limits, float(value))
            of_score.append(GateCheck(score, side, value, _rule(score, limits), passed, at))
        if of_score:
            checks.append(of_score)
    return checks


def _passes(score: Score, limits: tuple[float, ...], value: float) -> bool:
    if not limits:
        return True
    if len(limits) == 2:
        return limits[0] <= value <= limits[1]
    return value >= limits[0] if str(score.gate).startswith("min_") else value <= limits[0]


def _rule(score: Score, limits: tuple[float, ...]) -> str:
    if not limits:
        return ""
    if len(limits) == 2:
        return f"{limits[0]:.2g} to {limits[1]:.3g}"
    word = "at least" if str(score.gate).startswith("min_") else "at most"
    return f"{word} {limits[0]:g}"


def _noise(low: float, high: float) -> float:
    """Return the difference up to which values between these are equal but for rounding."""
    return _NOISE * max(abs(low), abs(high))


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bins over all but the outermost thousandths; those count in the first and last."""
    low, high = (
        np.quantile(values, [0.001, 0.999])
        if len(values) > 1000
        else (
            values.min(),
            values.max(),
        )
    )
    bins = min(_BINS, max(10, len(values) // 2))
    if high - low <= _noise(low, high):
        low, high = low - 0.5, high + 0.5
        bins |= 1  # the values lie within the bin in the middle, not at an edge
    return np.linspace(low, high, bins + 1)
