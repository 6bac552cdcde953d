"""Measure whether frames are interlaced, whatever their flags say."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

#: How a picture is scanned: whole, or as two fields of which the top or the bottom one is earlier.
Scan = Literal["progressive", "top first", "bottom first"]

#: Columns of the picture that are looked at.
_COLUMNS = 64
#: Levels of 255 by which a pixel changes from frame to frame if it moves; more than noise.
_MOTION = 8
#: Moving pixels without which nothing can be told.
_MIN_MOVING = 200
#: Ratio of the two combings below which a picture is progressive, and above which it is
#: interlaced. Measured on the pictures of 82 real clips: 1.00-1.36 progressive, 1.86-4.13
#: interlaced.
_EQUAL, _UNEQUAL = 1.25, 1.6
#: Own combing of a progressive picture, beside that of fields of two frames. Measured: below 0.6
#: in nine of ten.
_SMOOTH = 0.6
#: Pictures that have to agree.
_AGREEING = 3


class ScanDetector:
    """Follows how the frames of a clip are scanned."""

    def __init__(self) -> None:
        """Start a clip."""
        #: What the last `_AGREEING` pictures agreed on; None before.
        self.scan: Scan | None = None
        self._strips: list[NDArray[np.int16]] = []  # of up to three consecutive frames
        self._candidate: Scan | None = None
        self._agreeing = 0

    def add(self, frame: Any) -> None:
        """Look at the next PyAV frame."""
        self._strips = [*self._strips[-2:], _luma_strip(frame)]
        if len({strip.shape for strip in self._strips}) > 1:
            self._strips = self._strips[-1:]
        if len(self._strips) < 3:
            return
        scan = measure_scan(*self._strips)
        if scan is None:
            return
        self._agreeing = self._agreeing + 1 if scan == self._candidate else 1
        self._candidate = scan
        if self._agreeing >= _AGREEING:
            self.scan = scan

    def skip(self) -> None:
        """Leave out the next frames: those before are no neighbours of those after."""
        self._strips = []


def measure_scan(
    before: NDArray[np.int16], picture: NDArray[np.int16], after: NDArray[np.int16]
) -> Scan | None:
    """Tell how a picture is scanned from its neighbours in time (after FFmpeg's idet).

    Where something moves, lines of one instant continue each other and lines of two instants
    comb. The picture's lines are compared with those of the other field in the frame before and
    after: of a progressive picture both are as far away in time, of an interlaced one the field
    before its first field is near, and the one after it far.

    Args:
        before, picture, after: (H, W) luma of consecutive frames.

    Returns:
        None if too little moves, or if it is doubtful.
    """
    rows, old, new = picture[1:-1], before[1:-1], after[1:-1]
    moving = (np.abs(rows - old) > _MOTION) | (np.abs(new - rows) > _MOTION)
    if moving.sum() < _MIN_MOVING:
        return None
    around = picture[:-2] + picture[2:]
    with_old, with_new = np.abs(around - 2 * old), np.abs(around - 2 * new)
    own = int(np.abs(around - 2 * rows)[moving].sum())
    even, odd = moving[1::2], moving[::2]  # lines of the picture: those of the top field are even
    top_first = int(with_old[::2][odd].sum() + with_new[1::2][even].sum())
    bottom_first = int(with_new[::2][odd].sum() + with_old[1::2][even].sum())
    near, far = sorted((top_first, bottom_first))
    if far > _UNEQUAL * near:
        return "top first" if top_first < bottom_first else "bottom first"
    if far < _EQUAL * near and own < _SMOOTH * near:
        return "progressive"
    return None


def _luma_strip(frame: Any) -> NDArray[np.int16]:
    """Return some columns of the luma of a PyAV frame, in levels of 255; empty if it has none."""
    layout = frame.format
    if not layout.name.startswith("yuv") or not layout.is_planar or layout.is_big_endian:
        return np.empty((0, 0), np.int16)
    bits, plane = layout.components[0].bits, frame.planes[0]
    dtype = np.uint8 if bits == 8 else np.uint16
    luma = np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : frame.width]
    strip = luma[:, :: max(1, frame.width // _COLUMNS)] >> (bits - 8)
    return np.asarray(strip, np.int16)
