"""The artefacts of a run as files: extracted clips, alignments and content checks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.dataset.layout import CROPS, SOUND
from stccl_data.errors import Reason
from stccl_data.executors import StopRunError
from stccl_data.extract import Extraction
from stccl_data.face.track import Track
from stccl_data.features.mouth import mouth_features
from stccl_data.features.phonemes import PhonemeFeatures
from stccl_data.features.signals import Signals
from stccl_data.features.speech import SpeechFeatures
from stccl_data.files.atomic import write_bytes
from stccl_data.files.npz import Npz, npz_bytes, open_npz
from stccl_data.media.jpeg import JpegSeries
from stccl_data.pairs.content_check import ClipContent, ContentCheck, ContentScore
from stccl_data.pairs.gates import Refusal

_TRACK_ARRAYS = tuple(f.name for f in fields(Track) if f.name not in CROPS)
_ALIGNMENT_FIELDS = {f.name for f in fields(Alignment)}
#: Beside these fields, in the header of a stored alignment.
_DISAGREEMENTS = "disagreements"


class DamagedArtefactError(StopRunError):
    """An artefact could not be read and has been removed, so that the next attempt remakes it.

    Args:
        path: the removed file.
        detail: the message.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[1])


@contextmanager
def _open(path: Path) -> Iterator[Npz]:
    """Open the arrays of an artefact.

    Raises:
        DamagedArtefactError: the file is damaged; it has been removed.
    """
    try:
        with open_npz(path) as stored:
            yield stored
    except ValueError as error:
        path.unlink(missing_ok=True)
        detail = f"{path} was damaged ({error}) and has been removed: `stccl prepare` remakes it"
        raise DamagedArtefactError(str(path), detail) from error


def header_of(path: Path) -> str:
    """Return the header of an artefact as JSON: everything except its arrays."""
    with _open(path) as stored:
        return bytes(stored["header"]).decode()


# --- extracted clips ---------------------------------------------------------------------------


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
        with _open(self.path) as stored:
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
        with _open(self.path) as stored:
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
            with _open(file) as stored:
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
        with _open(self.path) as stored:
            times: NDArray[np.float64] = stored["frame_times"]
            return times


# --- alignments --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredAlignment:
    """An alignment on disk."""

    #: the artefact of the utterance
    path: Path
    #: index into `load_alignments(path)`
    number: int
    #: the fields of the alignment that are not arrays
    scores: Mapping[str, Any]
    #: third take, by the stem of its artefact -> seconds, see `alignment.consistency`
    disagreements: Mapping[str, float]


def save_alignments(
    path: Path,
    results: Sequence[Alignment | Refusal],
    disagreements: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write the results of an utterance's pairs as one file.

    Args:
        path: the artefact.
        results: one per pair, in order.
        disagreements: one per pair, see `StoredAlignment`; by default nothing is known.
    """
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
        entry = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        entry[_DISAGREEMENTS] = dict(disagreements[i]) if disagreements else {}
        header.append(entry)
    write_bytes(path, npz_bytes({"header": _json_array(header), **arrays}))


def stored_alignments(path: Path, header: str) -> list[StoredAlignment | Refusal]:
    """Return the results of an utterance's pairs, in order, from the header of their artefact."""
    return [
        _refusal(entry)
        if "reason" in entry
        else StoredAlignment(path, i, entry, entry.pop(_DISAGREEMENTS, {}))
        for i, entry in enumerate(json.loads(header))
    ]


def load_alignments(path: Path) -> list[Alignment | Refusal]:
    """Read what `save_alignments` wrote.

    Raises:
        DamagedArtefactError: the file is damaged.
    """
    results: list[Alignment | Refusal] = []
    with _open(path) as stored:
        for i, entry in enumerate(json.loads(bytes(stored["header"]))):
            if "reason" in entry:
                results.append(_refusal(entry))
                continue
            entry.pop(_DISAGREEMENTS, None)
            arrays: dict[str, Any] = {
                n.partition(".")[2]: stored[n] for n in stored.names if n.startswith(f"{i}.")
            }
            if {*arrays, *entry} != _ALIGNMENT_FIELDS:
                raise ValueError(f"alignment {i} lacks arrays")
            results.append(Alignment(**entry, **arrays))
    return results


def _refusal(entry: Mapping[str, str]) -> Refusal:
    return Refusal(Reason[entry["reason"].upper()], entry["detail"])


# --- content checks ----------------------------------------------------------------------------


def save_content(path: Path, check: ContentCheck) -> None:
    """Write the content check of one speaker as one file."""
    values = {
        "pairs": [asdict(score) for score in check.pairs],
        "clips": [asdict(clip) for clip in check.clips.values()],
    }
    write_bytes(path, npz_bytes({"content": _json_array(values)}))


def load_content(path: Path) -> ContentCheck:
    """Read what `save_content` wrote.

    Raises:
        DamagedArtefactError: the file is damaged.
    """
    with _open(path) as stored:
        values = json.loads(bytes(stored["content"]))
    clips = [ClipContent(**clip) for clip in values["clips"]]
    return ContentCheck(
        [ContentScore(**score) for score in values["pairs"]],
        {clip.clip_id: clip for clip in clips},
    )


def _json_array(value: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
