"""Convert decoded frames to RGB: upright, square pixels, ordinary colours, one size."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.media.colour import ColourConverter, Colours
from stccl_data.media.container import ffmpeg_message, square_width
from stccl_data.media.orientation import Orientation, frame_orientation
from stccl_data.media.reduced import Picture, can_reduce
from stccl_data.media.rescale import rescale

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED, which PyAV's enumeration lacks

#: Aspect ratios that differ by less are one: sizes are rounded to whole, often to even, pixels.
_SAME_ASPECT = 0.03


class PictureConverter:
    """Converts the frames of one clip, in order."""

    def __init__(self, path: str | Path, pixel_aspect: Fraction | None) -> None:
        """Start a clip.

        Args:
            path: for error messages.
            pixel_aspect: width of a stored pixel divided by its height; None if unknown.
        """
        self._path = path
        self._pixel_aspect = pixel_aspect
        self._converters: dict[Colours, ColourConverter] = {}
        self._size: tuple[int, int] | None = None  # height, width of the first frame
        #: What was done so far, see `stccl_data.extract.Extraction.notes`.
        self.notes: tuple[str, ...] = ()

    def picture(self, frame: Any) -> Picture:
        """Return the picture of a PyAV frame; see `convert`. Ordinary ones are not converted yet.

        Raises:
            ClipError: as `convert`.
        """
        size = frame.height, frame.width
        if (
            can_reduce(frame)
            and self._size in (None, size)
            and square_width(frame.width, self._pixel_aspect) == frame.width
            and Colours.of(frame) is None
            and frame_orientation(frame) == Orientation()
        ):
            self._size = size
            return Picture.of_frame(frame, _plain_rgb)
        return Picture.of_image(self.convert(frame))

    def convert(self, frame: Any) -> NDArray[np.uint8]:
        """Convert a PyAV frame to (H, W, 3) uint8 RGB, where H and W are those of the first frame.

        Raises:
            ClipError: not_supported, if FFmpeg cannot convert the pixel format or colours.
        """
        try:
            image = self._to_rgb(frame)
        except (av.FFmpegError, ValueError) as error:
            raise ClipError(
                Reason.NOT_SUPPORTED,
                f"{self._path} has frames that cannot be converted to RGB "
                f"({frame.format.name}): {ffmpeg_message(error)}",
            ) from None
        orientation = frame_orientation(frame)
        if orientation.rounded:
            self._note("odd rotation rounded to a quarter turn")
        return self._to_first_size(orientation.apply(image))

    def _to_rgb(self, frame: Any) -> NDArray[np.uint8]:
        width = square_width(frame.width, self._pixel_aspect)
        colours = Colours.of(frame)
        if colours is not None:
            if colours not in self._converters:
                self._converters[colours] = ColourConverter(colours)
                self._note(colours.note)
            return self._converters[colours].to_rgb(frame, width)
        if width == frame.width:
            return _plain_rgb(frame)
        return rescale(frame, "rgb24", width).to_ndarray()  # type: ignore[no-any-return]

    def _to_first_size(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale an image to the size of the first one; of another aspect ratio, between bars."""
        if self._size is None:
            self._size = image.shape[:2]
        if image.shape[:2] == self._size:
            return image
        self._note("frames of several sizes scaled to the first")
        return fit_into(image, *self._size)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes = (*self.notes, note)


def _plain_rgb(frame: Any) -> NDArray[np.uint8]:
    """Convert a PyAV frame of ordinary colours and square pixels to (H, W, 3) uint8 RGB."""
    if frame.format.name == "yuvj444p" and frame.colorspace == _UNSPECIFIED:
        # MEAD's raw encoding. swscale takes five times as long for it (14 ms at 1080p); the two
        # differ by at most one level.
        planes = [
            np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width]
            for p in frame.planes
        ]
        merged = cv2.merge([planes[0], planes[2], planes[1]])
        return np.asarray(cv2.cvtColor(merged, cv2.COLOR_YCrCb2RGB), np.uint8)
    return rescale(frame, "rgb24").to_ndarray()  # type: ignore[no-any-return]


def fit_into(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale an image to a size; if its aspect ratio differs, whole and centred on black.

    Args:
        image: (H, W, 3).
        height, width: of the result, pixels.
    """
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = round(image.shape[0] * scale), round(image.shape[1] * scale)
    if min(inner[0] / height, inner[1] / width) > 1 - _SAME_ASPECT:
        inner = height, width
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(image, inner[::-1], interpolation=method)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    result = np.zeros((height, width, 3), np.uint8)
    result[top : top + inner[0], left : left + inner[1]] = scaled
    return result
