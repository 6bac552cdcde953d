"""Features of the faces of clips for the Frechet distance."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stccl_data.files.atomic import atomic_writer
from stccl_train.measures.embedding import embed_frames
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.measured_clip import ClipStore, MeasuredClip
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.weight_files import RESNET_FACE, load_published
from stccl_train.train.distributed import usable_device

#: Of the grey picture before its centre is cut out, and of the cut, as published.
_RESIZED, _CUT = 164, 128
#: Frames of a clip that are used, evenly spread.
_FRAMES = 50


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


#: The network of this worker.
_network: list[FaceFeatures] = []


def open_face_worker(config: MeasureConfig) -> None:
    """Load the network of this worker once."""
    path = RESNET_FACE.find(config.weights)
    assert path is not None
    _network[:] = [FaceFeatures(path, usable_device(config.device))]


def store_face_features(path: str, folder: str, config: MeasureConfig) -> str:
    """Compute the features of a clip, unless they are stored; return the path of their file."""
    store = ClipStore(Path(folder) / "clips")
    weights = RESNET_FACE.find(config.weights)
    assert weights is not None
    stat = weights.stat()
    name = f"{store.key(path)}-{stat.st_size}-{stat.st_mtime_ns}.npy"
    file = Path(folder) / "faces" / name
    if not file.is_file():
        features = _network[0].of_clip(store.read(path))
        with atomic_writer(file) as stream:
            np.save(stream, features, allow_pickle=False)
    return str(file)
