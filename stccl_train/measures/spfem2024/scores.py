"""The formulas of the published scores: FAD, LSE-D and LSE-C, CSIM."""

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_train.measures.embedding import embed_all
from stccl_train.measures.frechet import frechet_distance
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.spfem2024.faces import FaceVideo
from stccl_train.measures.spfem2024.inputs import csim_input, fad_input, sync_cepstra, sync_input

#: Frames of a window, and MFCC vectors for each frame.
_WINDOW, _VECTORS = 5, 4
#: Sound is tried so many frames earlier and later.
_SHIFT = 10
#: Added to each difference before its norm is taken, as torch's pairwise_distance does.
_EPSILON = 1e-6
#: Most frames of an actor on each side of CSIM, and the seed by which they are drawn.
_SAMPLES, _SEED = 100, 1

Network = Callable[[Tensor], Tensor]


def fad(
    real: Sequence[FaceVideo],
    generated: Sequence[FaceVideo],
    network: Network,
    device: torch.device,
) -> float:
    """Return the Frechet distance of one emotion, the actors pooled; NaN with too few images."""
    sides = []
    for videos in (real, generated):
        images = [(video, frame) for video in videos for frame in video.frames]
        if len(images) < 2:
            return float("nan")
        inputs = (fad_input(video.image(frame)) for video, frame in images)
        sides.append(embed_all(network, inputs, device))
    return frechet_distance(*sides)


def lse(
    video: FaceVideo, samples: NDArray[np.floating], network: SyncNet, device: torch.device
) -> tuple[float, float] | None:
    """Return LSE-D and LSE-C of a video; None if it is too short.

    Args:
        video: at 30 frames per second.
        samples: (S,) in [-1, 1] at 16 kHz.
        network: SyncNet.
        device: of the network.
    """
    cepstra = sync_cepstra(samples)
    frames = video.frames
    count = min(len(frames) - _WINDOW, len(cepstra) // _VECTORS - _WINDOW)
    if count < 1:
        return None
    pictures = [sync_input(video.image(frame)) for frame in frames[: count + _WINDOW]]
    windows = (np.stack(pictures[i : i + _WINDOW]).transpose(3, 0, 1, 2) for i in range(count))
    sounds = [cepstra[_VECTORS * i : _VECTORS * (i + _WINDOW)].T[None] for i in range(count)]
    return sync_errors(
        embed_all(network.embed_mouth, windows, device),
        embed_all(network.embed_sound, sounds, device),
    )


def sync_errors(mouth: NDArray[np.float32], sound: NDArray[np.float32]) -> tuple[float, float]:
    """Return LSE-D and LSE-C: the least mean distance over shifts, and the median above it.

    Before and after the clip the sound's embedding is zero, and such pairs count.

    Args:
        mouth: (n, D) embeddings.
        sound: (n, D) embeddings.
    """
    padded = np.pad(sound, ((_SHIFT, _SHIFT), (0, 0)))
    shifted = [padded[k : k + len(mouth)] for k in range(2 * _SHIFT + 1)]
    means = [np.linalg.norm(mouth - other + _EPSILON, axis=1).mean() for other in shifted]
    return float(min(means)), float(np.median(means) - min(means))


def csim(
    real: Mapping[str, Sequence[FaceVideo]],
    generated: Mapping[str, Sequence[FaceVideo]],
    network: Network,
    device: torch.device,
) -> float:
    """Return the mean cosine of all pairs of a real and a generated image, then over actors.

    Args:
        real: the videos of one emotion by actor, in the order in which frames are drawn.
        generated: the same of the generated videos.
        network: EfficientFace.
        device: of the network.
    """
    generator = random.Random(_SEED)
    means = []
    for actor in [actor for actor in real if actor in generated]:
        sides = []
        for videos in (real[actor], generated[actor]):
            images = [(video, frame) for video in videos for frame in video.frames]
            if len(images) > _SAMPLES:
                images = generator.sample(images, _SAMPLES)
            inputs = (csim_input(video.image(frame)) for video, frame in images)
            sides.append(embed_all(network, inputs, device) if images else np.zeros((0, 1)))
        if all(len(side) for side in sides):
            means.append(mean_cosine(*sides))
    return float(np.mean(means)) if means else float("nan")


def mean_cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the mean cosine over all pairs of a row of ``a`` and a row of ``b``."""
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b)]
    return float((units[0] @ units[1].T).mean())
