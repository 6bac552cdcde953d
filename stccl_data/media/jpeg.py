"""Encode and decode JPEG frames, and hold a clip as Motion-JPEG in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class JpegSeries:
    """The JPEG frames of a clip, concatenated; any frame can be decoded alone."""

    #: The JPEG files one after another.
    data: bytes
    #: (N + 1,) int64; frame i is ``data[offsets[i]:offsets[i + 1]]``.
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def jpeg(self, i: int) -> bytes:
        """Return the JPEG file of frame i.

        Raises:
            IndexError: i is outside [0, N).
        """
        if not 0 <= i < len(self):
            raise IndexError(f"frame {i} of {len(self)}")
        return self.data[self.offsets[i] : self.offsets[i + 1]]

    def decode(
        self, indices: Sequence[int] | NDArray[np.integer] | None = None
    ) -> NDArray[np.uint8]:
        """Decode some frames (all by default).

        Returns:
            (n, H, W, 3) uint8 RGB.
        """
        chosen = range(len(self)) if indices is None else [int(i) for i in indices]
        if not len(chosen):
            return np.zeros((0, 0, 0, 3), np.uint8)
        return np.stack([decode_jpeg(self.jpeg(i)) for i in chosen])

    @classmethod
    def from_jpegs(cls, jpegs: Sequence[bytes]) -> "JpegSeries":
        """Join JPEG files into a series."""
        offsets = np.concatenate([[0], np.cumsum([len(jpeg) for jpeg in jpegs])])
        return cls(b"".join(jpegs), offsets.astype(np.int64))


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an image as JPEG with chroma at half resolution.

    Args:
        image: (H, W, 3) uint8 RGB.
        quality: 1-100, libjpeg's scale.

    Raises:
        ValueError: OpenCV cannot encode an image of this shape.
    """
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not ok:
        raise ValueError(f"an image of shape {image.shape} cannot be encoded as JPEG")
    return bytes(data)


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode a JPEG file.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the bytes are not a JPEG image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{len(data)} bytes that are not a JPEG image")
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb
