"""Run the protocol over methods and emotions, and print its table beside our own measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from stccl_data.errors import ClipError, UsageError
from stccl_data.media.audio import read_audio
from stccl_data.progress import Progress, SilentProgress
from stccl_train.measures.measured_clip import ClipStore
from stccl_train.measures.networks.efficient_face import EfficientFace
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.networks.weight_files import (
    EFFICIENT_FACE,
    RESNET_FACE,
    SYNCNET,
    load_published,
)
from stccl_train.measures.request import Row
from stccl_train.measures.spfem2024.faces import FaceVideo, read_clips, read_folder
from stccl_train.measures.spfem2024.scores import csim, fad, lse
from stccl_train.train.distributed import usable_device

#: The scores, in the order of the published tables; LSE-C was computed, but not printed.
SCORES = ("FAD", "LSE-D", "LSE-C", "CSIM")
#: The test speakers of MEAD in the protocol's order, which decides which frames CSIM draws. Others
#: follow by name.
ACTORS = ("M003", "M009", "W029", "M012", "M030", "W015")
#: The column of the mean over emotions.
AVERAGE = "average"

#: By score: our measure that answers the same question, and why the two numbers differ.
DIFFERENCES = {
    "FAD": (
        "fad",
        "published: every face image, as the method cut it; ours: 50 frames of each clip, "
        "stabilised crops",
    ),
    "LSE-D": (
        "lse_d",
        "published: 30 fps and 1/120 s with a network trained at 25 fps and 1/100 s, samples in "
        "[-1, 1] where it knows 16-bit ones, the sound's first 67 ms cut off, zeros beyond the "
        "ends; ours: 25 fps, 1/100 s, 16 bit, nothing cut or padded",
    ),
    "LSE-C": ("lse_c", "as LSE-D"),
    "CSIM": (
        "identity",
        "published: an expression network, all pairs of frames, whatever they show; ours: a face "
        "recogniser, frame k against frame k",
    ),
}


@dataclass(frozen=True, slots=True)
class MethodFaces:
    """The videos of one method and the real ones that they are compared with."""

    method: str
    real: tuple[FaceVideo, ...]
    generated: tuple[FaceVideo, ...]


@dataclass(slots=True)
class ProtocolResult:
    """The scores of the protocol."""

    emotions: tuple[str, ...]
    #: (method, score) -> emotion or `AVERAGE` -> value
    scores: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    #: scores that were not computed, and why
    absent: dict[str, str] = field(default_factory=dict)
    #: videos left out of LSE-D, and why
    dropped: list[str] = field(default_factory=list)


def faces_of_folders(real: Path, generated: Sequence[Path]) -> list[MethodFaces]:
    """Read folders of face images, one for the real faces and one for each method.

    Raises:
        UsageError: a folder has no images where they should be.
    """
    truth = tuple(read_folder(real))
    return [MethodFaces(root.name, truth, tuple(read_folder(root))) for root in generated]


def faces_of_rows(rows: Sequence[Row], work: Path) -> list[MethodFaces]:
    """Read the clips of rows, one after another; they are kept in ``work``.

    Raises:
        ClipError: a clip cannot be read.
        UsageError: a row names no speaker or emotion.
    """
    for row in rows:
        if not row.speaker or not row.emotion:
            raise UsageError(f"{row.name}: the protocol needs the columns speaker and emotion")
    store, methods = ClipStore(work / "clips"), []
    for method in dict.fromkeys(row.method for row in rows):
        pairs = list(read_clips([row for row in rows if row.method == method], store))
        real, generated = zip(*pairs, strict=True)
        methods.append(MethodFaces(method, real, generated))
    return methods


def run_protocol(
    methods: Sequence[MethodFaces],
    weights: str | Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> ProtocolResult:
    """Compute FAD, LSE-D, LSE-C and CSIM by emotion, and their means over emotions.

    Args:
        methods: the faces.
        weights: folder of the weights files, see `weights_folder`. Scores without theirs are
            absent.
        device: as torch names it.
        progress: receives one stage, ``protocol``, with a step for each method and emotion.

    Raises:
        UsageError: a weights file or the device cannot be used, or a file is no image.
    """
    progress = progress or SilentProgress()
    emotions = tuple(sorted({video.emotion for each in methods for video in each.generated}))
    result = ProtocolResult(emotions)
    networks = _load(weights, result, usable_device(device))
    progress.stage("protocol", len(methods) * len(emotions))
    for each in methods:
        for emotion in emotions:
            values = _score(each, emotion, networks, usable_device(device), result)
            for score, value in values.items():
                result.scores.setdefault((each.method, score), {})[emotion] = value
            progress.step()
        for score in SCORES:
            if column := result.scores.get((each.method, score)):
                known = [value for value in column.values() if np.isfinite(value)]
                column[AVERAGE] = float(np.mean(known)) if known else float("nan")
    return result


@dataclass(frozen=True, slots=True)
class _Networks:
    faces: ResNetFace | None
    sync: SyncNet | None
    expression: EfficientFace | None


def _load(weights: str | Path | None, result: ProtocolResult, device: torch.device) -> _Networks:
    """Load the networks that have a file, and note which scores are absent."""
    networks: list[torch.nn.Module | None] = []
    for make, file, scores in (
        (ResNetFace, RESNET_FACE, ("FAD",)),
        (SyncNet, SYNCNET, ("LSE-D", "LSE-C")),
        (EfficientFace, EFFICIENT_FACE, ("CSIM",)),
    ):
        path = file.find(weights)
        if path is None:
            result.absent |= dict.fromkeys(scores, file.missing(weights))
            networks.append(None)
            continue
        network = make()
        load_published(network, path)
        networks.append(network.to(device))
    return _Networks(*networks)  # type: ignore[arg-type]


def _score(
    faces: MethodFaces,
    emotion: str,
    networks: _Networks,
    device: torch.device,
    result: ProtocolResult,
) -> dict[str, float]:
    real = [video for video in faces.real if video.emotion == emotion]
    generated = [video for video in faces.generated if video.emotion == emotion]
    values: dict[str, float] = {}
    if networks.faces is not None:
        values["FAD"] = fad(real, generated, networks.faces, device)
    if networks.sync is not None:
        errors = []
        for number, video in enumerate(generated):
            name = f"{faces.method}, {video.actor}, {emotion}, video {number + 1}"
            error = _sync_error(video, networks.sync, device)
            if isinstance(error, str):
                result.dropped.append(f"{name}: {error}")
            else:
                errors.append(error)
        means = np.mean(errors, axis=0) if errors else (np.nan, np.nan)
        values["LSE-D"], values["LSE-C"] = float(means[0]), float(means[1])
    if networks.expression is not None:
        values["CSIM"] = csim(_by_actor(real), _by_actor(generated), networks.expression, device)
    return values


def _sync_error(
    video: FaceVideo, network: SyncNet, device: torch.device
) -> tuple[float, float] | str:
    """Return LSE-D and LSE-C of a video, or why it has none."""
    problem = "no sound"
    for path in video.sounds:
        try:
            samples = read_audio(path).from_zero()
        except ClipError as error:
            problem = error.detail
            continue
        return lse(video, samples, network, device) or "too short"
    return problem


def _by_actor(videos: Sequence[FaceVideo]) -> Mapping[str, list[FaceVideo]]:
    """Group videos by actor, in the order in which the protocol draws frames."""
    order = {actor: number for number, actor in enumerate(ACTORS)}
    actors: dict[str, list[FaceVideo]] = {}
    for video in sorted(videos, key=lambda video: (order.get(video.actor, 99), video.actor)):
        actors.setdefault(video.actor, []).append(video)
    return actors
