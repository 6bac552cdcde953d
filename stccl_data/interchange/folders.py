"""Export face crops as folders of frames, the format that existing trainers read.

The frames of a clip are `SPEAKER/align_img/EMOTION/NNN/000000.jpg` and so on. Every frame is
written, also those without a face (black), so that frame numbers agree with the pair file.
DIR.export.json, next to DIR, records which clip each folder holds and what it was made from. With
it an interrupted export is resumed.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from stccl_data.dataset import Dataset, UtteranceClip, open_dataset
from stccl_data.executors import usable_cores
from stccl_data.files.atomic import write_text
from stccl_data.interchange.names import published_emotion, published_speaker
from stccl_data.interchange.selection import (
    ExportConfig,
    ExportError,
    Selection,
    check_outside,
    select,
    stored_pairs,
)
from stccl_data.media.jpeg import decode_jpeg, encode_jpeg
from stccl_data.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class WrittenFolders:
    """An export to folders of frames."""

    folder: Path
    #: number of clips in the folder now
    clips: int
    #: number of clips written by this call
    made: int
    #: number of frames written by this call
    frames: int
    #: sentences for the user
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the frames are made from, as DIR.export.json records it."""

    #: SHA-256 over the checksums of the shards
    dataset: str
    #: side of a frame, pixels
    size: int
    #: JPEG quality of resized frames
    quality: int


def export_folders(
    out: Path,
    folder: Path,
    config: ExportConfig | None = None,
    *,
    size: int = 512,
    quality: int = 95,
    progress: Progress | None = None,
) -> WrittenFolders:
    """Export the face crops of every clip in the selected pairs.

    The clips are those that `export_aligned_path` names with the same config. A clip's folder
    appears when it is complete; a second run writes what is missing. Nothing is overwritten.

    Args:
        out: folder of the dataset.
        folder: folder to write to, outside ``out``.
        config: which pairs to export.
        size: side of a frame in pixels; crops stored in another size are resized.
        quality: JPEG quality of resized frames, 1 to 100.
        progress: receives one step per clip.

    Raises:
        ExportError: there is nothing to export, or ``folder`` lies in ``out``, holds something
            else, or cannot be written.
        ShardError: the dataset cannot be read.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(out)
    check_outside(out, folder)
    selection = select(dataset, config or ExportConfig())
    places = _places(selection)
    try:
        _claim(folder, places, _Origin(_fingerprint(dataset), size, quality))
        missing = {
            clip_id: place for place, clip_id in places.items() if not (folder / place).exists()
        }
        progress.stage("clips", len(places), len(places) - len(missing))
        written = frames = 0
        with ThreadPoolExecutor(usable_cores()) as pool:
            for pair in stored_pairs(dataset, selection) if missing else ():
                for clip in (pair.source, pair.target):
                    place = missing.pop(clip.clip_id, None)
                    if place is not None:
                        frames += _write_clip(clip, folder / place, size, quality, pool)
                        written += 1
                        progress.step()
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}") from error
    return WrittenFolders(folder, len(places), written, frames, tuple(selection.notes))


def _places(selection: Selection) -> dict[str, str]:
    """Return clip ids by the relative path of their folder."""
    places = {}
    for clip in selection.used_clips:
        speaker, emotion = published_speaker(clip.speaker), published_emotion(clip.emotion)
        name = selection.names[clip.clip_id]
        places[f"{speaker}/align_img/{emotion}/{name}"] = clip.clip_id
    return places


def _fingerprint(dataset: Dataset) -> str:
    """Return a SHA-256 over the checksums of the shards."""
    return hashlib.sha256("".join(shard.sha256 for shard in dataset.shards).encode()).hexdigest()


def _claim(folder: Path, places: Mapping[str, str], origin: _Origin) -> None:
    """Record next to ``folder`` what it will hold.

    Raises:
        ExportError: the folder holds something else.
    """
    note = folder.with_name(f"{folder.name}.export.json")
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file: give a folder")
    existing = _read_note(note, folder, origin) if note.exists() else {}
    for place, clip_id in places.items():
        path = folder / place
        if existing.get(place, clip_id) != clip_id:
            raise ExportError(
                f"{path} holds {existing[place]} and would hold {clip_id}: give another folder"
            )
        if place not in existing and path.exists():
            raise ExportError(f"{path} exists but was not written by stccl: give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    content = {**asdict(origin), "folders": dict(sorted({**existing, **places}.items()))}
    write_text(note, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _read_note(note: Path, folder: Path, origin: _Origin) -> dict[str, str]:
    """Return the clip ids by folder that an earlier export of the same origin recorded."""
    try:
        content: dict[str, Any] = json.loads(note.read_bytes())
        existing = dict(content["folders"])
        same = all(content[name] == value for name, value in asdict(origin).items())
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{note} is not in the format that stccl writes ({error!r}): move it and {folder}"
        ) from error
    if not same:
        raise ExportError(
            f"{folder} was exported from another dataset, or in another size or quality: "
            "give another folder"
        )
    return existing


def _write_clip(
    clip: UtteranceClip, place: Path, size: int, quality: int, pool: ThreadPoolExecutor
) -> int:
    """Write all frames of a clip and return their number."""
    if "face" not in clip.crops:
        raise ExportError(
            f"{clip.clip_id} has no face crops: the dataset was prepared with --crops none"
        )
    jpegs = clip.jpegs("face")
    unfinished = place.with_name(f".{place.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)  # left by an interrupted export
    unfinished.mkdir(parents=True)

    def write(numbered: tuple[int, bytes]) -> None:
        number, jpeg = numbered
        (unfinished / f"{number:06d}.jpg").write_bytes(_resized(jpeg, size, quality))

    list(pool.map(write, enumerate(jpegs)))
    unfinished.rename(place)
    return len(jpegs)


def _resized(jpeg: bytes, size: int, quality: int) -> bytes:
    """Return the JPEG ``size`` pixels square; the same bytes if it has that size already."""
    image = decode_jpeg(jpeg)
    if image.shape[:2] == (size, size):
        return jpeg
    method = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_CUBIC
    return encode_jpeg(cv2.resize(image, (size, size), interpolation=method), quality)
