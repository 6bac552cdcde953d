"""Pairs that somebody else made: which clips they join, and a path in frames for each, followed as it is and judged like ours."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.alignment.warping_path import longest_repeat, steepness
from stccl_data.corpora import Scan
from stccl_data.errors import ClipError, Reason
from stccl_data.pairs.candidates import Candidates

Frames = NDArray[np.int32]
Ids = tuple[str, str]

#: Raise when the same path comes to be followed differently.
SCHEMA = 1
MODE = "given"


@dataclass(frozen=True, slots=True)
class GivenPairs:
    """`name`: where they come from. `scan`: the clips that they name, and a finding for each pair whose clips are not there.
    `candidates`: the pairs whose clips say one sentence by their labels. `paths`: (source, target) clip ids -> source frames and
    target frames, (K,) each. `refused`: (source, target) clip ids -> why the labels forbid the pair."""

    name: str
    scan: Scan
    candidates: Candidates
    paths: Mapping[Ids, tuple[Frames, Frames]]
    refused: Mapping[Ids, tuple[Reason, str]]


def follow(
    source_times: NDArray[np.float64],
    target_times: NDArray[np.float64],
    source: Frames,
    target: Frames,
) -> Alignment:
    """The alignment that a path in frames says.

    source_times, target_times: (N,), (M,) seconds, when the clips' frames are shown. source, target: the path's frames, entry by
    entry. A source frame in several entries is mapped to the middle one of its target frames; one in none has no target frame (-1).
    The path in seconds leads through every entry: entries that share a source frame lie close around its time, in order.
    Raises ClipError bad_path where the clips do not have the frames, or the path goes back.
    """
    cells = _checked(len(source_times), len(target_times), source, target)
    starts = np.flatnonzero(np.diff(cells[:, 0], prepend=-1))
    counts = np.diff(np.append(starts, len(cells)))
    mapped = np.full(len(source_times), -1, np.int32)
    mapped[cells[starts, 0]] = (cells[starts, 1] + cells[starts + counts - 1, 1]) // 2
    within = (np.arange(len(cells)) - np.repeat(starts, counts) + 0.5) / np.repeat(
        counts, counts
    ) - 0.5
    times = source_times[cells[:, 0]] + 0.5 * within * _room(source_times)[cells[:, 0]]
    reached = target_times[cells[:, 1]]
    steps = np.diff(cells, axis=0)
    return Alignment(
        source_time=times,
        target_time=reached,
        frame_map=mapped,
        frame_path=cells.astype(np.int32),
        mode=MODE,
        cost=float("nan"),
        duration_ratio=float((reached[-1] - reached[0]) / (times[-1] - times[0])),
        longest_repeat=longest_repeat(mapped[mapped >= 0]),
        diagonal_fraction=float((steps > 0).all(axis=1).mean()),
        local_slope=steepness(times, reached, float(times[0]), float(times[-1])),
    )


def _checked(n_source: int, n_target: int, source: Frames, target: Frames) -> NDArray[np.int64]:
    """The entries (K, 2) of the path, repetitions left out. Raises ClipError bad_path."""
    if len(source) != len(target):
        raise ClipError(
            Reason.BAD_PATH,
            f"the path has {len(source)} source frames and {len(target)} target frames",
        )
    cells = np.stack([source, target], axis=1).astype(np.int64)
    for side, frames, n in (("source", cells[:, 0], n_source), ("target", cells[:, 1], n_target)):
        odd = frames[(frames < 0) | (frames >= n)]
        if len(odd):
            raise ClipError(
                Reason.BAD_PATH,
                f"the path names frame {odd[0]} of the {side}, which has {n} frames",
            )
    steps = np.diff(cells, axis=0)
    if (steps < 0).any():
        raise ClipError(
            Reason.BAD_PATH,
            f"the path goes back at entry {int(np.argmax((steps < 0).any(axis=1))) + 1}",
        )
    whole: NDArray[np.int64] = cells[
        np.append(np.ones(min(1, len(cells)), np.bool_), steps.any(axis=1))
    ]
    if len(np.unique(whole[:, 0])) < 2:
        raise ClipError(Reason.BAD_PATH, "the path has fewer than two source frames")
    return whole


def _room(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) seconds from each frame to the nearer of its neighbours."""
    gaps = np.diff(times)
    room: NDArray[np.float64] = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
    return room
