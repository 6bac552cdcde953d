"""MediaPipe's short-range face detector (BlazeFace, Bazarevsky 2019), and where it looks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks.network import Network
from stccl_data.landmarks.region import Region

_INPUT = 128
#: Anchors per place on the two grids of the network (MediaPipe's ssd_anchors_calculator with the
#: strides 8, 16, 16, 16; all anchors have the size of the input).
_GRIDS = ((16, 2), (8, 6))
#: Least score of a detection, and least overlap at which two detections are one (MediaPipe's).
_MIN_SCORE = 0.5
_SAME_FACE = 0.3
#: The landmark region of a detection is its box, this much larger (MediaPipe's).
_REGION_SCALE = 1.5
#: Eyes whose outer corners are this far apart, as a share of the tile's side, are found:
#: MediaPipe finds nothing in frames where they are nearer than 5.5 %.
_SMALLEST_SHARE = 0.06
#: Tiles overlap by this share of their side, more than the box of a face that the next larger
#: tiles would miss.
_OVERLAP = 0.3
#: Faces down to this distance of the outer eye corners are searched, pixels: the least that the
#: gate `face_size` lets pass.
SMALLEST_EYE_DISTANCE = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A detected face."""

    score: float
    #: where the landmark network is to look
    region: Region


class FaceDetector:
    """Detects faces in a region of an image."""

    def __init__(self, model: bytes) -> None:
        """Load the network. Raises ModelError."""
        self._network = Network("face_detector.tflite", model, (1, _INPUT, _INPUT, 3))
        self._anchors = _anchors()

    def detect(self, image: NDArray[np.uint8], region: Region) -> list[Detection]:
        """Detect the faces in a region that is level with them; overlapping ones are merged.

        Args:
            image: (H, W, 3) uint8 RGB.
            region: where to look.

        Returns:
            The best first.
        """
        pixels = region.cut(image, _INPUT).astype(np.float32) / 127.5 - 1
        outputs = self._network.run(pixels[None]).values()
        scores, boxes = sorted(outputs, key=lambda array: array.shape[-1])
        probability = 1 / (1 + np.exp(-np.clip(scores.ravel().astype(np.float64), -100, 100)))
        chosen = np.flatnonzero(probability >= _MIN_SCORE)
        # each row: centre, size, then the right eye, the left eye and four more points
        values = boxes.reshape(len(probability), -1, 2)[chosen].astype(np.float64) / _INPUT
        values[:, [0, *range(2, values.shape[1])]] += self._anchors[chosen, None]
        merged = _merge(probability[chosen], values)
        return [_detection(score, row * _INPUT, region) for score, row in merged]


def tiles(height: int, width: int, rotation: float = 0.0) -> Iterator[list[Region]]:
    """Yield the levels of a pyramid of overlapping tiles that cover an image, the largest first.

    The first level is the whole image. Together they show faces down to `SMALLEST_EYE_DISTANCE`.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        rotation: of the faces that are looked for, radians.
    """
    largest = float(max(height, width))
    smallest = SMALLEST_EYE_DISTANCE / _SMALLEST_SHARE
    levels = max(0, int(np.ceil(np.log2(largest / smallest))))
    for level in range(levels + 1):
        side = largest * (smallest / largest) ** (level / max(1, levels))
        yield [
            Region(np.array([x, y]), side, rotation)
            for y in _centres(height, side)
            for x in _centres(width, side)
        ]


def _centres(length: int, side: float) -> NDArray[np.float64]:
    """Return the centres of the fewest tiles that cover a length with the overlap."""
    if length <= side:
        return np.array([length / 2])
    count = int(np.ceil((length - side) / (side * (1 - _OVERLAP)))) + 1
    return np.linspace(side / 2, length - side / 2, count)


def _anchors() -> NDArray[np.float64]:
    """Return the centres (x, y) of the 896 anchors as shares of the input, (896, 2)."""
    parts = []
    for cells, per_cell in _GRIDS:
        middle = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(parts)


def _merge(
    scores: NDArray[np.floating], values: NDArray[np.float64]
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Merge detections of one face: MediaPipe's weighted non-maximum suppression.

    Args:
        scores: (N,)
        values: (N, P, 2), each centre, size and points.

    Yields:
        The best score of each face and the mean of its values, weighted by score; the best first.
    """
    order = list(np.argsort(-scores, kind="stable"))
    while order:
        best = order[0]
        overlap = _overlaps(values[best], values[order])
        same = [
            i for i, share in zip(order, overlap, strict=True) if share > _SAME_FACE or i == best
        ]
        weights = scores[same] / scores[same].sum()
        yield float(scores[best]), np.tensordot(weights, values[same], axes=1)
        order = [i for i in order if i not in same]


def _overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of a box with others. (P, 2) and (N, P, 2)."""
    low = np.maximum(one[0] - one[1] / 2, others[:, 0] - others[:, 1] / 2)
    high = np.minimum(one[0] + one[1] / 2, others[:, 0] + others[:, 1] / 2)
    common = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(one[1]) + np.prod(others[:, 1], axis=1) - common
    share: NDArray[np.float64] = common / np.maximum(union, 1e-9)
    return share


def _detection(score: float, values: NDArray[np.float64], region: Region) -> Detection:
    """Return a detection in a crop of the region. values: see `_merge`, crop pixels."""
    centre, right_eye, left_eye = region.to_image(values[[0, 2, 3]], _INPUT)
    across = left_eye - right_eye
    side = _REGION_SCALE * float(values[1].max()) * region.side / _INPUT
    return Detection(score, Region(centre, side, float(np.arctan2(across[1], across[0]))))
