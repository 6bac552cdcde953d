"""Features of the faces of a clip for the Frechet distance: the work of one worker."""

from pathlib import Path

import numpy as np
import torch

from stccl_data.files.atomic import atomic_writer
from stccl_train.measures.frechet import FaceFeatures
from stccl_train.measures.instruments import MeasureConfig
from stccl_train.measures.measured_clip import ClipStore
from stccl_train.measures.networks.weight_files import RESNET_FACE
from stccl_train.train.distributed import usable_device

#: The network of this worker.
_network: list[FaceFeatures] = []


def open_face_worker(config: MeasureConfig, workers: int) -> None:
    """Load the network of this worker once; one of several workers uses one core."""
    if workers > 1:
        torch.set_num_threads(1)
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
