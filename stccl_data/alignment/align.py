"""Align two clips of one sentence in time.

    >>> alignment = align(read_signals("neutral.mp4"), read_signals("angry.mp4"))
    >>> target_time = np.interp(source_time, alignment.source_time, alignment.target_time)

docs/alignment.md describes the method and what each part of it contributes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.coverage import (
    Stretch,
    both_speak,
    covered_share,
    open_ends,
    sentence_stretch,
)
from stccl_data.alignment.dtw import distances, warping_path
from stccl_data.alignment.feature_sequence import FeatureSequence, feature_sequence, time_grid
from stccl_data.alignment.guide import cost_near, path_cells
from stccl_data.alignment.modes import Mode, resolve_mode
from stccl_data.alignment.phoneme_guide import guided_cost, phoneme_vectors
from stccl_data.alignment.warping_path import (
    TimePath,
    as_function,
    frame_map,
    frame_path,
    local_slope,
    longest_repeat,
    slope_times,
    smooth,
)
from stccl_data.errors import ClipError, Reason
from stccl_data.features.signals import Signals
from stccl_data.features.speech import HOP_S
from stccl_data.options import config_class

#: Bump when the same signals give a different alignment: stored alignments are then made again.
SCHEMA = 4
#: Rows per second of the published recipe; row k stands for frame k.
REFERENCE_RATE = 30.0
#: Seconds between the frames in which repeats are counted if a clip has sound only.
_SOUND_FRAME_S = 0.04


@config_class
class AlignConfig:
    """The constants of the alignment. docs/alignment.md has the measurements behind them."""

    mode: Mode = "auto"
    #: grid of the cost matrix, seconds
    hop_s: float = 0.010
    #: cost of a step in which one clip stands still; it decides within silence
    side_penalty: float = 0.1
    #: smoothing of the path, seconds: three grid steps
    smoothing_s: float = 0.03
    #: lip sync differences to correct, seconds: from one frame to what no editor overlooks
    lip_sync_s: tuple[float, float] = (0.04, 0.25)
    #: weight of the mouth features beside the speech features, in mode `both`
    mouth_weight: float = 0.5
    #: size limit of the cost matrix: 180 MB, two clips of a minute; the grid of longer ones is
    #: coarser
    max_cells: int = 36_000_000
    #: ratio limit of the spans of speech; no two readings of a sentence differ so much
    max_duration_ratio: float = 4.0
    #: shortest span of speech, seconds; a shorter one holds no sequence of sounds or movements to
    #: match
    min_span_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Alignment:
    """A warping path from a source clip to a target clip, and its scores."""

    #: (K,) float64 seconds, strictly ascending, from the first instant of the source to the last,
    #: or to the last one that the target, which is cut, still says
    source_time: NDArray[np.float64]
    #: (K,) float64 seconds, never falling, from the first instant of the target to the last, or to
    #: the last one that the source, which is cut, still says
    target_time: NDArray[np.float64]
    #: (n_source,) int32, target frame of each source frame, never falling; -1 if there is none, as
    #: after the end of the path
    frame_map: NDArray[np.int32]
    #: (K', 2) int32, the path in frames; see `warping_path.frame_path`
    frame_path: NDArray[np.int32]
    #: the resolved mode
    mode: str
    #: mean local cost along the path
    cost: float
    #: seconds of the target over those of the source, within the sentence (visual: whole clips)
    duration_ratio: float
    #: most consecutive source frames on one target frame, or target frames skipped at once,
    #: within the sentence
    longest_repeat: int
    #: share of path steps in which both clips advance
    diagonal_fraction: float
    #: 95th percentile of |log2| of the slope over 0.2 s, within the sentence where both speak, at
    #: least 0.16 s left out; 1 is twice or half as fast
    local_slope: float
    #: seconds by which the target's frames lag its sound more than the source's do; the path
    #: follows the clock of the sound, the frame map that of the frames. 0 if not measured (modes
    #: `audio` and `reference`, silent clips)
    lip_sync_s: float = 0.0
    #: share of both clips' speech that the path covers: 1 unless a clip is cut; None if unknown
    coverage: float | None = None
    #: probability in [0, 1] that both clips say one sentence; None before the content check
    content_score: float | None = None


@dataclass(frozen=True, slots=True)
class _Warp:
    """A path as dynamic time warping leaves it, on the grids of the two clips."""

    #: (K,) float64 seconds each, never falling
    source_time: NDArray[np.float64]
    target_time: NDArray[np.float64]
    #: mean local cost along the path
    cost: float
    #: whether the path reaches the end of the clip
    source_complete: bool = True
    target_complete: bool = True


def align(
    source: Signals,
    target: Signals,
    config: AlignConfig | None = None,
    guide: TimePath | None = None,
) -> Alignment:
    """Find the warping path from ``source`` to ``target``.

    Args:
        source: its signals.
        target: its signals.
        config: constants of the alignment.
        guide: a path from source to target times that the result should not stray far from, and
            with which it ends. By default phonemes are the guide, if there are any.

    Raises:
        ClipError: no_audio, no_signal (nothing to align by), too_short, or duration_ratio (the
            clips cannot be readings of one sentence).
    """
    config = config or AlignConfig()
    mode = resolve_mode(source, target, config.mode)
    _check_spans(source, target, mode, config)
    if mode == "reference":
        return _alignment(
            source, target, mode, _reference_warp(source, target, config), 0.0, config
        )
    lag = _lip_sync(source, target, config) if mode in ("visual", "both") else 0.0
    warp = _warp(source, target, mode, lag, config, guide)
    return _alignment(source, target, mode, warp, lag, config)


def _warp(
    source: Signals,
    target: Signals,
    mode: str,
    lag: float,
    config: AlignConfig,
    guide: TimePath | None = None,
) -> _Warp:
    """Warp by the features of ``mode``; a coarser grid keeps the matrix within `max_cells`."""
    hop = config.hop_s
    while len(time_grid(source, mode, hop)) * len(time_grid(target, mode, hop)) > config.max_cells:
        hop *= 2
    a = feature_sequence(source, mode, hop, config.mouth_weight)
    b = feature_sequence(target, mode, hop, config.mouth_weight, lag)
    ends = None
    if mode != "visual" and source.speech is not None and target.speech is not None:
        ends = open_ends(source.speech, target.speech, a.grid, b.grid)
    cost = distances(a.vectors, b.vectors)
    if guide is not None:
        cost = cost_near(cost, path_cells(guide, a.grid, b.grid), hop)
        ends = None  # the path ends with its guide
    elif mode != "visual" and source.phonemes is not None and target.phonemes is not None:
        phonemes = (
            phoneme_vectors(source.phonemes, a.grid),
            phoneme_vectors(target.phonemes, b.grid),
        )
        cost = guided_cost(cost, *phonemes, hop, config.side_penalty, ends)
        ends = None  # the guide has found the end
    path, total = warping_path(cost, side_penalty=config.side_penalty, ends=ends)
    last_row, last_column = path[-1]
    return _Warp(
        a.grid[path[:, 0]],
        b.grid[path[:, 1]],
        total / len(path),
        source_complete=bool(last_row == len(a.grid) - 1),
        target_complete=bool(last_column == len(b.grid) - 1),
    )


def _reference_warp(source: Signals, target: Signals, config: AlignConfig) -> _Warp:
    """Warp as published: L1 distance between cepstra, without a penalty for standing still."""
    assert source.reference is not None and target.reference is not None
    a, b = (
        FeatureSequence(np.arange(len(rows)) / REFERENCE_RATE, np.asarray(rows, np.float32))
        for rows in (source.reference, target.reference)
    )
    if len(a.grid) * len(b.grid) > config.max_cells:
        detail = f"{source.name} and {target.name} are too long to be aligned as published"
        raise ClipError(Reason.DURATION_RATIO, detail)
    cost = np.stack([np.abs(row - b.vectors).sum(axis=1) for row in a.vectors])
    path, total = warping_path(cost)
    return _Warp(a.grid[path[:, 0]], b.grid[path[:, 1]], total / len(path))


def _lip_sync(source: Signals, target: Signals, config: AlignConfig) -> float:
    """Return the seconds by which the path of the mouths lags that of the sound.

    0 without sound, or if the difference is not steady or not within `config.lip_sync_s`.
    """
    if source.speech is None or target.speech is None:
        return 0.0
    warps = [_warp(source, target, mode, 0.0, config) for mode in ("visual", "audio")]
    seen, heard = (as_function(warp.source_time, warp.target_time) for warp in warps)
    first, last = source.speech.span
    times = np.arange(first, min(last, heard[0][-1]), 0.01)
    difference = np.interp(times, *seen) - np.interp(times, *heard)
    lag = float(np.median(difference))
    least, most = config.lip_sync_s
    steady = float(np.median(np.abs(difference - lag))) < least
    return lag if steady and least <= abs(lag) <= most else 0.0


def _alignment(
    source: Signals, target: Signals, mode: str, warp: _Warp, lag: float, config: AlignConfig
) -> Alignment:
    """Convert a path on a grid to a function of time, frames and scores."""
    path = warp.source_time, warp.target_time
    width = 0.0 if mode == "reference" else config.smoothing_s
    source_extent, target_extent = _extent(source), _extent(target)
    if not warp.source_complete:
        source_extent = source_extent[0], float(path[0][-1])
    if not warp.target_complete:
        target_extent = target_extent[0], float(path[1][-1])
    source_time, target_time = as_function(
        *smooth(*path, width, config.hop_s), source_extent, target_extent
    )
    shown = source_time, target_time + lag  # the target's frames lag its sound
    sentence = Stretch(*_extent(source), *_extent(target))
    times = slope_times(sentence.first, sentence.last)
    if mode != "visual" and source.speech is not None and target.speech is not None:
        parts = source.speech, target.speech
        sentence = sentence_stretch(*parts, source_time, target_time)
        times = slope_times(sentence.first, sentence.last)
        times = times[both_speak(*parts, source_time, target_time, times)]
    scored_frames = source.frame_times, target.frame_times
    if not len(source.frame_times) or not len(target.frame_times):
        scored_frames = (
            np.arange(*_extent(source), _SOUND_FRAME_S),
            np.arange(*_extent(target), _SOUND_FRAME_S),
        )
    in_sentence = (scored_frames[0] >= sentence.first) & (scored_frames[0] <= sentence.last)
    advances = (np.diff(path[0]) > 0) & (np.diff(path[1]) > 0)
    return Alignment(
        source_time=source_time,
        target_time=target_time,
        frame_map=frame_map(source.frame_times, target.frame_times, *shown),
        frame_path=frame_path(
            source.frame_times, target.frame_times, *(path if mode == "reference" else shown)
        ),
        mode=mode,
        cost=warp.cost,
        duration_ratio=sentence.duration_ratio,
        longest_repeat=longest_repeat(frame_map(*scored_frames, *shown)[in_sentence]),
        diagonal_fraction=float(np.mean(advances)) if len(advances) else 1.0,
        local_slope=local_slope(source_time, target_time, times),
        lip_sync_s=lag,
        coverage=covered_share(
            [(source.speech, float(source_time[-1])), (target.speech, float(target_time[-1]))]
        ),
    )


def _check_spans(source: Signals, target: Signals, mode: str, config: AlignConfig) -> None:
    """Raise ClipError too_short or duration_ratio if the clips cannot be of one sentence."""
    for clip in (source, target):
        first, last = alignable_span(clip, mode)
        if last - first < config.min_span_s:
            detail = f"{clip.name} has {last - first:.2f} s that could be aligned"
            raise ClipError(Reason.TOO_SHORT, detail)
    lengths = [_seconds_of_speech(clip, mode) for clip in (source, target)]
    if max(lengths) > config.max_duration_ratio * min(lengths):
        raise ClipError(
            Reason.DURATION_RATIO,
            f"{source.name} speaks for {lengths[0]:.1f} s and {target.name} for {lengths[1]:.1f} s",
        )


def _seconds_of_speech(clip: Signals, mode: str) -> float:
    """Return the seconds of speech, without silence; visual: the length of the whole clip."""
    if mode == "visual" or clip.speech is None:
        first, last = _extent(clip)
        return last - first
    return HOP_S * int(clip.speech.speech.sum())


def alignable_span(clip: Signals, mode: str) -> tuple[float, float]:
    """Return the first and last instant of speech, in seconds; visual: of the whole clip."""
    return _extent(clip) if mode == "visual" or clip.speech is None else clip.speech.span


def _extent(clip: Signals) -> tuple[float, float]:
    """Return the first and last instant of the clip's sound and frames, in seconds."""
    parts = [(part.start, part.end) for part in (clip.speech, clip.mouth) if part is not None]
    if len(clip.frame_times):
        parts.append((float(clip.frame_times[0]), float(clip.frame_times[-1])))
    return min(part[0] for part in parts), max(part[1] for part in parts)
