"""Turn frames upright: the display matrix of a recording, in all eight orientations."""

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored frame is turned to be shown: transposed first, then mirrored."""

    #: Rows and columns change places.
    transposed: bool = False
    #: The result is mirrored left to right.
    mirrored: bool = False
    #: The result is turned upside down, top to bottom.
    flipped: bool = False
    #: The recording asks for another angle, to which this one is the nearest.
    rounded: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an image. image: (H, W, C). Returns it as it is, or a contiguous copy."""
        turned: Any = cv2.transpose(image) if self.transposed else image
        if self.mirrored or self.flipped:
            axis = -1 if self.mirrored and self.flipped else int(self.mirrored)
            turned = cv2.flip(turned, axis)
        return turned  # type: ignore[no-any-return]


_UPRIGHT = Orientation()
#: Tangent of the angle that a matrix may be off; FFmpeg allows one degree too.
_TOLERANCE = np.tan(np.radians(1))


def frame_orientation(frame: Any) -> Orientation:
    """Return the orientation that the display matrix of a PyAV frame states.

    FFmpeg attaches the matrix to the frames whatever states it: the container (MP4, Matroska),
    a message in the H.264 or HEVC stream, or the EXIF data of a JPEG. `frame.rotation` holds
    the angle alone, which is the same for an upright frame and for an upside-down mirrored one.
    """
    try:
        matrix = _side_data(frame).get("DISPLAYMATRIX")
    except ValueError:  # the frame has side data that PyAV cannot name, such as EXIF
        matrix = _side_data(_without_unknown_side_data(frame)).get("DISPLAYMATRIX")
    return _UPRIGHT if matrix is None else parse_display_matrix(bytes(matrix))


def parse_display_matrix(data: bytes) -> Orientation:
    """Return the orientation nearest to a display matrix.

    Args:
        data: nine native int32, a b u / c d v / x y w: a stored pixel (p, q) is shown at
            (a p + c q, b p + d q) + (x, y), y down (ISO/IEC 14496-12, 8.3.2; FFmpeg's display.h).
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", data[:36])
    straight, across = abs(a) + abs(d), abs(b) + abs(c)
    rounded = min(straight, across) > _TOLERANCE * max(straight, across)
    if straight >= across:
        return Orientation(False, mirrored=a < 0, flipped=d < 0, rounded=rounded)
    return Orientation(True, mirrored=c < 0, flipped=b < 0, rounded=rounded)


def _side_data(frame: Any) -> Any:
    """Return the side data of a PyAV frame.

    `frame.side_data` does too, but keeps it in the frame, which it refers to: such a cycle holds
    the memory of a frame until Python collects garbage, which 1.5 GB of frames do not bring about.
    """
    return SideDataContainer(frame)  # type: ignore[call-arg]


def _without_unknown_side_data(frame: Any) -> Any:
    """Return a frame of the same pixels with only the side data that PyAV can name."""
    graph = Graph()
    graph.threads = 1
    kinds: Any = Type  # whose type stubs do not give the values as integers
    known = max(kind.value for kind in kinds)
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base,
        ),
        # FFmpeg 8.1 knows four types more than PyAV 18.1; the others are room for newer ones.
        *(graph.add("sidedata", f"mode=delete:type={known + i}") for i in range(1, 9)),
        graph.add("buffersink"),
    ).configure()
    graph.vpush(frame)
    return graph.vpull()
