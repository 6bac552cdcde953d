"""Smooth points over time with zero phase: a whole clip at once, or frame by frame.

The filter is the smoothing spline of order 3 (Schoenberg 1964; Wahba, "Spline Models for
Observational Data", 1990), fitted in a window around each frame. It is the best linear estimate of
a movement whose spectrum falls as f^-6 in white noise that is as strong as the movement at the
cutoff; it keeps 1 / (1 + (f / cutoff)^6) of a movement of f Hz, whatever the frame rate, and never
inverts one. It works on frame times, so frame rates may be low, high or variable: at 10 frames per
second, where any filter of a few frames would flatten the lips, it changes next to nothing.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

#: Longest gap that is bridged: between two frames with a face that are at most so many seconds
#: apart, missing points lie on a straight line in time. `valid` stays False there. Five frames at
#: 25 fps.
BRIDGED_S = 0.25

#: Where the movements of mouth and lids fall below the noise of the landmarks, Hz: measured on
#: MEAD, the mouth's opening has 8 times the power of its noise at 6-8 Hz, as much at 8-10 Hz. At 6
#: Hz 93 % of a movement is kept.
LANDMARK_CUTOFF_HZ = 9.2
#: The same for the points that carry the crops, which the head moves, so that crops do not tremble.
TRANSFORM_CUTOFF_HZ = 3.5
#: Half-width of the window, seconds, and so the delay of the crops. A longer one changes what is
#: kept of a landmark's movement by less than 0.01, of a transform's by less than 0.15.
WINDOW_S = 0.2

#: Order of the spline: the derivative that is penalised.
_ORDER = 3
#: Shortest time between two frames, seconds; some containers repeat a time stamp.
_SHORTEST_S = 1e-3


def bridge(
    values: NDArray[np.floating],
    valid: NDArray[np.bool_],
    times: NDArray[np.floating],
    jumps: NDArray[np.bool_],
) -> NDArray[np.floating]:
    """Fill gaps of at most BRIDGED_S between two valid frames by linear interpolation.

    Args:
        values: (N, ...) float.
        valid: (N,) bool.
        times: (N,) seconds, ascending.
        jumps: (N,) bool, see `smooth_landmarks`.

    Returns:
        (N, ...); frames in longer gaps, before a jump and at the ends are NaN.
    """
    out = np.where(valid.reshape(-1, *([1] * (values.ndim - 1))), values, np.nan)
    for a, b in pairwise(np.flatnonzero(valid)):
        if b - a > 1 and is_bridged(times[a], times[b]) and not jumps[a + 1 : b + 1].any():
            for k in range(a + 1, b):
                out[k] = between(values[a], values[b], times[a], times[k], times[b])
    return out


def is_bridged(last: float, time: float) -> bool:
    """Whether the gap between two frames with a face, at these times in seconds, is bridged."""
    return time - last <= BRIDGED_S + _SHORTEST_S


def between(
    before: NDArray[np.floating], after: NDArray[np.floating], start: float, t: float, end: float
) -> NDArray[np.floating]:
    """Interpolate at time `t` between the values at `start` and at `end`."""
    w = (t - start) / max(end - start, _SHORTEST_S)
    return (1 - w) * before + w * after


def smooth_landmarks(
    landmarks: NDArray[np.floating],
    valid: NDArray[np.bool_],
    times: NDArray[np.floating],
    jumps: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Smooth landmarks over time, all points alike: what the eyes and the jaw do is not blurred.

    Short gaps are bridged first (see `bridge`); each run of frames between longer gaps and
    jumps is smoothed alone.

    Args:
        landmarks: (N, K, 2) pixels, K 478 or 68.
        valid: (N,) bool.
        times: (N,) seconds, ascending.
        jumps: (N,) bool, whether the face of a frame does not continue the movement of the face
            before, as after a cut. None: it always does.

    Returns:
        (N, K, 2) float32; NaN in the gaps that are not bridged.
    """
    jumps = np.zeros(len(times), bool) if jumps is None else jumps
    smooth = bridge(landmarks.astype(np.float64), valid, times, jumps)
    for start, stop in _runs(~np.isnan(smooth[:, 0, 0]), jumps):
        clock = times[start:stop]
        first = np.searchsorted(clock, clock - WINDOW_S - _SHORTEST_S)
        end = np.searchsorted(clock, clock + WINDOW_S + _SHORTEST_S)
        run = smooth[start:stop].copy()
        for i, (a, b) in enumerate(zip(first, end, strict=True)):
            weights = window_weights(clock[a:b], i - a, LANDMARK_CUTOFF_HZ)
            smooth[start + i] = np.tensordot(weights, run[a:b], axes=1)
    return smooth.astype(np.float32)


class PointSmoother:
    """Smooths the points of a crop transform frame by frame, with a short delay.

    A clip need not be held in memory: a frame is settled once WINDOW_S more of the clip
    is known, or BRIDGED_S in a gap. The result of each frame is that of `bridge` followed by the
    spline with TRANSFORM_CUTOFF_HZ: zero-phase, and None for frames in gaps too long to bridge.
    """

    def __init__(self) -> None:
        """Start a clip."""
        self._points: list[NDArray[np.floating] | None] = []  # of every frame, short gaps bridged
        self._times: list[float] = []
        self._jumps: list[bool] = []
        self._last_valid = -1
        self._next = 0  # the next frame to return

    def push(
        self, points: NDArray[np.floating] | None, time: float, jump: bool = False
    ) -> list[NDArray[np.floating] | None]:
        """Add the newest frame.

        Args:
            points: (K, 2); None without a face.
            time: seconds.
            jump: whether the points do not continue the movement before; see `smooth_landmarks`.

        Returns:
            The smoothed points of the frames that are now settled, in frame order.
        """
        i, last = len(self._points), self._last_valid
        self._points.append(points)
        self._times.append(time)
        self._jumps.append(jump)
        if points is not None:
            before = self._points[last] if last >= 0 else None
            if before is not None and is_bridged(self._times[last], time) and not jump:
                for k in range(last + 1, i):
                    self._points[k] = between(
                        before, points, self._times[last], self._times[k], time
                    )
            self._last_valid = i
        return self._settled(ended=False)

    def finish(self) -> list[NDArray[np.floating] | None]:
        """End the clip and return the frames that are left."""
        return self._settled(ended=True)

    def _settled(self, ended: bool) -> list[NDArray[np.floating] | None]:
        newest = len(self._points)
        last = self._last_valid
        # a gap that is still short may yet be bridged
        lost = ended or last < 0 or not is_bridged(self._times[last], self._times[-1])
        known = newest if lost else last + 1
        out: list[NDArray[np.floating] | None] = []
        while self._next < known:
            i = self._next
            if self._points[i] is None:
                out.append(None)
            else:
                first, stop = self._window(i, known)
                whole = stop < known or ended or self._reaches(i, known - 1)
                if not whole:
                    break
                out.append(self._smooth(i, first, stop))
            self._next = i + 1
        return out

    def _reaches(self, i: int, k: int) -> bool:
        """Whether frame k lies at or beyond the window of frame i."""
        return self._times[k] - self._times[i] > WINDOW_S - _SHORTEST_S

    def _window(self, i: int, known: int) -> tuple[int, int]:
        """Return [first, stop): the frames around i, as far as no gap and no jump is between."""
        first, stop = i, i + 1
        while first and not self._jumps[first] and self._is_near(first - 1, i):
            first -= 1
        while stop < known and not self._jumps[stop] and self._is_near(stop, i):
            stop += 1
        return first, stop

    def _is_near(self, k: int, i: int) -> bool:
        """Whether frame k has points and lies in the window of frame i."""
        distance = abs(self._times[k] - self._times[i])
        return self._points[k] is not None and distance <= WINDOW_S + _SHORTEST_S

    def _smooth(self, i: int, first: int, stop: int) -> NDArray[np.floating]:
        weights = window_weights(np.array(self._times[first:stop]), i - first, TRANSFORM_CUTOFF_HZ)
        stacked = np.stack([p for p in self._points[first:stop] if p is not None])
        return np.asarray(np.tensordot(weights, stacked, axes=1))


def window_weights(times: NDArray[np.floating], i: int, cutoff_hz: float) -> NDArray[np.float64]:
    """Return the weights of the frames of a window in the smoothed value of one of them.

    Args:
        times: (W,) seconds, ascending, the frames of the window.
        i: the frame that is smoothed, an index into `times`.
        cutoff_hz: frequency of which half is kept.

    Returns:
        (W,) float64, with sum 1.
    """
    # Times to 0.1 ms: windows of one pattern share their weights.
    ticks = np.round((np.asarray(times, np.float64) - times[i]) * 1e4).astype(int)
    return _spline_weights(tuple(ticks.tolist()), i, cutoff_hz)


@lru_cache(4096)
def _spline_weights(ticks: tuple[int, ...], i: int, cutoff_hz: float) -> NDArray[np.float64]:
    """Solve for the weights of `window_weights`. ticks: times in 0.1 ms, 0 at frame i.

    The spline is kriging with the generalised covariance -|t|^5 / 240, quadratic drift and noise
    that grows with the number of frames per second (Wahba 1990, section 2.4).
    """
    n = len(ticks)
    if n <= _ORDER:  # a parabola through all points
        return np.asarray(np.eye(n)[i])
    t = np.array(ticks) * 1e-4
    unit = 2 * np.pi * cutoff_hz
    spacing = np.maximum(np.gradient(t), _SHORTEST_S)
    covariance = -(np.abs(unit * (t[:, None] - t)) ** 5) / 240
    drift = (t[:, None] / np.ptp(t)) ** np.arange(_ORDER)
    system = np.zeros((n + _ORDER, n + _ORDER))
    system[:n, :n] = covariance + np.diag(1 / (unit * spacing))
    system[:n, n:], system[n:, :n] = drift, drift.T
    solution: NDArray[np.float64] = np.linalg.solve(system, np.append(covariance[i], drift[i]))
    return solution[:n]


def _runs(mask: NDArray[np.bool_], jumps: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of True without a jump inside."""
    starts = np.flatnonzero(mask & (~np.append(False, mask[:-1]) | jumps))
    ends = np.flatnonzero(mask & (~np.append(mask[1:], False) | np.append(jumps[1:], False)))
    return [(int(a), int(b) + 1) for a, b in zip(starts, ends, strict=True)]
