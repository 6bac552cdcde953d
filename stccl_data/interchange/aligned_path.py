"""Export the accepted pairs of a dataset as a published pair file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.modes import IMPORTED
from stccl_data.alignment.warping_path import FramePath, frame_path, nearest_frame
from stccl_data.dataset import Pair, open_dataset
from stccl_data.files.atomic import write_bytes
from stccl_data.interchange.names import published_emotion, published_speaker
from stccl_data.interchange.pair_file import FilePair, pair_file_bytes
from stccl_data.interchange.selection import (
    ExportConfig,
    ExportError,
    check_outside,
    select,
    stored_pairs,
)
from stccl_data.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """An exported pair file."""

    file: Path
    #: number of pairs in the file
    pairs: int
    #: number of entries of all paths
    frame_pairs: int
    #: False if the file had this content before
    written: bool
    #: sentences for the user
    notes: tuple[str, ...]


def export_aligned_path(
    out: Path, file: Path, config: ExportConfig | None = None, progress: Progress | None = None
) -> WrittenFile:
    """Export the accepted pairs of a dataset as a pair file.

    Each path leads from (0, 0) to the last frames by unit steps. An existing file is never
    overwritten; one with the same content is left as it is.

    Args:
        out: folder of the dataset.
        file: pair file to write, outside ``out``.
        config: which pairs to export.
        progress: receives one step per pair.

    Raises:
        ExportError: there is nothing to export, or ``file`` cannot be written.
        ShardError: the dataset cannot be read.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(out)
    check_outside(out, file)
    selection = select(dataset, config or ExportConfig())
    progress.stage("paths", len(selection.pairs))
    pairs = []
    without_frames = 0
    for pair in stored_pairs(dataset, selection):
        path = pair_path(pair)
        if len(path):
            speaker = published_speaker(selection.clips[pair.source.clip_id].speaker)
            key = "_".join(selection.names[clip.clip_id] for clip in (pair.source, pair.target))
            frames = FramePath(path[:, 0], path[:, 1])
            emotion = published_emotion(pair.target.emotion)
            pairs.append(FilePair(speaker, emotion, key, frames))
        else:
            without_frames += 1
        progress.step()
    if not pairs:
        raise ExportError(f"no clip of {out} has frames, and a pair file needs them")
    notes = selection.notes
    if without_frames:
        notes.append(f"left out: {without_frames} pairs without frames")
    return WrittenFile(
        file,
        pairs=len(pairs),
        frame_pairs=sum(len(pair.path.source) for pair in pairs),
        written=_write_new(file, pair_file_bytes(pairs)),
        notes=tuple(notes),
    )


def pair_path(pair: Pair) -> NDArray[np.int32]:
    """Return the path of a pair in frames, in the form of `warping_path.frame_path`.

    An imported path is returned as it was imported. Any other path follows the frame map, which is
    on the clock of the frames, whereas the path in seconds is on that of the sound. Target frames
    that the map skips go to the source frames on either side, so that importing the path
    (`follow_path`) gives the map again wherever steps without corners can express it.

    Returns:
        (K, 2) int32; empty if a clip has no frames.
    """
    source_times, target_times = pair.source.times, pair.target.times
    n_source, n_target = len(source_times), len(target_times)
    if pair.scores.get("mode") == IMPORTED or not n_target:
        return frame_path(source_times, target_times, pair.source_time, pair.target_time)
    mapped = pair.frame_map.astype(np.int64)
    # The path of a clip that is cut ends early: in the source at the last frame of the map, in the
    # target at the last time of the path.
    n_source = int(np.count_nonzero(mapped >= 0))
    if not n_source:
        return np.empty((0, 2), np.int32)
    mapped = mapped[:n_source]
    last = max(int(mapped[-1]), int(nearest_frame(target_times, pair.target_time[-1])))
    skipped = np.maximum(np.diff(mapped) - 1, 0)
    half = (skipped + 1) // 2
    # Between two source frames: the first takes half of the skipped target frames, the next one
    # the rest.
    frame, start = np.arange(n_source - 1), mapped[:-1]
    turn = start + half
    resume = turn + (np.diff(mapped) > 0)
    source = np.append(np.stack([frame, frame, frame + 1], axis=1).ravel(), [n_source - 1] * 2)
    target = np.append(np.stack([start, turn, resume], axis=1).ravel(), [mapped[-1], last])
    # Frame numbers stand for times here: the path is in frames already.
    numbers = np.arange(max(n_source, n_target), dtype=np.float64)
    return frame_path(
        numbers[:n_source],
        numbers[:n_target],
        source.astype(np.float64),
        target.astype(np.float64),
    )


def _write_new(file: Path, content: bytes) -> bool:
    """Write a file unless it has this content already; return whether it was written.

    Raises:
        ExportError: the file has other content, or cannot be written.
    """
    try:
        if file.exists():
            if file.is_file() and file.read_bytes() == content:
                return False
            raise ExportError(f"{file} exists with other content: give another name, or move it")
        write_bytes(file, content)
    except OSError as error:
        raise ExportError(f"{file} cannot be written: {error.strerror}") from error
    return True
