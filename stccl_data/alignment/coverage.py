"""Clips that are cut, and the speech that two aligned clips share.

Corpora are cut to a fixed length, recorders stop early: two takes of one sentence then hold
different amounts of it, and a path from end to end matches words with other words. So the path may
end before one clip ends, if the other one looks cut and the shorter path is clearly cheaper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import OpenEnds
from stccl_data.alignment.warping_path import SLOPE_S
from stccl_data.features.speech import HOP_S, SpeechFeatures

#: A recording with more silence than this after its speech is complete, seconds. RAVDESS has 0.8 s
#: and more in 90 % of its clips, EMO-DB cut at 2 s less than 0.6 s in 95 %.
_MOST_TAIL_S = 0.5
#: A recording with less silence than this after its speech is cut while speaking, seconds.
_LEAST_TAIL_S = 0.03
#: Otherwise the shorter path has to be cheaper by this share of the mean cost: a pause at the end
#: may be the end of the sentence or within it.
_MARGIN = 0.06
#: Speech that has to be left over in the other clip, seconds. Less is the end of a sound.
_LEAST_REST_S = 0.1
#: Share of each clip's speech that the path has to cover.
_LEAST_SHARE = 0.4
#: A clip stands still if the slope of the path is beyond this, or below its inverse.
_STEEPEST = 4.0
#: Shortest piece of a sentence, seconds; a clap is shorter.
_LEAST_PIECE_S = 0.08


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a path."""

    #: seconds, source
    first: float
    last: float
    #: seconds, target, at the same two points of the path
    target_first: float
    target_last: float

    @property
    def duration_ratio(self) -> float:
        """Seconds of the target over those of the source."""
        return (self.target_last - self.target_first) / (self.last - self.first)


def open_ends(
    source: SpeechFeatures,
    target: SpeechFeatures,
    source_grid: NDArray[np.float64],
    target_grid: NDArray[np.float64],
) -> OpenEnds | None:
    """Return where the path may end early; None if both clips are complete."""
    shares = _share(source), _share(target)
    if not any(shares):
        return None
    return OpenEnds(
        last_row=np.where(_may_end(target, target_grid), shares[0], 0.0),
        last_column=np.where(_may_end(source, source_grid), shares[1], 0.0),
    )


def _share(speech: SpeechFeatures) -> float:
    """Return the share of the complete path's cost below which the clip counts as cut."""
    tail = speech.end - speech.span[1]
    if tail > _MOST_TAIL_S:
        return 0.0
    return 1.0 if tail < _LEAST_TAIL_S else 1.0 - _MARGIN


def _may_end(speech: SpeechFeatures, grid: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each grid point whether the path may end there and leave the rest of the clip."""
    spoken = HOP_S * np.concatenate([[0], np.cumsum(speech.speech)])
    covered = spoken[np.searchsorted(speech.times, grid, side="right")]
    enough: NDArray[np.bool_] = (covered >= _LEAST_SHARE * spoken[-1]) & (
        spoken[-1] - covered >= _LEAST_REST_S
    )
    return enough


def covered_share(clips: Sequence[tuple[SpeechFeatures | None, float]]) -> float:
    """Return the share of the clips' speech that a path covers; 1 without sound.

    Args:
        clips: the speech of each clip, and the time in seconds at which the path ends in it.
    """
    speech = [(part, end) for part, end in clips if part is not None]
    total = sum(int(part.speech.sum()) for part, _ in speech)
    covered = sum(int(part.speech[part.times <= end + HOP_S].sum()) for part, end in speech)
    return covered / total if total else 1.0


def sentence_stretch(
    source: SpeechFeatures,
    target: SpeechFeatures,
    source_time: NDArray[np.float64],
    target_time: NDArray[np.float64],
) -> Stretch:
    """Find the stretch of a path that holds the sentence.

    It reaches from the first to the last piece in which both clips speak and advance. A clap,
    silence or another voice before or after the sentence lies outside, because the other clip is
    silent there, or stands still.

    Args:
        source: its speech.
        target: its speech.
        source_time: (K,) seconds, ascending; with target_time the path.
        target_time: (K,) seconds, never falling.

    Returns:
        The stretch; from one span of speech to the other if there is no such piece.
    """
    first, last = source.span
    times = np.arange(first, min(last, source_time[-1]), HOP_S)
    before, middle, after = (
        np.interp(times + shift, source_time, target_time)
        for shift in (-SLOPE_S / 2, 0.0, SLOPE_S / 2)
    )
    slope = (after - before) / SLOPE_S
    good = (slope > 1 / _STEEPEST) & (slope < _STEEPEST)
    good &= _speaks(source, times) & _speaks(target, middle)
    edges = np.diff(good.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    long = ends - starts >= _LEAST_PIECE_S / HOP_S
    if not long.any():
        return Stretch(*source.span, *target.span)
    i, j = starts[long][0], ends[long][-1] - 1
    return Stretch(float(times[i]), float(times[j]), float(middle[i]), float(middle[j]))


def both_speak(
    source: SpeechFeatures,
    target: SpeechFeatures,
    source_time: NDArray[np.float64],
    target_time: NDArray[np.float64],
    times: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return whether both clips speak around each of the times, as long as a slope is measured.

    Args:
        source: its speech.
        target: its speech.
        source_time: (K,) seconds, ascending; with target_time the path.
        target_time: (K,) seconds, never falling.
        times: (n,) source times in seconds.
    """
    result = np.ones(len(times), np.bool_)
    for shift in np.linspace(-SLOPE_S / 2, SLOPE_S / 2, 5):
        mapped = np.interp(times + shift, source_time, target_time)
        result &= _speaks(source, times + shift) & _speaks(target, mapped)
    return result


def _speaks(speech: SpeechFeatures, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether the clip speaks at each of the times."""
    rows = np.searchsorted(speech.times, times - HOP_S / 2)
    result: NDArray[np.bool_] = speech.speech[np.minimum(rows, len(speech.speech) - 1)]
    return result
