"""Two clips of one sentence laid on each other in time: signals in, a warping path in seconds and its scores out.

    >>> alignment = align(read_signals("neutral.mp4"), read_signals("angry.mp4"))
    >>> target_time = np.interp(source_time, alignment.source_time, alignment.target_time)

The method, and what each part of it is worth, is in docs/alignment.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import distances, warping_path
from stccl_data.alignment.modes import MODES, Mode
from stccl_data.alignment.warping_path import (
    as_function,
    frame_map,
    frame_path,
    longest_repeat,
    smoothed,
    steepness,
)
from stccl_data.errors import ClipError, Reason
from stccl_data.features.signals import Signals

#: Raise when the same signals come to be aligned differently: stored alignments of other schemas are then made again.
SCHEMA = 1
REFERENCE_RATE = 30.0  # rows a second of the published recipe; row k stands for frame k


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """Every constant of the alignment. `align` in docs/alignment.md has what other values measured."""

    mode: Mode = "auto"
    hop_s: float = 0.010  # the grid of the cost matrix
    side_penalty: float = 0.1  # for a step in which one clip stands still: decides within silence
    smoothing_s: float = 0.03  # of the path, three grid steps
    lip_sync_s: tuple[float, float] = (
        0.04,
        0.25,
    )  # lip sync differences to believe: from one frame to what no editor overlooks
    mouth_weight: float = 0.5  # of the mouth's features beside the speech's, in mode `both`
    max_cells: int = 36_000_000  # of the cost matrix, 180 MB: a clip of a minute with another; beyond, the grid gets coarser
    max_duration_ratio: float = (
        4.0  # between the spans of speech; no two readings of a sentence differ so much
    )
    min_span_s: float = 0.25  # a shorter span holds no sequence of sounds or movements to match


@dataclass(frozen=True, slots=True)
class Alignment:
    """`source_time`, `target_time`: (K,) float64 seconds, `source_time` strictly and `target_time` weakly ascending, from the
    first instant of both clips to the last.
    `frame_map`: (n_source,) int32, the target frame for each source frame, ascending, -1 where the target has no frames.
    `frame_path`: (K, 2) int32, the path in frames, see `path.frame_path`.
    `cost`: mean local cost along the path.
    `duration_ratio`: target's over source's span of speech (visual: of the clip).
    `longest_repeat`: the most source frames in a row that share one target frame, or target frames passed over at once.
    `diagonal_fraction`: share of the path's steps in which both clips go on.
    `local_slope`: 95th percentile within speech of |log2| of the path's slope over 0.2 s; 1 is twice or half as fast.
    `lip_sync_s`: by how much more the target's pictures lag its sound than the source's do; the path keeps to the clock of the
    sound, the frame map to the pictures. 0 where it was not measured (modes `audio` and `reference`, silent clips).
    `content_score`: in [0, 1]; None until the pair has been compared with impostors.
    """

    source_time: NDArray[np.float64]
    target_time: NDArray[np.float64]
    frame_map: NDArray[np.int32]
    frame_path: NDArray[np.int32]
    mode: str
    cost: float
    duration_ratio: float
    longest_repeat: int
    diagonal_fraction: float
    local_slope: float
    lip_sync_s: float = 0.0
    content_score: float | None = None


@dataclass(frozen=True, slots=True)
class FeatureSequence:
    """One side of a cost matrix. `grid`: (n,) float64 seconds. `vectors`: (n, D) float32; the local cost is their distance."""

    grid: NDArray[np.float64]
    vectors: NDArray[np.float32]


def align(source: Signals, target: Signals, config: AlignConfig | None = None) -> Alignment:
    """The warping path from `source` to `target`.

    Raises ClipError: no_audio, no_signal (nothing to align by), too_short, duration_ratio (no two readings of one sentence).
    """
    config = config or AlignConfig()
    mode = resolve_mode(source, target, config.mode)
    spans = _checked_spans(source, target, mode, config)
    if mode == "reference":
        assert source.reference is not None and target.reference is not None
        a, b = (
            FeatureSequence(np.arange(len(r)) / REFERENCE_RATE, np.asarray(r, np.float32))
            for r in (source.reference, target.reference)
        )
        if len(a.grid) * len(b.grid) > config.max_cells:
            raise ClipError(
                Reason.DURATION_RATIO,
                f"{source.name} and {target.name} are too long to be aligned as published",
            )
        cost = np.stack([np.abs(row - b.vectors).sum(axis=1) for row in a.vectors])
        path, total = warping_path(cost)
        return _alignment(
            source,
            target,
            mode,
            (a.grid[path[:, 0]], b.grid[path[:, 1]]),
            total / len(path),
            spans,
            0.0,
            config,
        )
    lag = _lip_sync(source, target, config) if mode in ("visual", "both") else 0.0
    times, mean_cost = _warp(source, target, mode, lag, config)
    return _alignment(source, target, mode, times, mean_cost, spans, lag, config)


def resolve_mode(source: Signals, target: Signals, mode: Mode) -> str:
    """What `mode` means for these two clips: `auto` is the sound, or the mouth where a clip is silent.

    Raises ClipError: no_audio, no_signal where a clip lacks what the mode needs; ValueError for an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"alignment mode {mode!r} is not one of {', '.join(MODES)}")
    deaf = [clip.name for clip in (source, target) if clip.speech is None]
    faceless = [clip.name for clip in (source, target) if clip.mouth is None]
    if mode == "auto":
        if deaf and faceless:
            raise ClipError(
                Reason.NO_SIGNAL,
                f"{deaf[0]} has nothing to hear, and {faceless[0]} no mouth to follow",
            )
        return "visual" if deaf else "audio"
    if mode != "visual" and deaf:
        raise ClipError(Reason.NO_AUDIO, f"{' and '.join(deaf)}: nothing to hear")
    if mode in ("visual", "both") and faceless:
        raise ClipError(Reason.NO_SIGNAL, f"{' and '.join(faceless)}: no mouth to follow")
    if mode == "reference" and (source.reference is None or target.reference is None):
        raise ValueError("mode `reference` needs signals that were read with reference=True")
    return mode


def sequence(
    clip: Signals, mode: str, hop: float, config: AlignConfig, lag: float = 0.0
) -> FeatureSequence:
    """The vectors by which a clip is aligned in `mode` (audio, visual or both), every `hop` seconds. Its pictures are taken to
    come `lag` seconds late."""
    grid = _grid(clip, mode, hop)
    blocks = []
    if mode != "visual":
        assert clip.speech is not None
        blocks.append((1.0, clip.speech.vectors, clip.speech.times))
    if mode != "audio":
        assert clip.mouth is not None
        blocks.append(
            (
                1.0 if mode == "visual" else config.mouth_weight,
                clip.mouth.vectors,
                clip.mouth.times - lag,
            )
        )
    scaled = [
        weight / np.sqrt(vectors.shape[1]) * _at(grid, times, vectors)
        for weight, vectors, times in blocks
    ]
    return FeatureSequence(grid, np.hstack(scaled).astype(np.float32))


def _warp(
    source: Signals, target: Signals, mode: str, lag: float, config: AlignConfig
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], float]:
    """The path in seconds and its mean cost; on a coarser grid where the matrix would be too large."""
    hop = config.hop_s
    while len(_grid(source, mode, hop)) * len(_grid(target, mode, hop)) > config.max_cells:
        hop *= 2
    a, b = sequence(source, mode, hop, config), sequence(target, mode, hop, config, lag)
    path, total = warping_path(distances(a.vectors, b.vectors), side_penalty=config.side_penalty)
    return (a.grid[path[:, 0]], b.grid[path[:, 1]]), total / len(path)


def _lip_sync(source: Signals, target: Signals, config: AlignConfig) -> float:
    """The constant by which the mouths' path runs behind the sound's; 0 where there is no sound, or nothing constant to see."""
    if source.speech is None or target.speech is None:
        return 0.0
    seen, heard = (
        as_function(*_warp(source, target, mode, 0.0, config)[0]) for mode in ("visual", "audio")
    )
    at = np.arange(*source.speech.span, 0.01)
    apart = np.interp(at, *seen) - np.interp(at, *heard)
    lag = float(np.median(apart))
    least, most = config.lip_sync_s
    steady = float(np.median(np.abs(apart - lag))) < least
    return lag if steady and least <= abs(lag) <= most else 0.0


def _alignment(
    source: Signals,
    target: Signals,
    mode: str,
    path: tuple[NDArray[np.float64], NDArray[np.float64]],
    cost: float,
    spans: tuple[tuple[float, float], tuple[float, float]],
    lag: float,
    config: AlignConfig,
) -> Alignment:
    """Path times become a function of time, frames and scores."""
    width = 0.0 if mode == "reference" else config.smoothing_s
    times = as_function(*smoothed(*path, width, config.hop_s), _extent(source), _extent(target))
    frames = source.frame_times, target.frame_times
    if not len(frames[0]) or not len(
        frames[1]
    ):  # sound alone: repeats are counted in frames of 40 ms
        frames = np.arange(*_extent(source), 0.04), np.arange(*_extent(target), 0.04)
    (first, last), (target_first, target_last) = spans
    shown = (
        times[0],
        times[1] + lag,
    )  # when the pictures of the target show what is heard at times[1]
    return Alignment(
        source_time=times[0],
        target_time=times[1],
        frame_map=frame_map(source.frame_times, target.frame_times, *shown),
        frame_path=frame_path(
            source.frame_times, target.frame_times, *(path if mode == "reference" else shown)
        ),
        mode=mode,
        cost=cost,
        duration_ratio=(target_last - target_first) / (last - first),
        longest_repeat=longest_repeat(frame_map(*frames, *shown)),
        diagonal_fraction=float(np.mean((np.diff(path[0]) > 0) & (np.diff(path[1]) > 0)))
        if len(path[0]) > 1
        else 1.0,
        local_slope=steepness(*times, first, last),
        lip_sync_s=lag,
    )


def _checked_spans(
    source: Signals, target: Signals, mode: str, config: AlignConfig
) -> tuple[tuple[float, float], tuple[float, float]]:
    """From when to when each clip speaks. Raises ClipError too_short, duration_ratio."""
    spans = _span(source, mode), _span(target, mode)
    lengths = [last - first for first, last in spans]
    for clip, length in zip((source, target), lengths, strict=True):
        if length < config.min_span_s:
            raise ClipError(
                Reason.TOO_SHORT, f"{clip.name} has {length:.2f} s that could be aligned"
            )
    if max(lengths) > config.max_duration_ratio * min(lengths):
        text = (
            f"{source.name} speaks for {lengths[0]:.1f} s and {target.name} for {lengths[1]:.1f} s"
        )
        raise ClipError(Reason.DURATION_RATIO, text)
    return spans


def _span(clip: Signals, mode: str) -> tuple[float, float]:
    return _extent(clip) if mode == "visual" or clip.speech is None else clip.speech.span


def _extent(clip: Signals) -> tuple[float, float]:
    """First and last instant of the clip, over sound and pictures."""
    parts = [(part.start, part.end) for part in (clip.speech, clip.mouth) if part is not None]
    if len(clip.frame_times):
        parts.append((float(clip.frame_times[0]), float(clip.frame_times[-1])))
    return min(part[0] for part in parts), max(part[1] for part in parts)


def _grid(clip: Signals, mode: str, hop: float) -> NDArray[np.float64]:
    part = clip.mouth if mode == "visual" else clip.speech
    assert part is not None
    points = np.arange(max(1, int((part.end - part.start) / hop + 1e-6)), dtype=np.float64)
    return part.start + (points + 0.5) * hop


def _at(
    grid: NDArray[np.float64], times: NDArray[np.float64], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """vectors (N, D) at `times`, interpolated onto `grid` (n,)."""
    if len(times) == len(grid) and np.abs(times - grid).max() < 1e-6:
        return vectors
    return np.stack([np.interp(grid, times, column) for column in vectors.T], axis=1).astype(
        np.float32
    )
