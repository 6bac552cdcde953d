"""Extracted clips and alignments as files and back: what the stages of a run hand to each other."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.executors import StopRunError
from stccl_data.extract import Extraction
from stccl_data.face.track import Track
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals
from stccl_data.features.speech import SpeechFeatures
from stccl_data.files.atomic import write_bytes
from stccl_data.files.npz import Npz, npz_bytes, open_npz
from stccl_data.media.jpeg import JpegSeries
from stccl_data.pairs.content_check import ClipContent, ContentCheck, ContentScore
from stccl_data.pairs.gates import Refusal

_PICTURES = ("face", "mouth")
_ALIGNMENT = {f.name for f in fields(Alignment)}


def save_extraction(
    path: Path, extraction: Extraction, flac: bytes | None = None
) -> tuple[str, int]:
    """One extracted clip, and its sound where shards are to hold it, as one file. Returns its header and how many bytes it has."""
    header = json.dumps({"clip": extraction.clip.row(), "scores": extraction.scores})
    arrays: dict[str, Any] = {"header": np.frombuffer(header.encode(), np.uint8)}
    arrays["frame_times"] = extraction.frame_times
    if extraction.speech is not None:
        arrays |= {
            f"speech.{f.name}": np.asarray(getattr(extraction.speech, f.name))
            for f in fields(SpeechFeatures)
        }
    if extraction.reference is not None:
        arrays["reference"] = extraction.reference
    if flac is not None:
        arrays["flac"] = np.frombuffer(flac, np.uint8)
    track = extraction.track
    if track is not None:
        arrays |= {f"track.{name}": table for name, table in track.tables().items()}
        arrays |= {
            f"track.{name}": np.frombuffer(series.data, np.uint8)
            for name in _PICTURES
            if (series := getattr(track, name)) is not None
        }
    data = npz_bytes(arrays)
    write_bytes(path, data)
    return header, len(data)


def header_of(path: Path) -> str:
    """What an artefact says of itself: all but its arrays, as JSON."""
    with _stored(path) as stored:
        return bytes(stored["header"]).decode()


def read_header(header: str) -> tuple[Clip, dict[str, float]]:
    """The clip with what its file said of itself, and its scores."""
    said = json.loads(header)
    return Clip.from_row(said["clip"]), said["scores"]


@dataclass(frozen=True, slots=True)
class ClipArtefact:
    """An extracted clip on disk. Each part is read when it is asked for."""

    path: Path

    def header(self) -> str:
        """What `read_header` reads."""
        return header_of(self.path)

    def signals(self) -> Signals:
        """What the clip is aligned by."""
        with _stored(self.path) as stored:
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
            reference = stored["reference"] if "reference" in names else None
            path = json.loads(bytes(stored["header"]))["clip"]["path"]
            return Signals(speech, mouth, stored["frame_times"], reference, path)

    def track(self) -> Track | None:
        """The frames; None where the face was not followed."""
        with _stored(self.path) as stored:
            names = set(stored.names)
            if "track.times" not in names:
                return None
            series: dict[str, Any] = {
                name: JpegSeries(bytes(stored[f"track.{name}"]), stored[f"track.{name}_offsets"])
                for name in _PICTURES
                if f"track.{name}" in names
            }
            tables = ("times", "valid", "landmarks", "face_transforms", "mouth_transforms")
            columns: dict[str, Any] = {name: stored[f"track.{name}"] for name in tables}
            return Track(**columns, **series)

    def frame_times(self) -> Any:
        """(N,) float64 seconds."""
        with _stored(self.path) as stored:
            return stored["frame_times"]

    def flac(self) -> bytes | None:
        """The sound as a FLAC file, where it was kept."""
        with _stored(self.path) as stored:
            return bytes(stored["flac"]) if "flac" in stored.names else None


def save_alignments(path: Path, results: Sequence[Alignment | Refusal]) -> None:
    """The alignments of an utterance's pairs, in order, as one file."""
    arrays: dict[str, Any] = {}
    header: list[dict[str, Any]] = []
    for i, result in enumerate(results):
        if isinstance(result, Refusal):
            header.append({"reason": result.reason.value, "detail": result.detail})
            continue
        values = {f.name: getattr(result, f.name) for f in fields(Alignment)}
        arrays |= {
            f"{i}.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)
        }
        header.append(
            {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        )
    write_bytes(path, npz_bytes({"header": _text(header), **arrays}))


@dataclass(frozen=True, slots=True)
class StoredAlignment:
    """An alignment on disk, the `number`-th that `load_alignments(path)` gives. `scores`: its fields that are no arrays."""

    path: Path
    number: int
    scores: Mapping[str, Any]


def stored_alignments(path: Path, header: str) -> list[StoredAlignment | Refusal]:
    """The alignments of an utterance's pairs, in order, as the header of their file names them."""
    return [
        Refusal(Reason[entry["reason"].upper()], entry["detail"])
        if "reason" in entry
        else StoredAlignment(path, i, entry)
        for i, entry in enumerate(json.loads(header))
    ]


def load_alignments(path: Path) -> list[Alignment | Refusal]:
    """The inverse of `save_alignments`."""
    results: list[Alignment | Refusal] = []
    with _stored(path) as stored:
        for i, entry in enumerate(json.loads(bytes(stored["header"]))):
            if "reason" in entry:
                results.append(Refusal(Reason[entry["reason"].upper()], entry["detail"]))
                continue
            mine: dict[str, Any] = {
                n.partition(".")[2]: stored[n] for n in stored.names if n.startswith(f"{i}.")
            }
            if {*mine, *entry} != _ALIGNMENT:
                raise ValueError(f"the arrays of alignment {i} are not all there")
            results.append(Alignment(**entry, **mine))
    return results


def save_content(path: Path, check: ContentCheck) -> None:
    """What the content check says of one speaker, as one file."""
    said = {
        "pairs": [asdict(score) for score in check.pairs],
        "clips": [asdict(clip) for clip in check.clips.values()],
    }
    write_bytes(path, npz_bytes({"content": _text(said)}))


def load_content(path: Path) -> ContentCheck:
    """The inverse of `save_content`."""
    with _stored(path) as stored:
        said = json.loads(bytes(stored["content"]))
    clips = [ClipContent(**clip) for clip in said["clips"]]
    return ContentCheck(
        [ContentScore(**score) for score in said["pairs"]], {clip.clip_id: clip for clip in clips}
    )


class DamagedArtefactError(StopRunError):
    """An artefact could not be read and has been removed, so that whoever goes on makes it anew. `path`: the file."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[1])


@contextmanager
def _stored(path: Path) -> Iterator[Npz]:
    """The arrays of an artefact. Raises DamagedArtefactError, and removes the file, where it is not whole."""
    try:
        with open_npz(path) as stored:
            yield stored
    except ValueError as error:
        path.unlink(missing_ok=True)
        detail = f"{path} was damaged ({error}) and has been removed: `stccl prepare` makes it anew"
        raise DamagedArtefactError(str(path), detail) from error


def _text(value: Any) -> Any:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
