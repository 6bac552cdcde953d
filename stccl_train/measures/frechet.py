"""The Frechet distance between two sets of faces (FAD), over all clips of a method and emotion."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stccl_train.measures.definitions import Measure
from stccl_train.measures.embedding import embed_frames
from stccl_train.measures.measured_clip import MeasuredClip
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.weight_files import load_published

#: Of the grey picture before its centre is cut out, and of the cut, as published.
_RESIZED, _CUT = 164, 128
#: Frames of a clip that are used, evenly spread.
_FRAMES = 50

#: ``fad``: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the means and covariances of features of
#: real and generated faces (Heusel et al. 2017), features of a face network. 0 and up, lower is
#: better. A set of few frames is far from any other: never compare values over different n.
FAD = Measure("fad", "FAD", "lower", "feature distance")


class FaceFeatures:
    """The published ResNet-18's features of face crops."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Load ``resnet18_110.pth``. Raises UsageError if it is another network's."""
        self._network, self._device = ResNetFace(), device
        load_published(self._network, weights)
        self._network.to(device)

    def of_clip(self, clip: MeasuredClip) -> NDArray[np.float32]:
        """Return the features of evenly spread frames with a face, (n, 512)."""
        seen = np.flatnonzero(np.isfinite(clip.track.face_transforms[:, 0, 0]))
        if not len(seen):
            return np.zeros((0, 512), np.float32)
        chosen = np.linspace(0, len(seen) - 1, min(len(seen), _FRAMES)).round().astype(np.intp)
        frames = seen[np.unique(chosen)]
        return embed_frames(clip, "fad", frames, _grey_face, self._network, self._device)


def _grey_face(clip: MeasuredClip, frame: int) -> NDArray[np.float32]:
    """Return the middle of a face crop, (1, 128, 128) grey in [-1, 1]."""
    assert clip.track.face is not None
    grey = cv2.cvtColor(clip.track.face.decode([frame])[0], cv2.COLOR_RGB2GRAY)
    resized = cv2.resize(grey, (_RESIZED, _RESIZED), interpolation=cv2.INTER_AREA)
    margin = (_RESIZED - _CUT) // 2
    cut = resized[margin : margin + _CUT, margin : margin + _CUT]
    return np.asarray(cut.astype(np.float32) / 127.5 - 1)[None]


def frechet_distance(real: NDArray[np.floating], generated: NDArray[np.floating]) -> float:
    """Return the Frechet distance of the Gaussians fitted to two sets of features.

    The trace of the square root of C1 C2 is the sum of the square roots of the eigenvalues of
    C1^(1/2) C2 C1^(1/2), which are those of C1 C2, real and not negative also when the covariances
    are singular.

    Args:
        real: (n, D), n >= 2.
        generated: (m, D), m >= 2.
    """
    sides = [np.asarray(side, np.float64) for side in (real, generated)]
    means = [side.mean(axis=0) for side in sides]
    covariances = [np.cov(side, rowvar=False) for side in sides]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = np.trace(covariances[0]) + np.trace(covariances[1])
    distance = np.square(means[0] - means[1]).sum() + trace - 2 * np.sqrt(product.clip(min=0)).sum()
    return float(max(0.0, distance))


def pooled_distance(
    real: Sequence[NDArray[np.float32]], generated: Sequence[NDArray[np.float32]]
) -> float:
    """Return the distance of features pooled over clips; NaN if a side has fewer than two."""
    if min(sum(len(clip) for clip in side) for side in (real, generated)) < 2:
        return float("nan")
    return frechet_distance(np.concatenate(real), np.concatenate(generated))
