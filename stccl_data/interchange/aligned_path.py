"""A dataset's accepted pairs as a published pair file."""

from dataclasses import dataclass
from pathlib import Path

from ..atomic import write_bytes
from ..config import Progress, Quiet
from ..path import frame_path
from ..shards import open_dataset
from .names import published_speaker
from .pair_file import FilePair, pair_file_bytes
from .selection import ExportConfig, ExportError, select, stored_pairs


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """`pairs`, `frame_pairs`: what FILE holds. `written`: False where it held just that before. `notes`: sentences."""

    file: Path
    pairs: int
    frame_pairs: int
    written: bool
    notes: tuple[str, ...]


def export_aligned_path(out: Path, file: Path, config: ExportConfig | None = None, progress: Progress | None = None) -> WrittenFile:
    """Write the accepted pairs of the dataset `out` into `file`, each path from (0, 0) to the last frames by unit steps.

    A file that is there is never overwritten; one that holds the very same is left as it is.
    Raises ExportError, ShardError.
    """
    progress = progress or Quiet()
    dataset = open_dataset(out)
    selection = select(dataset, config or ExportConfig())
    progress.stage("paths", len(selection.pairs))
    pairs = []
    without = 0
    for stored in stored_pairs(dataset, selection):
        path = frame_path(stored.source.times, stored.target.times, stored.source_time, stored.target_time)
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
    return WrittenFile(file, len(pairs), sum(len(pair.source) for pair in pairs), written, tuple(notes))


def _write_new(file: Path, content: bytes) -> bool:
    """Write the file unless it is there with this content. Raises ExportError where it holds another, or cannot be written."""
    try:
        if file.exists():
            if file.is_file() and file.read_bytes() == content:
                return False
            raise ExportError(f"{file} is there already and holds something else: give another name, or move it away")
        write_bytes(file, content)
    except OSError as error:
        raise ExportError(f"{file} cannot be written: {error.strerror}") from error
    return True
