"""What a worker does with one unit: called by name in another process, its arguments and results small, its work on disk.

An artefact that is there already was made by a worker that was killed before it could say so, and stays.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from stccl_data.alignment.align import AlignConfig, Alignment, align
from stccl_data.alignment.warping_path import FramePath
from stccl_data.clip import Clip
from stccl_data.errors import ClipError
from stccl_data.executors import StopRunError
from stccl_data.extract import FaceTracking, extract_clip
from stccl_data.face.crop_config import CropConfig
from stccl_data.landmarks import LandmarkConfig, Landmarker, ModelError, open_landmarker
from stccl_data.media.audio import audio_source, encode_flac, read_audio
from stccl_data.media.container import probe
from stccl_data.pairs.content_check import Kind, check_content
from stccl_data.pairs.content_model import ContentConfig
from stccl_data.pairs.gates import Refusal
from stccl_data.pairs.imported import follow_path
from stccl_data.pipeline.artefacts import (
    ClipArtefact,
    header_of,
    save_alignments,
    save_content,
    save_extraction,
)


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """All that decides what is made of a clip."""

    landmarks: LandmarkConfig
    crops: CropConfig
    face_tracking: FaceTracking
    audio: bool


def start_worker(log: str) -> None:
    """Once in each worker: what native libraries print goes to the log, and OpenCV stays on one core."""
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
    except ModelError as error:  # no clip could be followed without it
        raise StopRunError(str(error)) from error


def extract_unit(clip: Clip, artefact: str, plan: ExtractOptions) -> tuple[str, int]:
    """Extract one clip into its artefact. Returns the artefact's header and size. Raises ClipError."""
    path = Path(artefact)
    if path.exists():
        return header_of(path), path.stat().st_size
    extraction = extract_clip(
        clip, partial(_landmarker, plan.landmarks), plan.crops, plan.face_tracking
    )
    flac = None
    if plan.audio and (source := audio_source(clip, probe(clip.path))) is not None:
        flac = encode_flac(read_audio(source, rate=None))
    return save_extraction(path, extraction, flac)


def align_unit(pairs: list[tuple[str, str]], artefact: str, config: AlignConfig) -> None:
    """Align the pairs of one utterance, each the paths of two extracted clips, into one artefact."""
    if Path(artefact).exists():
        return
    signals = {
        path: ClipArtefact(Path(path)).signals()
        for path in sorted({path for pair in pairs for path in pair})
    }
    results: list[Alignment | Refusal] = []
    for source, target in pairs:
        try:
            results.append(align(signals[source], signals[target], config))
        except ClipError as error:
            results.append(Refusal(error.reason, error.detail))
    save_alignments(Path(artefact), results)


def follow_unit(pairs: list[tuple[str, str]], paths: list[FramePath], artefact: str) -> None:
    """Follow the imported path of each pair of one utterance, by the frame times of the extracted clips, into one artefact."""
    if Path(artefact).exists():
        return
    results: list[Alignment | Refusal] = []
    for (source, target), path in zip(pairs, paths, strict=True):
        try:
            times = [ClipArtefact(Path(clip)).frame_times() for clip in (source, target)]
            results.append(follow_path(times[0], times[1], path))
        except ClipError as error:
            results.append(Refusal(error.reason, error.detail))
    save_alignments(Path(artefact), results)


def content_unit(
    clips: list[tuple[Clip, str]],
    pairs: list[tuple[str, str]],
    artefact: str,
    config: ContentConfig,
    by: Kind | None,
) -> None:
    """Check the labels of one speaker's clips, each with the path of what was extracted, for these pairs of clip ids."""
    if Path(artefact).exists():
        return
    signals = {clip.clip_id: ClipArtefact(Path(path)).signals() for clip, path in clips}
    save_content(
        Path(artefact),
        check_content(signals, {clip.clip_id: clip for clip, _ in clips}, pairs, config, by=by),
    )
