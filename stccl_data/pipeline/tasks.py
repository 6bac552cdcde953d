"""What a worker does with one unit: small arguments and results, data in files.

Functions are called by name in another process. If the artefact of a unit exists, a worker made it
and was killed before it could report; it is kept.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from stccl_data.alignment.align import AlignConfig, Alignment
from stccl_data.alignment.consistency import align_takes
from stccl_data.alignment.warping_path import FramePath
from stccl_data.clip import Clip
from stccl_data.errors import ClipError
from stccl_data.executors import StopRunError
from stccl_data.extract import FaceTracking, extract_clip
from stccl_data.face.crop_config import CropConfig
from stccl_data.features.signals import Signals
from stccl_data.landmarks import LandmarkConfig, Landmarker, ModelError, open_landmarker
from stccl_data.media.audio import audio_source, encode_flac, read_audio
from stccl_data.media.container import probe
from stccl_data.pairs.content_check import Kind, check_content
from stccl_data.pairs.content_model import ContentConfig
from stccl_data.pairs.gates import Refusal
from stccl_data.pairs.imported import follow_path
from stccl_data.pipeline.artefacts import header_of
from stccl_data.pipeline.clip_artefact import ClipArtefact, save_extraction
from stccl_data.pipeline.pair_artefacts import save_alignments, save_content

#: paths of the artefacts of the source and the target clip
ClipFiles = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Everything that decides what is made of a clip."""

    landmarks: LandmarkConfig
    crops: CropConfig
    #: when faces are tracked
    face_tracking: FaceTracking
    #: keep the sound as FLAC
    audio: bool


def start_worker(log: str) -> None:
    """Set up a worker: output of native libraries goes to the file `log`, OpenCV uses one core."""
    import cv2

    cv2.setNumThreads(1)
    sys.stderr.flush()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(handle, 2)
    os.close(handle)


@cache
def _landmarker(config: LandmarkConfig) -> Landmarker:
    try:
        return open_landmarker(config)
    except ModelError as error:  # without it no clip can be tracked
        raise StopRunError(str(error)) from error


def extract_unit(clip: Clip, artefact: str, options: ExtractOptions) -> tuple[str, int]:
    """Extract one clip.

    Returns:
        The header and the size of the artefact.

    Raises:
        ClipError: the clip cannot be used.
    """
    path = Path(artefact)
    if path.exists():
        return header_of(path), path.stat().st_size
    landmarker = partial(_landmarker, options.landmarks)
    extraction = extract_clip(clip, landmarker, options.crops, options.face_tracking)
    flac = None
    info = probe(clip.path)
    if options.audio and (source := audio_source(clip, info)) is not None:
        video = None if info.width is None else clip.path
        flac = encode_flac(read_audio(source, rate=None, video=video, cut=clip.cut))
    return save_extraction(path, extraction, flac)


def align_unit(pairs: list[ClipFiles], artefact: str, config: AlignConfig) -> None:
    """Align the pairs of one utterance."""
    if Path(artefact).exists():
        return
    # Named by their stems: results must not depend on where OUT is.
    takes = {
        Path(path).stem: ClipArtefact(Path(path)).signals()
        for path in sorted({path for pair in pairs for path in pair})
    }
    stems = [(Path(source).stem, Path(target).stem) for source, target in pairs]
    aligned = align_takes(takes, stems, config)
    results = [
        Refusal(take.result.reason, take.result.detail)
        if isinstance(take.result, ClipError)
        else take.result
        for take in aligned
    ]
    save_alignments(Path(artefact), results, [take.disagreements for take in aligned])


def follow_unit(pairs: list[ClipFiles], paths: list[FramePath], artefact: str) -> None:
    """Convert the imported path of each pair of one utterance to an alignment."""
    if Path(artefact).exists():
        return
    results: list[Alignment | Refusal] = []
    for files, path in zip(pairs, paths, strict=True):
        source, target = (ClipArtefact(Path(file)).frame_times() for file in files)
        try:
            results.append(follow_path(source, target, path))
        except ClipError as error:
            results.append(Refusal(error.reason, error.detail))
    save_alignments(Path(artefact), results)


@dataclass(frozen=True, slots=True)
class ContentClip:
    """A clip that a content check compares with others."""

    clip: Clip
    #: of its artefact
    path: str
    #: whether it can be compared by its mouth: a mouth behind a mask is invented
    by_mouth: bool

    def identity(self) -> list[Any]:
        """Return what the check of a clip depends on, JSON-compatible."""
        clip = self.clip
        labels = [clip.clip_id, clip.emotion, clip.level, clip.sentence, Path(self.path).stem]
        return labels if self.by_mouth else [*labels, "no mouth"]

    def signals(self) -> Signals:
        """Read what is compared."""
        signals = ClipArtefact(Path(self.path)).signals()
        return signals if self.by_mouth else replace(signals, mouth=None)


def content_unit(
    clips: Sequence[ContentClip],
    pairs: list[tuple[str, str]],
    artefact: str,
    config: ContentConfig,
    by: Kind | None,
) -> None:
    """Check the labels of one speaker's clips.

    Args:
        clips: of the speaker.
        pairs: clip ids of the pairs to check.
        artefact: path of the result.
        config: see `check_content`.
        by: see `check_content`.
    """
    if Path(artefact).exists():
        return
    signals = {clip.clip.clip_id: clip.signals() for clip in clips}
    labels = {clip.clip.clip_id: clip.clip for clip in clips}
    save_content(Path(artefact), check_content(signals, labels, pairs, config, by=by))
