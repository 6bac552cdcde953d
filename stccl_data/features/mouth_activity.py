"""Whether a mouth speaks: how far it opens, and whether it moves with the sound.

Behind a mask or a hand the landmark network invents a mouth; these scores show it.
"""

import numpy as np
from numpy.typing import NDArray

from stccl_data.features.mouth import MouthFeatures
from stccl_data.features.speech import HOP_S, SpeechFeatures

#: Hops of 10 ms by which the sound may be early or late: the mouth opens up to 0.15 s before it is
#: heard, and a broadcast may be out of sync by about as much (ITU-R BT.1359).
_MAX_LAG = 20
#: dB below the loudest frame from which on it does not matter how quiet it is.
_QUIET_DB = -30.0
#: Changes slower than this, seconds, are those of posture and mood.
_TREND_S = 1.0
#: Opening, in units of the eye corners' distance, from which on it counts in ratios: a mouth that
#: opens a little says as much as one that opens wider still.
_CLOSED = 0.05
#: Fewer seconds of mouth and sound together tell nothing.
_MIN_S = 0.8


def mouth_range(mouth: MouthFeatures) -> float:
    """Measure how far the mouth opens and closes.

    Returns:
        95th minus 5th percentile of the opening between the lips, in units of the distance of the
        outer eye corners. In 34 clips of 8 speakers of MEAD and GRID 0.08 to 0.28; behind a mask
        less than 0.01.
    """
    low, high = np.quantile(mouth.shape[mouth.valid, 0], [0.05, 0.95])
    return float(high - low)


def mouth_moves_with_sound(mouth: MouthFeatures, speech: SpeechFeatures) -> float | None:
    """Correlate the opening of the mouth with the loudness of the sound.

    Both on the clip's clock, without slow trends, at the best lag within 0.2 s: speech has lags of
    its own.

    Returns:
        Correlation in [-1, 1]; None if mouth and sound are together for less than 0.8 s, or one of
        them does not change. In 17 clips of 9 speakers 0.20 to 0.5, median 0.36; with the sound of
        another moment -0.2 to 0.5, median 0.13.
    """
    clock = speech.times
    frames = mouth.times[mouth.valid]
    nearest = np.clip(np.searchsorted(frames, clock), 1, len(frames) - 1)
    distance = np.minimum(np.abs(clock - frames[nearest - 1]), np.abs(clock - frames[nearest]))
    seen = distance <= float(np.median(np.diff(mouth.times)))
    if seen.sum() * HOP_S < _MIN_S:
        return None
    opening = np.log(np.maximum(mouth.shape[:, 0], 0.0) + _CLOSED)
    moves = _without_trend(np.interp(clock, mouth.times, opening))
    level = _without_trend(np.maximum(speech.level, _QUIET_DB))
    heard = np.arange(len(clock))
    correlations = [
        _correlation(moves[seen], level[np.clip(heard - lag, 0, len(clock) - 1)][seen])
        for lag in range(-_MAX_LAG, _MAX_LAG + 1, 2)
    ]
    return max((c for c in correlations if c is not None), default=None)


def _without_trend(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the values of a 10 ms clock, (N,), minus their Gaussian average over time."""
    from scipy.ndimage import gaussian_filter1d  # slow to import, and silent clips need none

    trend = gaussian_filter1d(values.astype(np.float64), _TREND_S / HOP_S, mode="nearest")
    return np.asarray(values - trend)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return None if spread < 1e-9 else float((a * b).sum()) / spread
