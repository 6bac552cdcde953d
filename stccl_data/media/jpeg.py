"""Motion-JPEG in memory: the JPEG pictures of a clip one after another, any of them decoded alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class JpegSeries:
    """`data`: the pictures' JPEG files, concatenated. `offsets`: (N + 1,) int64; picture i is data[offsets[i]:offsets[i + 1]]."""

    data: bytes
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def picture(self, i: int) -> bytes:
        """The JPEG file of picture i. Raises IndexError outside [0, N)."""
        if not 0 <= i < len(self):
            raise IndexError(f"picture {i} of {len(self)}")
        return self.data[self.offsets[i] : self.offsets[i + 1]]

    def decode(
        self, indices: Sequence[int] | NDArray[np.integer] | None = None
    ) -> NDArray[np.uint8]:
        """The pictures named (all by default) as (n, H, W, 3) uint8 RGB; only these are decoded."""
        chosen = range(len(self)) if indices is None else [int(i) for i in indices]
        if not len(chosen):
            return np.zeros((0, 0, 0, 3), np.uint8)
        return np.stack([decode_jpeg(self.picture(i)) for i in chosen])

    @classmethod
    def of(cls, pictures: Sequence[bytes]) -> "JpegSeries":
        """The series of these JPEG files."""
        return cls(
            b"".join(pictures),
            np.concatenate([[0], np.cumsum([len(p) for p in pictures])]).astype(np.int64),
        )


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """image: (H, W, 3) uint8 RGB. quality: 1-100, libjpeg's scale, chroma at half resolution."""
    ok, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not ok:
        raise ValueError(f"a picture of shape {image.shape} cannot be encoded as JPEG")
    return bytes(data)


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB. Raises ValueError where the bytes are no picture."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{len(data)} bytes that are no JPEG picture")
    rgb: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb
