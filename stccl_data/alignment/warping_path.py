"""Warping paths as functions of time and as frames, and their scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Frames = NDArray[np.int32]
#: A path as a function: ascending source times and target times in seconds, (K,) each.
TimePath = tuple[Times, Times]

#: Seconds over which the slope of a path is measured, and between two measurements.
SLOPE_S = 0.2
_SLOPE_STEP_S = 0.02
#: Share of a sentence, and seconds of it, in which the slope may be any.
_ANY_SLOPE_SHARE = 0.05
_ANY_SLOPE_S = 0.16


@dataclass(frozen=True, slots=True)
class FramePath:
    """A warping path in frames: entry k joins frame ``source[k]`` with frame ``target[k]``."""

    #: (K,) int32, frames of the source clip, counted from 0
    source: Frames
    #: (K,) int32, frames of the target clip
    target: Frames


def smooth(source: Times, target: Times, width: float, step: float) -> tuple[Times, Times]:
    """Smooth a path across the diagonal, alike in both directions: on a grid it moves in jumps.

    The detour from the diagonal (target - source over source + target) is convolved with a
    Gaussian.

    Args:
        source: (K,) seconds.
        target: (K,) seconds.
        width: standard deviation of the Gaussian, seconds.
        step: seconds between the grid points of the path.
    """
    if width <= 0 or len(source) < 3:
        return source, target
    # Imported here: it takes 0.25 s to load, and a run with nothing left to do needs none of it.
    from scipy.ndimage import gaussian_filter1d

    along, across = source + target, target - source
    grid = np.arange(along[0], along[-1] + step / 2, step)
    detour = gaussian_filter1d(np.interp(grid, along, across), 2 * width / step, mode="nearest")
    return np.maximum.accumulate((grid - detour) / 2), np.maximum.accumulate((grid + detour) / 2)


def as_function(
    source: Times,
    target: Times,
    source_extent: tuple[float, float] | None = None,
    target_extent: tuple[float, float] | None = None,
) -> tuple[Times, Times]:
    """Convert a path to a function of source time.

    If the source stands still, its one instant gets the middle of the stretch.

    Args:
        source: (K,) seconds, never falling.
        target: (K,) seconds, never falling.
        source_extent: first and last source time of the result; by default the path's own.
        target_extent: the same for the target.

    Returns:
        Source times, strictly ascending, and target times, never falling.
    """
    source_extent = source_extent or (float(source[0]), float(source[-1]))
    target_extent = target_extent or (float(target[0]), float(target[-1]))
    source, target = np.clip(source, *source_extent), np.clip(target, *target_extent)
    unique, index = np.unique(source, return_inverse=True)
    middle = np.bincount(index, target) / np.bincount(index)
    inner = (unique > source_extent[0]) & (unique < source_extent[1])
    ascending = np.concatenate([[source_extent[0]], unique[inner], [source_extent[1]]])
    values = np.concatenate([[target_extent[0]], middle[inner], [target_extent[1]]])
    return ascending, np.maximum.accumulate(values)


def map_times(time: Times, source_time: Times, target_time: Times) -> Times:
    """Map source times to target times; NaN before the path starts and after it ends.

    Args:
        time: seconds, any shape.
        source_time: (K,) seconds, ascending; with target_time the path.
        target_time: (K,) seconds, never falling.
    """
    mapped = np.interp(time, source_time, target_time, left=np.nan, right=np.nan)
    return np.asarray(mapped, np.float64)


def nearest_frame(frames: Times, time: Times) -> Frames:
    """Return the index of the frame nearest to each ``time``.

    Args:
        frames: (N,) ascending presentation times in seconds, N >= 1.
        time: seconds, any shape.
    """
    return np.asarray(np.searchsorted((frames[1:] + frames[:-1]) / 2, time, side="right"), np.int32)


def half_frame(times: NDArray[np.float64]) -> float:
    """Return half the mean time from one frame to the next, in seconds.

    Args:
        times: (N,) presentation times, N >= 1.
    """
    return float((times[-1] - times[0]) / max(1, len(times) - 1) / 2)


def existing_frame(frames: Times, time: Times) -> Frames:
    """Return the index of the frame nearest to each ``time``, -1 if the time is NaN."""
    return np.where(np.isnan(time), -1, nearest_frame(frames, time)).astype(np.int32)


def frame_map(
    source_frames: Times, target_frames: Times, source_time: Times, target_time: Times
) -> Frames:
    """Return for each source frame the target frame nearest to where the path leads.

    Args:
        source_frames: (n_source,) presentation times in seconds.
        target_frames: (n_target,) the same of the target.
        source_time: (K,) seconds, ascending; with target_time the path.
        target_time: (K,) seconds, never falling.

    Returns:
        (n_source,) int32, never falling; -1 before the path starts and after it ends, and
        throughout if the target has no frames.
    """
    if len(target_frames) == 0:
        return np.full(len(source_frames), -1, np.int32)
    return existing_frame(target_frames, map_times(source_frames, source_time, target_time))


def frame_path(
    source_frames: Times, target_frames: Times, source_time: Times, target_time: Times
) -> Frames:
    """Convert a path to frames, in the form of the published pair file.

    The path starts at (0, 0) and uses steps (1,1), (1,0) and (0,1), but never (1,0) next to (0,1).
    A time after the last frame of a clip stands for that frame. For the arguments see `frame_map`.

    Returns:
        (K, 2) int32; empty if a clip has no frames.
    """
    if len(source_frames) == 0 or len(target_frames) == 0:
        return np.empty((0, 2), np.int32)
    cells = [(0, 0)]
    for source, target in zip(
        nearest_frame(source_frames, source_time),
        nearest_frame(target_frames, target_time),
        strict=True,
    ):
        goal = int(source), int(target)
        while cells[-1] != goal:
            i, j = cells[-1]
            cells.append((min(i + 1, goal[0]), min(j + 1, goal[1])))
            if len(cells) > 2 and cells[-1] == (cells[-3][0] + 1, cells[-3][1] + 1):
                del cells[-2]  # replace a corner by a diagonal step
    return np.array(cells, np.int32)


def longest_repeat(mapped: Frames) -> int:
    """Return the most source frames in a row on one target frame, or target frames skipped at once.

    Args:
        mapped: (n_source,) target frame of each source frame.
    """
    if len(mapped) < 2:
        return len(mapped)
    changes = np.flatnonzero(np.diff(mapped)) + 1
    runs = np.diff(np.concatenate([[0], changes, [len(mapped)]]))
    return int(max(runs.max(), np.diff(mapped).max()))


def slope_times(first: float, last: float) -> Times:
    """Return (n,) seconds: where the slope of a path between two source times is measured."""
    return np.arange(first + SLOPE_S / 2, last - SLOPE_S / 2, _SLOPE_STEP_S)


def local_slope(source_time: Times, target_time: Times, times: Times) -> float:
    """Return the 95th percentile of |log2| of the slope over ``SLOPE_S``; 0 without any times.

    A single instant at which the path stands still flattens every window around it: in a short
    sentence that is more than a twentieth of the time, and nothing unusual. So at least 0.16 s are
    left out.

    Args:
        source_time: (K,) seconds, ascending; with target_time the path.
        target_time: (K,) seconds, never falling.
        times: (n,) source times in seconds around which the slope is measured.
    """
    if len(times) == 0:
        return 0.0
    after = np.interp(times + SLOPE_S / 2, source_time, target_time)
    before = np.interp(times - SLOPE_S / 2, source_time, target_time)
    slope = np.maximum((after - before) / SLOPE_S, 1 / 16)
    left_out = max(_ANY_SLOPE_SHARE, _ANY_SLOPE_S / (_SLOPE_STEP_S * len(times)))
    return float(np.quantile(np.abs(np.log2(slope)), max(0.0, 1 - left_out)))
