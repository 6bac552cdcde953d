"""The second landmark backend: FAN's 68 points, for machines with a GPU.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D face alignment problem?", ICCV
2017, through the package face-alignment. That package's own loader downloads weights and runs one
image at a time; here its network and its crop are used, with weights from disk and in batches.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import Landmarker, ModelError
from stccl_data.landmarks.face import Face

WEIGHTS_NAME = "2DFAN4-11f355bf06.pth.tar"

#: The network was trained on boxes from brow to chin of this many pixels at scale 1 (its authors'
#: convention for S3FD boxes).
_REFERENCE_SCALE = 195.0
#: Side of the crop at scale 1, pixels of the image (`face_alignment.utils.crop`).
_CROP_SIDE = 200.0
#: How far the box is moved up, as a share of its height.
_CENTRE_UP = 0.12


class FanLandmarker:
    """Places 68 points in each face that another landmarker detects."""

    points = 68

    def __init__(
        self, weights: str | Path | None, *, boxes: Landmarker, device: str = "cpu", batch: int = 16
    ) -> None:
        """Load the network.

        Args:
            weights: the state dict of 2DFAN-4; None looks in `$TORCH_HOME/hub/checkpoints`.
            boxes: detects the faces.
            device: where the network runs, as torch names it.
            batch: images, and faces, per pass.

        Raises:
            ModelError: the weights are missing or invalid, or `stccl[fan]` is not installed.
        """
        path, _ = checked_weights(weights)
        try:
            import torch
            from face_alignment.models import FAN
        except ImportError as error:
            raise ModelError(
                f"the FAN backend needs face-alignment and torch ({error}): "
                "pip install 'stccl[fan]'"
            ) from error
        network = FAN(4)
        try:
            network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:
            # For a file that is not a state dict torch raises half a dozen types, over many lines.
            raise ModelError(
                f"{path} does not hold the weights of 2DFAN-4: put the file {WEIGHTS_NAME} there"
            ) from error
        self._network = network.to(device).eval()
        self._torch, self._device, self._boxes = torch, device, boxes
        self.batch = batch

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        known: Sequence[Face] = (),
        *,
        search: bool = True,
    ) -> list[list[Face]]:
        """See `Landmarker.detect`. The faces of all images share batches; none is followed."""
        from face_alignment.utils import crop

        boxes = [
            (i, face.presence, *_box(face.points))
            for i, faces in enumerate(self._boxes.detect(images))
            for face in faces
        ]
        result: list[list[Face]] = [[] for _ in images]
        for start in range(0, len(boxes), self.batch):
            chunk = boxes[start : start + self.batch]
            crops = np.stack(
                [crop(images[i], centre, scale).transpose(2, 0, 1) for i, _, centre, scale in chunk]
            )
            with self._torch.no_grad():
                x = self._torch.from_numpy(crops).to(self._device).float() / 255
                heat = self._network(x)
            heat = heat[-1] if isinstance(heat, list) else heat
            cells = peaks(heat.float().cpu().numpy())
            for points, (i, presence, centre, scale) in zip(cells, chunk, strict=True):
                side = _CROP_SIDE * scale
                pixels = points * side / heat.shape[-1] + centre - side / 2 - 0.5
                result[i].append(Face(pixels.astype(np.float32), presence))
        return result


def peaks(heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return where each heatmap is highest, moved a quarter of a cell to the higher neighbours.

    face-alignment's own function does the same, but rounds down to pixels of the image, and its
    numba code takes seconds to compile in each process.

    Args:
        heat: (N, K, H, W).

    Returns:
        (N, K, 2), x and y in cells from the corner of the map; the first cell is at 0.5.
    """
    height, width = heat.shape[-2:]
    n, k = np.indices(heat.shape[:2])
    y, x = np.divmod(heat.reshape(*heat.shape[:2], -1).argmax(axis=-1), width)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, width - 1)
    above, below = np.maximum(y - 1, 0), np.minimum(y + 1, height - 1)
    slope_x = heat[n, k, y, right] - heat[n, k, y, left]
    slope_y = heat[n, k, below, x] - heat[n, k, above, x]
    steps = 0.25 * np.sign(np.stack([slope_x, slope_y], axis=-1)) * inside[..., None]
    cells: NDArray[np.float64] = np.stack([x, y], axis=-1) + 0.5 + steps
    return cells


def _box(face: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return the centre (x, y) and scale of a face's box, as FAN was trained with."""
    low, high = face.min(axis=0).astype(np.float64), face.max(axis=0).astype(np.float64)
    size = high - low
    centre = (low + high) / 2
    centre[1] -= _CENTRE_UP * size[1]
    return centre, float(size.sum() / _REFERENCE_SCALE)


def _hub_checkpoints() -> Path:
    """Return the folder in which torch.hub keeps weights."""
    home = (
        os.environ.get("TORCH_HOME")
        or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    )
    return Path(home) / "hub" / "checkpoints"


def checked_weights(weights: str | Path | None) -> tuple[Path, str]:
    """Return the path and the SHA-256 of FAN's weights.

    Args:
        weights: see `FanLandmarker`.

    Raises:
        ModelError: the weights are missing.
    """
    path = Path(weights) if weights is not None else _hub_checkpoints() / WEIGHTS_NAME
    try:
        with path.open("rb") as file:
            return path, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise ModelError(
            f"{path} is missing: put FAN's weights {WEIGHTS_NAME} (from the face-alignment "
            "project) there, or give the file with --fan-weights"
        ) from None
