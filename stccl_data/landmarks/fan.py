"""FAN's 68 points through the package face-alignment: the second backend, for machines with a GPU.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D face alignment problem?", ICCV 2017. The package's own loader
downloads and runs one picture at a time; here its network and its crop are used, with weights from disk and frames in batches.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import Landmarker, ModelError

WEIGHTS_NAME = "2DFAN4-11f355bf06.pth.tar"

#: The network was trained on boxes of this many pixels at scale 1 (the S3FD box convention of its authors), from brow to chin.
_REFERENCE_SCALE = 195.0
_CENTRE_UP = 0.12


class FanLandmarker:
    """68 points a face. `boxes` is the landmarker that finds where the faces are; FAN then places its points."""

    points = 68

    def __init__(
        self, weights: str | Path | None, *, boxes: Landmarker, device: str = "cpu", batch: int = 16
    ) -> None:
        """weights: the state dict of 2DFAN-4; None looks in `$TORCH_HOME/hub/checkpoints`. Raises ModelError."""
        path, _ = checked_weights(weights)
        try:
            import torch
            from face_alignment.models import FAN
        except ImportError as error:
            raise ModelError(
                f"the FAN backend needs face-alignment and torch ({error}): pip install 'stccl[fan]'"
            ) from error
        network = FAN(4)
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch raises half a dozen types, over many lines, for a file that is not a state dict
            raise ModelError(
                f"{path} does not hold the weights of 2DFAN-4: put the file {WEIGHTS_NAME} there"
            ) from error
        self._network = network.to(device).eval()
        self._torch, self._device, self._boxes = torch, device, boxes
        self.batch = batch

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[np.float32]]]:
        """See `Landmarker.detect`. All faces of all images go through the network in batches of `batch`."""
        from face_alignment.utils import crop, get_preds_fromhm

        places = [
            (i, *_box(face)) for i, faces in enumerate(self._boxes.detect(images)) for face in faces
        ]
        result: list[list[NDArray[np.float32]]] = [[] for _ in images]
        for start in range(0, len(places), self.batch):
            chunk = places[start : start + self.batch]
            crops = np.stack(
                [crop(images[i], centre, scale).transpose(2, 0, 1) for i, centre, scale in chunk]
            )
            with self._torch.no_grad():
                x = self._torch.from_numpy(crops).to(self._device).float() / 255
                heat = self._network(x)
            heat = heat[-1] if isinstance(heat, list) else heat
            heat = heat.float().cpu().numpy()
            for k, (i, centre, scale) in enumerate(chunk):
                _, points, _ = get_preds_fromhm(heat[k : k + 1], centre, scale)
                result[i].append(np.asarray(points, np.float32).reshape(68, 2))
        return result


def _box(face: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Centre (x, y) and FAN scale of the box around a face's landmarks, in the convention that FAN was trained with."""
    low, high = face.min(axis=0).astype(np.float64), face.max(axis=0).astype(np.float64)
    size = high - low
    centre = (low + high) / 2
    centre[1] -= _CENTRE_UP * size[1]
    return centre, float(size.sum() / _REFERENCE_SCALE)


def _hub_checkpoints() -> Path:
    home = (
        os.environ.get("TORCH_HOME")
        or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    )
    return Path(home) / "hub" / "checkpoints"


def checked_weights(weights: str | Path | None) -> tuple[Path, str]:
    """The path of the weights and their SHA-256. Raises ModelError where they are missing."""
    path = Path(weights) if weights is not None else _hub_checkpoints() / WEIGHTS_NAME
    try:
        with path.open("rb") as file:
            return path, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise ModelError(
            f"FAN's weights are not at {path}: put {WEIGHTS_NAME} (from the face-alignment project) there, "
            "or give the file by --fan-weights"
        ) from None
