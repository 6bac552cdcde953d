"""Read a cut of a recording without decoding what is before it, frame for frame as from the start.

A container is searched for the last key frame before the cut. Some files are searched wrongly, or
have key frames that do not suffice, so the stamps of the packets are compared with what comes out:
if a frame is missing, the search goes back further, and in the end to the start of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from stccl_data.errors import ClipError, Reason
from stccl_data.media.clock import ClipClock, decode, shown_frames
from stccl_data.media.container import open_media
from stccl_data.media.cut import Cut
from stccl_data.media.video_streams import video_stream

#: Seconds before the cut that are searched for a key frame, one after the other; after them the
#: file is decoded from its start.
_VIDEO_MARGINS = (0.0, 10.0)

#: Seconds before a window of sound that are searched for.
_AUDIO_MARGINS = (1.0, 10.0)

#: Seconds of sound after a seek that may be wrong: decoders of AAC, MP3 and Opus need up to 0.1 s.
_WARM_UP = 0.2

#: Seconds by which the end of a cut may be after the end of the file.
_BEYOND = 0.5

#: Times that differ by less are the same, seconds.
_SAME = 1e-4


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a recording, in seconds of the clock of its container."""

    begin: float
    end: float


def cut_origin(path: str | Path, clock: ClipClock, cut: Cut | None) -> float:
    """Return the time of the first frame of a cut, seconds since the first frame of the file.

    Args:
        path: for error messages.
        clock: of the file with the frames, or of the sound if there are none.
        cut: the part of the file; None for all of it.

    Raises:
        ClipError: cut_outside.
    """
    if cut is None:
        return 0.0
    if clock.shown is None:
        if cut.start > (length := clock.last_sound - clock.zero):
            raise ClipError(
                Reason.CUT_OUTSIDE,
                f"{path} has no sound after {length:.3f} s, but the part begins at {cut.start:g} s",
            )
        return cut.start
    shown = clock.shown
    first = int(np.searchsorted(shown, cut.first))
    length = float(shown[-1]) if len(shown) else 0.0
    if first == len(shown) or (np.isfinite(cut.end) and cut.end > length + _BEYOND):
        raise ClipError(
            Reason.CUT_OUTSIDE,
            f"{path} ends {length:.3f} s after its first frame, outside the part from "
            f"{cut.start:g} to {cut.end:g} s",
        )
    return float(shown[first])


def cut_frames(
    container: Any, path: str | Path, clock: ClipClock, cut: Cut | None
) -> Iterator[tuple[Any, float]]:
    """Decode the frames of a cut in the order in which they are shown.

    Args:
        container: the opened file, from which nothing was read yet.
        path: the file.
        clock: of the file.
        cut: the part of the file; None for all of it.

    Yields:
        A PyAV frame and its time in seconds since the first frame of the cut.

    Raises:
        ClipError: cut_outside, decode_error.
    """
    origin = cut_origin(path, clock, cut)
    stream = video_stream(container)
    stream.thread_type = "NONE"  # one process per core: decoder threads would only share it
    if cut is None:
        yield from shown_frames(container, stream, path, clock)
        return
    for margin in _VIDEO_MARGINS if clock.seekable else ():
        if origin > margin and _seek(container, stream, clock.zero + origin - margin):
            frames = _from(cut, shown_frames(container, stream, path, clock))
            first = next(frames, None)
            if first is not None and first[1] < origin + _SAME:  # else frames before it are missing
                yield first[0], first[1] - origin
                yield from ((frame, time - origin) for frame, time in frames)
                return
    with open_media(path) as afresh:
        stream = afresh.streams[stream.index]
        stream.thread_type = "NONE"
        frames = _from(cut, shown_frames(afresh, stream, path, clock))
        yield from ((frame, time - origin) for frame, time in frames)


def _from(cut: Cut, frames: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
    """Leave out what is not in the cut."""
    for frame, time in frames:
        if time >= cut.last:
            return
        if time >= cut.first:
            yield frame, time


def cut_sound(
    container: Any, index: int, path: str | Path, clock: ClipClock, window: Window | None
) -> Iterator[Any]:
    """Decode the blocks of an audio stream that are heard in a window.

    Args:
        container: the opened file, from which nothing was read yet.
        index: number of the stream.
        path: the file.
        clock: of the file.
        window: what is wanted; None for all.

    Yields:
        PyAV frames.

    Raises:
        ClipError: decode_error.
    """
    stream = container.streams[index]
    if window is None:
        yield from decode(container, stream, path, clock)
        return
    for margin in _AUDIO_MARGINS if clock.seekable else ():
        begin = window.begin - margin
        if begin > clock.start and _seek(container, stream, begin):
            blocks = decode(container, stream, path, clock)
            first = next(blocks, None)
            began = None if first is None else first.time
            if began is not None and began + _WARM_UP <= window.begin:
                yield from _heard(window, blocks)
                return
    with open_media(path) as afresh:
        yield from _heard(window, decode(afresh, afresh.streams[index], path, clock))


def _heard(window: Window, blocks: Iterator[Any]) -> Iterator[Any]:
    """Leave out what is not heard in the window."""
    for block in blocks:
        if block.time is not None and block.time >= window.end:
            return
        if block.time is None or block.time + block.samples / block.sample_rate > window.begin:
            yield block


def _seek(container: Any, stream: Any, time: float) -> bool:
    """Seek to the last key frame before a time of the container's clock; False if it fails."""
    try:
        container.seek(int(time / stream.time_base), stream=stream, backward=True)
    except av.FFmpegError:
        return False
    return True
