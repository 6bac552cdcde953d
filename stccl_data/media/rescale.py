"""Convert PyAV frames by swscale, whose tables are kept from frame to frame.

A frame that reformats itself builds them anew: 0.9 instead of 0.1 ms for 256 x 256 pixels.
"""

import threading
from typing import Any

from av.video.reformatter import VideoReformatter


class _Tables(threading.local):
    """The tables of a thread: swscale's context is not shared between threads."""

    def __init__(self) -> None:
        self.reformatter = VideoReformatter()


_TABLES = _Tables()


def rescale(
    frame: Any, pixel_format: str, width: int | None = None, colorspace: int | None = None
) -> Any:
    """Return a PyAV frame in another pixel format and width, computed by one thread.

    Args:
        frame: the frame.
        pixel_format: FFmpeg's name.
        width: pixels; None for the frame's own.
        colorspace: of the result; None for the frame's own.
    """
    return _TABLES.reformatter.reformat(
        frame, width, None, pixel_format, dst_colorspace=colorspace, threads=1
    )
