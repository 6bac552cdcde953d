"""Lips: how far the generated lips are from the source's, in place, shape, motion and rhythm.

Both clips' landmarks are laid frame by frame on one template (`MeasuredClip.on_template`), so only
what the lips do relative to eyes and nose is compared. Lengths are percent of the distance of the
outer eye corners; one percent is about 0.9 mm of a face.
"""

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import LIPS_68
from stccl_train.measures.definitions import Measure, Values, finite_mean
from stccl_train.measures.matched_pair import MatchedPair

#: Half of the time over which a velocity is taken, seconds: landmarks tremble from frame to frame
#: by as much as lips move.
_VELOCITY_S = 0.08
#: The generated mouth is looked for so much earlier or later, seconds.
_LONGEST_LAG_S = 0.4
#: A correlation or a lag of fewer frames says nothing.
_LEAST_FRAMES = 10

_PERCENT = "% of eye distance"


class Lips:
    """Distance, shape and motion of the 20 lip points; opening and width of the mouth.

    With lip points p (source) and q (generated) of frame k on the template:

    - `lip_distance`: mean over k and points of |p - q|. 0 and up, lower is better.
    - `lip_shape`: the same, each frame's lips moved to a common centroid.
    - `lip_correlation`: Pearson's correlation of all coordinates of p and q, each less its mean
      over k: whether the lips move alike, however wide a smile holds them and however far they
      move. -1 to 1, higher is better.
    - `lip_motion`: mean of |p' - q'|, velocities by central differences over 0.16 s, percent of
      the eye distance per second. Lower is better.
    - `opening`, `width`: Pearson correlation over k of the inner opening, and of the distance of
      the mouth's corners, with the source's. -1 to 1, higher is better.
    - `opening_lag`: the shift of the generated clip, at most 0.4 s either way, at which the
      opening correlates best, as its absolute value in ms. Lower is better.

    Landmark distance on aligned faces: Chen et al., "Lip Movements Generation at a Glance" (ECCV
    2018), there in pixels and with the head's motion in it.
    """

    group = "lips"
    measures: tuple[Measure, ...] = (
        Measure("lip_distance", "lip distance", "lower", _PERCENT, 2, has_margin=True),
        Measure("lip_shape", "lip shape", "lower", _PERCENT, 2),
        Measure(
            "lip_correlation",
            "lip correlation",
            "higher",
            "correlation",
            has_margin=True,
            has_gain=True,
        ),
        Measure("lip_motion", "lip motion", "lower", f"{_PERCENT} per second", 1),
        Measure("opening", "opening", "higher", "correlation", has_margin=True, has_gain=True),
        Measure("width", "width", "higher", "correlation"),
        Measure("opening_lag", "opening lag", "lower", "ms", 0),
    )

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        a, b = pair.frames
        source = pair.source.on_template[:, LIPS_68]
        generated = pair.generated.on_template[:, LIPS_68]
        opening, generated_opening = (
            clip.mouth_measure("inner opening") for clip in (pair.source, pair.generated)
        )
        width, generated_width = (
            clip.mouth_measure("width") for clip in (pair.source, pair.generated)
        )
        late = lag(opening, generated_opening, pair.frame_map, pair.source.step)
        return {
            "lip_distance": distance(source[a], generated[b]),
            "lip_shape": distance(_centred(source[a]), _centred(generated[b])),
            "lip_correlation": points_correlation(source[a], generated[b]),
            "lip_motion": distance(
                velocity(source, pair.source.track.times)[a],
                velocity(generated, pair.generated.track.times)[b],
            ),
            "opening": correlation(opening[a], generated_opening[b]),
            "width": correlation(width[a], generated_width[b]),
            "opening_lag": 1000 * late,
        }


def distance(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the mean distance of points (n, K, 2); frames with NaN are left out."""
    return finite_mean(np.linalg.norm(p - q, axis=-1))


def velocity(points: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the change of points per second, by central differences.

    Args:
        points: (N, K, 2).
        times: (N,) seconds.

    Returns:
        (N, K, 2), NaN near the ends.
    """
    half = max(1, round(_VELOCITY_S / float(np.median(np.diff(times)))))
    result = np.full(points.shape, np.nan)
    if len(points) > 2 * half:
        seconds = (times[2 * half :] - times[: -2 * half])[:, None, None]
        result[half:-half] = (points[2 * half :] - points[: -2 * half]) / seconds
    return result


def correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of the finite values; NaN if they are few or do not vary."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < _LEAST_FRAMES or x.std() < 1e-9 or y.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def points_correlation(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the correlation of all coordinates of points (n, K, 2), each less its mean over n."""
    if len(p) < _LEAST_FRAMES:
        return float("nan")
    return correlation(*((points - points.mean(axis=0)).ravel() for points in (p, q)))


def lag(
    source: NDArray[np.float64],
    generated: NDArray[np.float64],
    frame_map: NDArray[np.int32],
    step: float,
) -> float:
    """Return the absolute shift at which two signals correlate best, seconds.

    Args:
        source: (n_source,).
        generated: (n_generated,).
        frame_map: (n_source,) frame of ``generated`` for each of ``source``, -1 for none.
        step: seconds from one source frame to the next.
    """
    partner = np.where(frame_map >= 0, generated[frame_map], np.nan)
    longest = int(_LONGEST_LAG_S / step + 1e-6)
    shifts = sorted(range(-longest, longest + 1), key=abs)  # of equal ones the shortest
    n = len(source)
    values = [
        correlation(source[max(0, -k) : n - max(0, k)], partner[max(0, k) : n - max(0, -k)])
        for k in shifts
    ]
    if np.isnan(values).all():
        return float("nan")
    return abs(shifts[int(np.nanargmax(values))]) * step


def _centred(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the centroid of each frame's points to the origin."""
    return np.asarray(points - points.mean(axis=1, keepdims=True))
