"""Smooth landmarks over time with zero phase: a whole clip at once, or frame by frame."""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import lip_points

#: Longest gap that is bridged, frames: between two frames with a face, missing points lie on a
#: straight line in time. `valid` stays False there.
BRIDGED_FRAMES = 5


def bridge(values: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Fill gaps of at most BRIDGED_FRAMES frames between two valid frames by linear interpolation.

    Args:
        values: (N, ...) float.
        valid: (N,) bool.

    Returns:
        (N, ...); frames in longer gaps and at the ends are NaN.
    """
    out = np.where(valid.reshape(-1, *([1] * (values.ndim - 1))), values, np.nan)
    for a, b in pairwise(np.flatnonzero(valid)):
        if 1 < b - a <= BRIDGED_FRAMES + 1:
            w = (np.arange(a + 1, b) - a).reshape(-1, *([1] * (values.ndim - 1))) / (b - a)
            out[a + 1 : b] = (1 - w) * values[a] + w * values[b]
    return out


def smooth_landmarks(
    landmarks: NDArray[np.floating], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Smooth landmarks by Savitzky-Golay of order 2, over 5 frames at the lips and 7 elsewhere.

    Short gaps are bridged first (see `bridge`); each run of frames between longer gaps is smoothed
    alone.

    Args:
        landmarks: (N, K, 2) pixels, K 478 or 68.
        valid: (N,) bool.

    Returns:
        (N, K, 2) float32; NaN in the gaps that are not bridged.
    """
    smooth = bridge(landmarks.astype(np.float64), valid)
    lips = lip_points(landmarks.shape[1])
    for start, stop in _runs(~np.isnan(smooth[:, 0, 0])):
        run = smooth[start:stop].copy()
        smooth[start:stop] = _savgol(run, 7)
        smooth[start:stop, lips] = _savgol(run[:, lips], 5)
    return smooth.astype(np.float32)


def transform_window(fps: float) -> int:
    """Return the smoothing window of the crop transform: 0.36 s as an odd number of 7-21 frames."""
    return int(np.clip(round(0.36 * fps) // 2 * 2 + 1, 7, 21))


class PointSmoother:
    """Smooths the points of a crop transform frame by frame, with a short delay.

    A clip need not be held in memory. The result of each frame equals `bridge` followed by
    Savitzky-Golay (order 2, `window` frames, polynomial ends) over the whole clip: zero-phase, and
    None for frames in gaps too long to bridge.
    """

    def __init__(self, window: int) -> None:
        """Start a clip. window: odd number of frames."""
        self._window = window
        self._points: list[NDArray[np.floating] | None] = []  # of every frame, short gaps bridged
        self._last_valid = -1
        self._next = 0  # the next frame to return
        self._start = 0  # first frame of the run of frames with a face that `_next` is in

    def push(self, points: NDArray[np.floating] | None) -> list[NDArray[np.floating] | None]:
        """Add the newest frame.

        Args:
            points: (K, 2); None without a face.

        Returns:
            The smoothed points of the frames that are now settled, in frame order.
        """
        i, last = len(self._points), self._last_valid
        self._points.append(points)
        if points is not None:
            before = self._points[last] if last >= 0 else None
            if before is not None and i - last <= BRIDGED_FRAMES + 1:
                for k in range(last + 1, i):
                    w = (k - last) / (i - last)
                    self._points[k] = (1 - w) * before + w * points
            self._last_valid = i
        return self._settled(ended=False)

    def finish(self) -> list[NDArray[np.floating] | None]:
        """End the clip and return the frames that are left."""
        return self._settled(ended=True)

    def _settled(self, ended: bool) -> list[NDArray[np.floating] | None]:
        newest = len(self._points)
        gap = newest - 1 - self._last_valid
        # a gap that is still short may yet be bridged
        known = newest if ended or gap > BRIDGED_FRAMES else self._last_valid + 1
        out: list[NDArray[np.floating] | None] = []
        while self._next < known:
            i = self._next
            if self._points[i] is None:
                out.append(None)
                self._start = i + 1
            else:
                stop = i + 1
                while stop < min(known, i + self._window) and self._points[stop] is not None:
                    stop += 1
                may_grow = stop == known and not ended
                short = stop <= i + self._window // 2 or stop - self._start < self._window
                if may_grow and short:
                    break
                out.append(self._smooth(i, stop))
            self._next = i + 1
        return out

    def _smooth(self, i: int, stop: int) -> NDArray[np.floating]:
        """Evaluate the fitted parabola at frame i; its run of frames is [self._start, stop)."""
        n = stop - self._start
        window = min(self._window, n if n % 2 else n - 1)
        first = min(max(i - window // 2, self._start), stop - window)
        if window <= 2:
            return np.asarray(self._points[i])
        stacked = np.stack([p for p in self._points[first : first + window] if p is not None])
        smooth: NDArray[np.floating] = np.tensordot(
            _parabola_weights(window)[i - first], stacked, axes=1
        )
        return smooth


@cache
def _parabola_weights(window: int) -> NDArray[np.float64]:
    """Return (window, window): row r evaluates a fitted parabola at place r of a window."""
    t = np.arange(window) - window // 2
    basis = np.stack([np.ones(window), t, t * t], axis=1)
    return basis @ np.linalg.pinv(basis)


def _savgol(values: NDArray[np.floating], window: int) -> NDArray[np.floating]:
    n = len(values)
    window = min(window, n if n % 2 else n - 1)
    if window <= 2:
        return values
    # takes half a second to import, which a run with nothing left to do can save
    from scipy.signal import savgol_filter

    smooth: NDArray[np.floating] = savgol_filter(values, window, 2, axis=0, mode="interp")
    return smooth


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
