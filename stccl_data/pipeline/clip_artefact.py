"""Extracted clips as files: one of crops and sound, which may be dropped, and one of the rest."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip
from stccl_data.dataset.layout import CROPS, SOUND
from stccl_data.extract import Extraction
from stccl_data.face.track import Track
from stccl_data.features.mouth import mouth_features
from stccl_data.features.phonemes import PhonemeFeatures
from stccl_data.features.signals import Signals
from stccl_data.features.speech import SpeechFeatures
from stccl_data.files.atomic import write_bytes
from stccl_data.files.npz import npz_bytes
from stccl_data.media.jpeg import JpegSeries
from stccl_data.pipeline.artefacts import DamagedArtefactError, header_of, open_artefact
from stccl_data.pipeline.state import Store

_TRACK_ARRAYS = tuple(f.name for f in fields(Track) if f.name not in CROPS)


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """The crops and the sound of a clip, which the shards hold too."""

    #: crop -> Motion-JPEG; empty without crops
    crops: Mapping[str, bytes]
    #: the sound as a FLAC file; empty if it is not stored
    flac: bytes = b""

    def identity(self) -> dict[str, Any]:
        """Return sizes and a hash, by which the same frames are recognised in the shards."""
        parts = [*(self.crops.get(crop, b"") for crop in CROPS), self.flac]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        return {"bytes": [len(part) for part in parts], "sha256": digest.hexdigest()}


def _frames_file(artefact: Path) -> Path:
    """Return the file beside an artefact that holds the clip's frames; it may be dropped."""
    return artefact.with_suffix(".frames")


def save_extraction(
    path: Path, extraction: Extraction, flac: bytes | None = None
) -> tuple[str, int]:
    """Write an extracted clip: its crops and sound into one file, then everything else.

    If the second file exists, the first was complete.

    Args:
        path: the artefact.
        extraction: the clip.
        flac: its sound, if the shards are to hold it.

    Returns:
        The header and the size of the second file, which is the artefact.
    """
    track = extraction.track
    series = {crop: getattr(track, crop, None) for crop in CROPS}
    frames = ClipFrames({c: s.data for c, s in series.items() if s is not None}, flac or b"")
    if frames.crops or frames.flac:
        contents = {**frames.crops, SOUND: frames.flac}
        members = {name: np.frombuffer(data, np.uint8) for name, data in contents.items()}
        write_bytes(_frames_file(path), npz_bytes(members))
    header = json.dumps(
        {
            "clip": extraction.clip.row(),
            "scores": extraction.scores,
            "notes": extraction.notes,
            "expression": {} if track is None else track.blendshape_summary(),
            "frames": frames.identity(),
        }
    )
    arrays: dict[str, Any] = {"header": np.frombuffer(header.encode(), np.uint8)}
    arrays["frame_times"] = extraction.frame_times
    if extraction.speech is not None:
        arrays |= {
            f"speech.{f.name}": np.asarray(getattr(extraction.speech, f.name))
            for f in fields(SpeechFeatures)
        }
    if extraction.phonemes is not None:
        arrays |= {
            "phonemes.levels": extraction.phonemes.levels,
            "phonemes.start": np.float64(extraction.phonemes.start),
        }
    if extraction.reference is not None:
        arrays["reference"] = extraction.reference
    if track is not None:
        arrays |= {f"track.{name}": table for name, table in track.tables().items()}
    data = npz_bytes(arrays)
    write_bytes(path, data)
    return header, len(data)


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What the header of an extracted clip holds."""

    #: with its media properties
    clip: Clip
    scores: dict[str, float]
    #: see `Extraction.notes`
    notes: tuple[str, ...]
    #: see `Track.blendshape_summary`
    expression: dict[str, list[float]]
    #: see `ClipFrames.identity`
    frames: dict[str, Any]


def read_header(header: str) -> ClipHeader:
    """Parse the header of an artefact."""
    values = json.loads(header)
    return ClipHeader(
        Clip.from_row(values["clip"]),
        values["scores"],
        tuple(values["notes"]),
        values["expression"],
        values["frames"],
    )


@dataclass(frozen=True, slots=True)
class ClipArtefact:
    """An extracted clip on disk. Each method opens the file and reads only what it returns."""

    path: Path

    def header(self) -> str:
        """Return the header, which `read_header` parses."""
        return header_of(self.path)

    def signals(self) -> Signals:
        """Return what the clip is aligned by."""
        with open_artefact(self.path) as stored:
            names = set(stored.names)
            speech = None
            if "speech.times" in names:
                values: dict[str, Any] = {
                    f.name: stored[f"speech.{f.name}"] for f in fields(SpeechFeatures)
                }
                values |= {name: float(value) for name, value in values.items() if value.ndim == 0}
                speech = SpeechFeatures(**values)
            mouth = None
            if "track.landmarks" in names:
                mouth = mouth_features(
                    stored["track.landmarks"], stored["track.times"], stored["track.valid"]
                )
            phonemes = None
            if "phonemes.levels" in names:
                start = float(stored["phonemes.start"])
                phonemes = PhonemeFeatures(stored["phonemes.levels"], start)
            reference = stored["reference"] if "reference" in names else None
            path = json.loads(bytes(stored["header"]))["clip"]["path"]
            return Signals(speech, mouth, phonemes, stored["frame_times"], reference, path)

    def tables(self) -> dict[str, NDArray[Any]] | None:
        """Return what `Track.tables` returned; None if faces were not tracked."""
        with open_artefact(self.path) as stored:
            if "track.times" not in stored.names:
                return None
            names = [name for name in stored.names if name.startswith("track.")]
            return {name.removeprefix("track."): stored[name] for name in names}

    @property
    def has_frames(self) -> bool:
        """Whether the file of crops and sound exists."""
        return _frames_file(self.path).exists()

    def frames(self) -> ClipFrames:
        """Return the crops and the sound; there are none if nothing is stored.

        Raises:
            DamagedArtefactError: the file is damaged, so the clip has to be extracted again.
        """
        file = _frames_file(self.path)
        if not file.exists():
            return ClipFrames({})
        try:
            with open_artefact(file) as stored:
                content = {name: bytes(stored[name]) for name in stored.names}
        except DamagedArtefactError:
            self.path.unlink(missing_ok=True)
            raise
        return ClipFrames({c: content[c] for c in CROPS if c in content}, content[SOUND])

    def drop_frames(self) -> None:
        """Delete the crops and the sound, which the shards hold now."""
        _frames_file(self.path).unlink(missing_ok=True)

    def track(self) -> Track | None:
        """Return the tracked face with its crops; None if faces were not tracked."""
        tables, crops = self.tables(), self.frames().crops
        if tables is None:
            return None
        series: dict[str, Any] = {
            crop: JpegSeries(data, tables[f"{crop}_offsets"]) for crop, data in crops.items()
        }
        columns: dict[str, Any] = {n: array for n, array in tables.items() if n in _TRACK_ARRAYS}
        return Track(**columns, **series)

    def frame_times(self) -> NDArray[np.float64]:
        """Return the presentation times, (N,) float64 seconds."""
        with open_artefact(self.path) as stored:
            times: NDArray[np.float64] = stored["frame_times"]
            return times


def stored_clips(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key and the clip, as its header has it, of each extracted clip in `work/`."""
    for key in store.existing("clips"):
        yield key, json.loads(ClipArtefact(store.path("clips", key)).header())["clip"]
