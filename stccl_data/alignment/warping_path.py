"""A warping path as a function of time, and as frames: what a path on a grid becomes before anybody uses it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Frames = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class FramePath:
    """A warping path in frames: entry k joins frame ``source[k]`` with frame ``target[k]``."""

    #: (K,) int32, frames of the source clip, counted from 0
    source: Frames
    #: (K,) int32, frames of the target clip
    target: Frames


def smoothed(source: Times, target: Times, width: float, step: float) -> tuple[Times, Times]:
    """The path (K,), (K,) in seconds, its detour from the diagonal (target - source over source + target) smoothed by a Gaussian
    of standard deviation `width` seconds: a path on a grid of `step` seconds moves in jumps. The same in both directions."""
    if width <= 0 or len(source) < 3:
        return source, target
    from scipy.ndimage import (
        gaussian_filter1d,
    )  # a quarter of a second to load, which a run with nothing left to do need not wait

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
    """The path as a function of source time, from first to last instant: source strictly ascending, target never falling.

    Where the source stands still, its one instant gets the middle of the stretch. The extents are the path's own unless given.
    """
    source_extent = source_extent or (float(source[0]), float(source[-1]))
    target_extent = target_extent or (float(target[0]), float(target[-1]))
    source, target = np.clip(source, *source_extent), np.clip(target, *target_extent)
    unique, where = np.unique(source, return_inverse=True)
    middle = np.bincount(where, target) / np.bincount(where)
    inner = (unique > source_extent[0]) & (unique < source_extent[1])
    ascending = np.concatenate([[source_extent[0]], unique[inner], [source_extent[1]]])
    return ascending, np.maximum.accumulate(
        np.concatenate([[target_extent[0]], middle[inner], [target_extent[1]]])
    )


def nearest_frame(frames: Times, time: Times) -> NDArray[np.int32]:
    """frames: (N,) ascending presentation times, N >= 1. The index of the frame that is nearest to each `time`."""
    return np.asarray(np.searchsorted((frames[1:] + frames[:-1]) / 2, time, side="right"), np.int32)


def frame_map(
    source_frames: Times, target_frames: Times, source_time: Times, target_time: Times
) -> NDArray[np.int32]:
    """(n_source,) int32: for each source frame the target frame whose presentation time is nearest to where the path leads.

    Never falling, never outside the clip; -1 throughout where the target has no frames.
    """
    if len(target_frames) == 0:
        return np.full(len(source_frames), -1, np.int32)
    return nearest_frame(target_frames, np.interp(source_frames, source_time, target_time))


def frame_path(
    source_frames: Times, target_frames: Times, source_time: Times, target_time: Times
) -> NDArray[np.int32]:
    """The path in frames, (K, 2) int32, as the published pair file writes it: from (0, 0) by the steps (1,1), (1,0) and (0,1),
    never a (1,0) beside a (0,1). A time beyond a clip's last frame is its last frame. Empty where a clip has no frames."""
    if len(source_frames) == 0 or len(target_frames) == 0:
        return np.empty((0, 2), np.int32)
    cells = [(0, 0)]
    for wanted in zip(
        nearest_frame(source_frames, source_time),
        nearest_frame(target_frames, target_time),
        strict=True,
    ):
        i, j = int(wanted[0]), int(wanted[1])
        while cells[-1] != (i, j):
            cells.append((min(cells[-1][0] + 1, i), min(cells[-1][1] + 1, j)))
            if len(cells) > 2 and cells[-1] == (cells[-3][0] + 1, cells[-3][1] + 1):
                del cells[-2]  # a corner is a diagonal
    return np.array(cells, np.int32)


def longest_repeat(mapped: NDArray[np.int32]) -> int:
    """The most source frames in a row that share one target frame, or target frames from one source frame to the next."""
    if len(mapped) < 2:
        return len(mapped)
    changes = np.flatnonzero(np.diff(mapped)) + 1
    runs = np.diff(np.concatenate([[0], changes, [len(mapped)]]))
    return int(max(runs.max(), np.diff(mapped).max()))


def steepness(
    source_time: Times, target_time: Times, first: float, last: float, over: float = 0.2
) -> float:
    """The 95th percentile, between the source times `first` and `last`, of |log2| of the slope over `over` seconds."""
    at = np.arange(first + over / 2, last - over / 2, 0.02)
    if len(at) == 0:
        return 0.0
    rise = np.interp(at + over / 2, source_time, target_time) - np.interp(
        at - over / 2, source_time, target_time
    )
    return float(np.quantile(np.abs(np.log2(np.maximum(rise / over, 1 / 16))), 0.95))
