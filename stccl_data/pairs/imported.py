"""Imported pairs: pairs of clips and a warping path in frames for each, made by someone else.

The paths are kept as they are, and the pairs pass the same gates as pairs aligned by stccl.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.alignment.modes import IMPORTED
from stccl_data.alignment.warping_path import (
    FramePath,
    local_slope,
    longest_repeat,
    slope_times,
)
from stccl_data.corpora import Scan
from stccl_data.errors import ClipError, Reason
from stccl_data.pairs.candidates import Candidates
from stccl_data.pairs.gates import Refusal

#: clip ids of the source and the target
PairIds = tuple[str, str]

#: Bump when the same path gives a different alignment: stored alignments are then made again.
SCHEMA = 4


@dataclass(frozen=True, slots=True)
class ImportedPairs:
    """The pairs of a file, matched with the clips of a corpus."""

    #: the file that names the pairs
    name: str
    #: the clips that the pairs use; its findings include a pair whose clips are missing
    scan: Scan
    #: the pairs whose labels agree on the sentence
    candidates: Candidates
    #: the path of every pair whose clips exist
    paths: Mapping[PairIds, FramePath]
    #: pairs whose labels disagree or do not name the sentence
    refused: Mapping[PairIds, Refusal]


def follow_path(
    source_times: NDArray[np.float64], target_times: NDArray[np.float64], path: FramePath
) -> Alignment:
    """Convert a path in frames to an alignment.

    A source frame that occurs in several entries maps to the middle one of its target frames; a
    source frame in no entry maps to -1. The path in seconds passes through every entry: entries
    that share a source frame are spread around its presentation time, in order.

    Args:
        source_times: (N,) float64 seconds, presentation times of the source frames.
        target_times: (M,) float64 seconds, presentation times of the target frames.
        path: the frames to join.

    Returns:
        The alignment, in mode `given` and with a cost of NaN.

    Raises:
        ClipError: bad_path; the clips lack a frame of the path, or the path goes back.
    """
    entries = _checked_entries(len(source_times), len(target_times), path)
    starts = np.flatnonzero(np.diff(entries[:, 0], prepend=-1))
    counts = np.diff(np.append(starts, len(entries)))
    frame_map = np.full(len(source_times), -1, np.int32)
    frame_map[entries[starts, 0]] = (entries[starts, 1] + entries[starts + counts - 1, 1]) // 2
    position = np.arange(len(entries)) - np.repeat(starts, counts) + 0.5
    within = position / np.repeat(counts, counts) - 0.5  # in (-0.5, 0.5) around the source frame
    times = source_times[entries[:, 0]] + 0.5 * within * _nearest_gap(source_times)[entries[:, 0]]
    reached = target_times[entries[:, 1]]
    steps = np.diff(entries, axis=0)
    return Alignment(
        source_time=times,
        target_time=reached,
        frame_map=frame_map,
        frame_path=entries.astype(np.int32),
        mode=IMPORTED,
        cost=float("nan"),
        duration_ratio=float((reached[-1] - reached[0]) / (times[-1] - times[0])),
        longest_repeat=longest_repeat(frame_map[frame_map >= 0]),
        diagonal_fraction=float((steps > 0).all(axis=1).mean()),
        local_slope=local_slope(times, reached, slope_times(float(times[0]), float(times[-1]))),
    )


def _checked_entries(n_source: int, n_target: int, path: FramePath) -> NDArray[np.int64]:
    """Return the entries (K, 2) of the path without repetitions; raise ClipError bad_path."""
    if len(path.source) != len(path.target):
        lengths = f"{len(path.source)} source frames and {len(path.target)} target frames"
        raise ClipError(Reason.BAD_PATH, f"the path has {lengths}")
    entries = np.stack([path.source, path.target], axis=1).astype(np.int64)
    for side, frames, n in (
        ("source", entries[:, 0], n_source),
        ("target", entries[:, 1], n_target),
    ):
        outside = frames[(frames < 0) | (frames >= n)]
        if len(outside):
            detail = f"the path names frame {outside[0]} of the {side}, which has {n} frames"
            raise ClipError(Reason.BAD_PATH, detail)
    steps = np.diff(entries, axis=0)
    if (steps < 0).any():
        place = int(np.argmax((steps < 0).any(axis=1))) + 1
        raise ClipError(Reason.BAD_PATH, f"the path goes back at entry {place}")
    first = np.ones(min(1, len(entries)), np.bool_)
    distinct: NDArray[np.int64] = entries[np.append(first, steps.any(axis=1))]
    if len(np.unique(distinct[:, 0])) < 2:
        raise ClipError(Reason.BAD_PATH, "the path has fewer than two source frames")
    return distinct


def _nearest_gap(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) seconds from each frame to the nearer of its neighbours."""
    gaps = np.diff(times)
    nearest: NDArray[np.float64] = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    return nearest
