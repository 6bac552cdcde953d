"""Identity: does the generated face still belong to the actor?"""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stccl_data.face.crops import estimate_similarity
from stccl_data.landmarks import ibug68
from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.embedding import embed_frames
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip
from stccl_train.measures.networks.arcface import ArcFace
from stccl_train.measures.networks.weight_files import load_published

#: Eyes, tip of the nose and corners of the mouth in ArcFace's picture of 112 x 112 (insightface).
_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
     (70.7299, 92.2041)]
)  # fmt: skip
_SIZE = 112
#: Frames of a clip that are compared, evenly spread: identity does not change from frame to frame.
_FRAMES = 24


class Identity:
    """Cosines of ArcFace embeddings (Deng et al. 2019).

    - `identity`: mean over 24 evenly spread frames k of the cosine of source and generated frame
      k. -1 to 1, higher is better; a copy has 1.
    - `identity_elsewhere`: mean cosine of the generated frames with the mean embedding of the
      actor's other source clips, which were recorded at another moment. -1 to 1, higher is better,
      and a copy has no advantage. Needs the column `speaker` and two clips of the speaker.
    """

    group = "identity"
    measures: tuple[Measure, ...] = (
        Measure("identity", "identity", "higher", "cosine"),
        Measure("identity_elsewhere", "identity, other clips", "higher", "cosine"),
    )

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Load ``iresnet50.pth``. Raises UsageError if it is another network's."""
        self._network, self._device = ArcFace(), device
        load_published(self._network, weights)
        self._network.to(device)

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        if pair.shift:  # says nothing about identity
            return {}
        a, b = pair.frames
        if not len(a):
            return {}
        chosen = _spread(len(a))
        source, generated = (
            self._embed(pair.source, a[chosen]),
            self._embed(pair.generated, b[chosen]),
        )
        values = {"identity": float((source * generated).sum(axis=1).mean())}
        if pair.actor:
            frames = [np.flatnonzero(clip.has_face) for clip in pair.actor]
            others = np.concatenate(
                [
                    self._embed(clip, seen[_spread(len(seen))])
                    for clip, seen in zip(pair.actor, frames, strict=True)
                ]
            )
            mean = _unit(others.mean(axis=0))
            values["identity_elsewhere"] = float((generated @ mean).mean())
        return values

    def _embed(self, clip: MeasuredClip, frames: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return embeddings of unit length, (n, 512)."""
        embeddings = embed_frames(
            clip, "identity", frames, aligned_face, self._network.embed, self._device
        )
        return _unit(embeddings)


def aligned_face(clip: MeasuredClip, frame: int) -> NDArray[np.float32]:
    """Return a frame's face on ArcFace's template, (3, 112, 112) RGB in [-1, 1]."""
    assert clip.track.face is not None
    crop = clip.track.face.decode([frame])[0]
    landmarks = np.asarray(ibug68(clip.track.landmarks[frame]), np.float64)
    transform = clip.track.face_transforms[frame]
    points = landmarks @ transform[:, :2].T + transform[:, 2]
    five = np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    )
    picture = cv2.warpAffine(crop, estimate_similarity(five, _TEMPLATE), (_SIZE, _SIZE))
    return np.asarray(picture.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)


def _spread(count: int) -> NDArray[np.intp]:
    """Return evenly spread indices of so many frames."""
    return np.unique(np.linspace(0, count - 1, min(count, _FRAMES)).round().astype(np.intp))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
