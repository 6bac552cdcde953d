"""Convert a decoded frame to RGB at its own size, or directly at a smaller one.

Reducing the planes first and converting few pixels takes a quarter of the time of converting all
pixels and reducing RGB, which costs as much as decoding at 1080p.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

#: Formats of three planes of bytes, and by how much their colour planes are narrower and lower.
_SUBSAMPLING = {
    "yuv420p": (2, 2),
    "yuvj420p": (2, 2),
    "yuv422p": (2, 1),
    "yuvj422p": (2, 1),
    "yuv444p": (1, 1),
    "yuvj444p": (1, 1),
}

#: FFmpeg's AVColorSpace of BT.709, unspecified, and BT.601 in its two forms: all else is rare.
_MATRICES = (1, 2, 5, 6)

ToRgb = Callable[[Any], NDArray[np.uint8]]


@dataclass(slots=True)
class Picture:
    """The picture of a frame: an RGB image, or a PyAV frame that is converted when asked for."""

    #: pixels
    height: int
    width: int
    #: PyAV frame in one of the formats of `can_reduce`; None if there is an image
    _frame: Any = None
    #: converts `_frame`, and frames like it, to (H, W, 3) uint8 RGB
    _to_rgb: ToRgb | None = None
    _image: NDArray[np.uint8] | None = field(default=None, repr=False)

    @classmethod
    def of_image(cls, image: NDArray[np.uint8]) -> "Picture":
        """Return the picture of an image (H, W, 3) uint8 RGB."""
        return cls(image.shape[0], image.shape[1], _image=image)

    @classmethod
    def of_frame(cls, frame: Any, to_rgb: ToRgb) -> "Picture":
        """Return the picture of a PyAV frame. to_rgb: converts frames of its format."""
        return cls(frame.height, frame.width, frame, to_rgb)

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        if self._image is None:
            assert self._to_rgb is not None
            self._image = self._to_rgb(self._frame)
        return self._image

    def reduced(self, factor: int) -> NDArray[np.uint8]:
        """Average blocks of `factor` x `factor` pixels; incomplete blocks at the border are cut.

        Args:
            factor: a power of two.

        Returns:
            (H // factor, W // factor, 3) uint8 RGB.
        """
        if factor == 1:
            return self.image
        size = self.width // factor, self.height // factor
        if self._image is None and self._to_rgb is not None:
            return _reduce_planes(self._frame, self._to_rgb, size, factor)
        whole = self.image[: size[1] * factor, : size[0] * factor]
        return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def can_reduce(frame: Any) -> bool:
    """Whether a PyAV frame has a format and a matrix that `Picture.of_frame` takes."""
    return frame.format.name in _SUBSAMPLING and int(frame.colorspace) in _MATRICES


def _reduce_planes(
    frame: Any, to_rgb: ToRgb, size: tuple[int, int], factor: int
) -> NDArray[np.uint8]:
    """Return a frame as RGB of `size` (width, height), reduced by `factor`."""
    wide, high = _SUBSAMPLING[frame.format.name]
    planes = []
    for plane, (x, y) in zip(frame.planes, ((1, 1), (wide, high), (wide, high)), strict=True):
        block = factor // x, factor // y
        values = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        values = values[: size[1] * block[1], : size[0] * block[0]]
        planes.append(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
    matrix = _matrix(frame.format.name, int(frame.colorspace), int(frame.color_range), to_rgb)
    return np.asarray(cv2.transform(cv2.merge(planes), matrix), np.uint8)


@lru_cache(maxsize=16)
def _matrix(name: str, colorspace: int, color_range: int, to_rgb: ToRgb) -> NDArray[np.float64]:
    """Return the matrix (3, 4) by which `to_rgb` converts Y, U, V, 1 to RGB.

    It is measured, so that both ways to convert a frame agree whatever its tags mean.
    """
    luma, chroma = np.arange(60, 181, 30), np.arange(98, 159, 15)
    colours = np.stack(np.meshgrid(luma, chroma, chroma), axis=-1).reshape(-1, 3).astype(np.uint8)
    side = 16  # of the square of each colour, pixels
    frame: Any = av.VideoFrame(side * len(colours), side, name)
    frame.colorspace, frame.color_range = colorspace, color_range
    for plane, values in zip(frame.planes, colours.T, strict=True):
        row = np.zeros(plane.line_size, np.uint8)
        row[: plane.width] = np.repeat(values, plane.width // len(colours))
        plane.update(np.tile(row, plane.height).tobytes())
    rgb = to_rgb(frame)[side // 2, side // 2 :: side].astype(np.float64)
    known = np.hstack([colours, np.ones((len(colours), 1))])
    matrix, *_ = np.linalg.lstsq(known, rgb, rcond=None)
    return np.ascontiguousarray(matrix.T)
