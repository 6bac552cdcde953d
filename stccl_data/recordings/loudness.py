"""Where sound is louder than its surroundings: the edges of speech, which no phoneme tells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stccl_data.recordings.beeps import Beep
from stccl_data.recordings.sound_track import LOUDNESS_HOP_S

#: Seconds over which the room and the voice are measured.
_SURROUNDINGS_S = 20.0
#: Quantiles of the loudness that stand for the quietest moments, the room, and the voice.
_QUIETEST, _ROOM, _VOICE = 0.02, 0.1, 0.95
#: Sound is loud above the room by so many times the room's own variation (room - quietest), but at
#: least so many dB, and at most this share of the range between room and voice.
_VARIATIONS, _LEAST_DB, _MOST_SHARE = 5.0, 3.0, 0.3
#: Sound that is so much quieter than a take's own voice is not part of it, dB.
_RANGE_DB = 35.0
#: Seconds over which the loudness is averaged.
_SMOOTHING_S = 0.03
#: Seconds around a beep that count as part of it.
_BEEP_MARGIN_S = 0.02
#: Seconds of quiet inside speech: the closure of a plosive, a breath before a line.
_CLOSURE_S = 0.25


@dataclass(frozen=True, slots=True)
class Loudness:
    """Which instants are loud."""

    #: (L,) float64 dB, smoothed, every `LOUDNESS_HOP_S`
    level: NDArray[np.float64]
    #: (L,) bool
    loud: NDArray[np.bool_]

    @classmethod
    def of(cls, loudness: NDArray[np.float32], beeps: Sequence[Beep] = ()) -> "Loudness":
        """Compare loudness with its surroundings; beeps count as quiet."""
        size = max(1, round(_SMOOTHING_S / LOUDNESS_HOP_S))
        level = uniform_filter1d(loudness.astype(np.float64), size)
        block = round(_SURROUNDINGS_S / 2 / LOUDNESS_HOP_S)
        count = max(1, round(len(level) / block))
        centres = (np.arange(count) + 0.5) * len(level) / count
        edges = [
            level[max(0, round(c) - block) : round(c) + block] if len(level) else np.zeros(1)
            for c in centres
        ]
        quantiles = [np.quantile(part, [_QUIETEST, _ROOM, _VOICE]) for part in edges]
        quietest, room, voice = np.array(quantiles).T
        most = np.maximum(_LEAST_DB, _MOST_SHARE * (voice - room))
        threshold = room + np.clip(_VARIATIONS * (room - quietest), _LEAST_DB, most)
        loud = level > np.interp(np.arange(len(level)), centres, threshold)
        for beep in beeps:
            first, last = beep.start - _BEEP_MARGIN_S, beep.end + _BEEP_MARGIN_S
            loud[max(0, round(first / LOUDNESS_HOP_S)) : round(last / LOUDNESS_HOP_S)] = False
        return cls(level, loud)

    def extent(
        self, first: float, last: float, earliest: float, latest: float
    ) -> tuple[float, float]:
        """Return when the sound around some speech begins and ends, seconds.

        Args:
            first, last: when the first and the last phoneme are recognised.
            earliest, latest: limits of the result.
        """
        own = self.level[_row(first) : max(_row(first) + 1, _row(last))]
        voice = np.quantile(own, _VOICE) if len(own) else -np.inf
        least = float(voice) - _RANGE_DB
        return (
            max(earliest, self._walk(first, earliest, least) * LOUDNESS_HOP_S),
            min(latest, (self._walk(last, latest, least) + 1) * LOUDNESS_HOP_S),
        )

    def _walk(self, start: float, limit: float, least: float) -> int:
        """Walk from a time to another; return the last row that is loud, before it is quiet.

        Args:
            start, limit: seconds.
            least: dB; what is quieter is not loud.
        """
        closure = round(_CLOSURE_S / LOUDNESS_HOP_S)
        last = len(self.loud) - 1
        at, stop = (min(max(_row(time), 0), last) for time in (start, limit))
        edge, quiet = at, 0
        while at != stop and quiet <= closure:
            loud = self.loud[at] and self.level[at] > least
            edge, quiet = (at, 0) if loud else (edge, quiet + 1)
            at += 1 if stop > at else -1
        return edge

    def quietest(self, start: float, end: float) -> float:
        """Return the quietest instant between two times, seconds."""
        first = round(start / LOUDNESS_HOP_S)
        part = self.level[first : max(first + 1, round(end / LOUDNESS_HOP_S))]
        return start if not len(part) else (first + int(np.argmin(part)) + 0.5) * LOUDNESS_HOP_S

    def unbroken(self, start: float, end: float) -> bool:
        """Tell whether all is loud between two times, seconds."""
        return bool(self.loud[_row(start) : max(_row(start) + 1, _row(end))].all())

    def stretches(self, start: float, end: float, pause: float) -> list[tuple[float, float]]:
        """Return the loud stretches between two times, joined over pauses, seconds."""
        first = round(start / LOUDNESS_HOP_S)
        loud = np.flatnonzero(self.loud[first : round(end / LOUDNESS_HOP_S)])
        if not len(loud):
            return []
        splits = np.flatnonzero(np.diff(loud) > pause / LOUDNESS_HOP_S)
        begins = loud[np.concatenate([[0], splits + 1])]
        ends = loud[np.concatenate([splits, [len(loud) - 1]])] + 1
        return [
            ((first + b) * LOUDNESS_HOP_S, (first + e) * LOUDNESS_HOP_S)
            for b, e in zip(begins, ends, strict=True)
        ]


def _row(time: float) -> int:
    return round(time / LOUDNESS_HOP_S)
