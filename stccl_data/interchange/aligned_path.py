"""A dataset's accepted pairs as a published pair file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.modes import IMPORTED
from stccl_data.alignment.warping_path import frame_path
from stccl_data.dataset import Pair, open_dataset
from stccl_data.files.atomic import write_bytes
from stccl_data.interchange.names import published_speaker
from stccl_data.interchange.pair_file import FilePair, pair_file_bytes
from stccl_data.interchange.selection import (
    ExportConfig,
    ExportError,
    refuse_inside,
    select,
    stored_pairs,
)
from stccl_data.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`pairs`, `frame_pairs`: what FILE holds. `written`: False where it held just that before. `notes`: sentences."""

    file: Path
    pairs: int
    frame_pairs: int
    written: bool
    notes: tuple[str, ...]


def export_aligned_path(
    out: Path, file: Path, config: ExportConfig | None = None, progress: Progress | None = None
) -> WrittenFile:
    """Write the accepted pairs of the dataset `out` into `file`, each path from (0, 0) to the last frames by unit steps.

    A file that is there is never overwritten; one that holds the very same is left as it is.
    Raises ExportError, ShardError.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(out)
    refuse_inside(out, file)
    selection = select(dataset, config or ExportConfig())
    progress.stage("paths", len(selection.pairs))
    pairs = []
    without = 0
    for stored in stored_pairs(dataset, selection):
        path = pair_path(stored)
        if len(path):
            speaker = published_speaker(selection.clips[stored.source.clip_id].speaker)
            key = "_".join(selection.names[clip.clip_id] for clip in (stored.source, stored.target))
            pairs.append(FilePair(speaker, stored.target.emotion, key, path[:, 0], path[:, 1]))
        without += not len(path)
        progress.step()
    if not pairs:
        raise ExportError(f"{out} holds sound alone: a pair file counts frames, and there are none")
    notes = [*selection.notes, *([f"left out: {without} pairs without frames"] if without else [])]
    content = pair_file_bytes(pairs)
    written = _write_new(file, content)
    return WrittenFile(
        file, len(pairs), sum(len(pair.source) for pair in pairs), written, tuple(notes)
    )


def pair_path(pair: Pair) -> NDArray[np.int32]:
    """The pair's path in frames, (K, 2); see `path.frame_path`. Empty where a clip has no frames.

    An imported path is given back as it came. Any other leads through the frame map, which keeps to the clock of the pictures where
    the path in seconds keeps to that of the sound. Target frames that the map passes over go to the source frames on either side,
    so that importing the path (`follow_path`) gives the map again wherever steps without corners can say it.
    """
    source, target = pair.source.times, pair.target.times
    if pair.scores.get("mode") == IMPORTED or not len(target):
        return frame_path(source, target, pair.source_time, pair.target_time)
    mapped = pair.frame_map.astype(np.int64)
    passed = np.maximum(np.diff(mapped) - 1, 0)
    before = (passed + 1) // 2
    frame, here = np.arange(len(source) - 1), mapped[:-1]
    after = here + before + (np.diff(mapped) > 0)
    rows = np.append(np.stack([frame, frame, frame + 1], axis=1).ravel(), [len(source) - 1] * 2)
    columns = np.append(
        np.stack([here, here + before, after], axis=1).ravel(), [mapped[-1], len(target) - 1]
    )
    numbers = np.arange(
        max(len(source), len(target)), dtype=np.float64
    )  # frames stand for their times: the path is in frames now
    return frame_path(
        numbers[: len(source)],
        numbers[: len(target)],
        rows.astype(np.float64),
        columns.astype(np.float64),
    )


def _write_new(file: Path, content: bytes) -> bool:
    """Write the file unless it is there with this content. Raises ExportError where it holds another, or cannot be written."""
    try:
        if file.exists():
            if file.is_file() and file.read_bytes() == content:
                return False
            raise ExportError(
                f"{file} is there already and holds something else: give another name, or move it away"
            )
        write_bytes(file, content)
    except OSError as error:
        raise ExportError(f"{file} cannot be written: {error.strerror}") from error
    return True
