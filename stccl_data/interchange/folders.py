"""A dataset's faces as folders of frames, `SPEAKER/align_img/EMOTION/NNN/000000.jpg`: the reference's form.

Every frame is written, those without a face too (black), so that frame numbers are those of the pair file. DIR.export.json, beside
DIR, says which clip each folder shows and from what it was made; by it an export goes on where it was cut off.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from stccl_data.dataset import Dataset, UtteranceClip, open_dataset
from stccl_data.files.atomic import write_text
from stccl_data.interchange.names import published_speaker
from stccl_data.interchange.selection import (
    ExportConfig,
    ExportError,
    Selection,
    refuse_inside,
    select,
    stored_pairs,
)
from stccl_data.media.jpeg import decode_jpeg, encode_jpeg
from stccl_data.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class WrittenFolders:
    """`clips`: folders that DIR holds now; `made`: those written by this call, with `frames` frames. `notes`: sentences."""

    folder: Path
    clips: int
    made: int
    frames: int
    notes: tuple[str, ...]


def export_folders(
    out: Path,
    folder: Path,
    config: ExportConfig | None = None,
    *,
    size: int = 512,
    quality: int = 95,
    progress: Progress | None = None,
) -> WrittenFolders:
    """Write the face crops of every clip in the selected pairs below `folder`, `size` pixels square; crops stored in another size
    are resized. The clips are those that `export_aligned_path` names with the same config.

    A clip's folder appears when it is complete; running again writes what is missing. Nothing that is there is overwritten.
    Raises ExportError (nothing to write, `folder` lies in `out` or holds something else), ShardError.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(out)
    refuse_inside(out, folder)
    selection = select(dataset, config or ExportConfig())
    plan = _plan(selection)
    try:
        _claim(folder, plan, {"dataset": _identity(dataset), "size": size, "quality": quality})
        waiting = {
            clip_id: place for place, clip_id in plan.items() if not (folder / place).exists()
        }
        already = len(plan) - len(waiting)
        progress.stage("clips", len(plan), already)
        made = frames = 0
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for pair in stored_pairs(dataset, selection) if waiting else ():
                for clip in (pair.source, pair.target):
                    place = waiting.pop(clip.clip_id, None)
                    if place is not None:
                        frames += _write_clip(clip, folder / place, size, quality, pool)
                        made += 1
                        progress.step()
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}") from error
    return WrittenFolders(folder, len(plan), made, frames, tuple(selection.notes))


def _plan(selection: Selection) -> dict[str, str]:
    """Folder below DIR -> clip id."""
    return {
        f"{published_speaker(clip.speaker)}/align_img/{clip.emotion}/{selection.names[clip.clip_id]}": clip.clip_id
        for clip in selection.used
    }


def _identity(dataset: Dataset) -> str:
    """What the frames come from: the shards by their checksums."""
    return hashlib.sha256("".join(shard.sha256 for shard in dataset.shards).encode()).hexdigest()


def _claim(folder: Path, plan: Mapping[str, str], made_from: Mapping[str, Any]) -> None:
    """Note beside `folder` what will lie in it. Raises ExportError where something else lies there."""
    note = folder.with_name(f"{folder.name}.export.json")
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file: give a folder")
    folders: dict[str, str] = {}
    if note.exists():
        try:
            said = json.loads(note.read_bytes())
            folders = dict(said["folders"])
            same = {name: said[name] for name in made_from} == dict(made_from)
        except (ValueError, KeyError, TypeError) as error:
            raise ExportError(
                f"{note} is not as stccl writes it ({error!r}): move it and {folder} away"
            ) from error
        if not same:
            raise ExportError(
                f"{folder} was exported from another dataset, or with another size or quality: give another folder"
            )
    for place, clip_id in plan.items():
        if folders.get(place, clip_id) != clip_id:
            raise ExportError(
                f"{folder / place} shows {folders[place]}, and would show {clip_id}: give another folder"
            )
        if place not in folders and (folder / place).exists():
            raise ExportError(
                f"{folder / place} is there, and was not written by stccl: give another folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    content = {**made_from, "folders": dict(sorted({**folders, **plan}.items()))}
    write_text(note, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _write_clip(
    clip: UtteranceClip, place: Path, size: int, quality: int, pool: ThreadPoolExecutor
) -> int:
    """All frames of a clip. Returns how many."""
    if "face" not in clip.crops:
        raise ExportError(
            f"{clip.clip_id} has no face crops: the dataset was prepared with --crops none"
        )
    pictures = clip.jpegs("face")
    unfinished = place.with_name(f".{place.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)  # of an export that was cut off
    unfinished.mkdir(parents=True)

    def write(numbered: tuple[int, bytes]) -> None:
        (unfinished / f"{numbered[0]:06d}.jpg").write_bytes(_resized(numbered[1], size, quality))

    list(pool.map(write, enumerate(pictures)))
    unfinished.rename(place)
    return len(pictures)


def _resized(picture: bytes, size: int, quality: int) -> bytes:
    """The JPEG `size` pixels square; unchanged where it is so already."""
    image = decode_jpeg(picture)
    if image.shape[:2] == (size, size):
        return picture
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    return encode_jpeg(cv2.resize(image, (size, size), interpolation=method), quality)
