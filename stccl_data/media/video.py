"""Read the frames of a video: RGB images with their presentation times."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.media.container import decode, ffmpeg_message, open_media
from stccl_data.media.deinterlace import Deinterlacer
from stccl_data.media.picture import PictureConverter
from stccl_data.media.video_streams import video_stream, video_stream_note

#: AVI stores when a packet is decoded, not when its frame is shown: one frame per tick, in order.
_WITHOUT_PRESENTATION_TIMES = "avi"


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded video frame."""

    #: Presentation time, seconds on the container's clock.
    time: float
    #: (H, W, 3) uint8 RGB, upright, square pixels.
    image: NDArray[np.uint8]
    #: The decoder had to conceal damage.
    corrupt: bool
    #: What was done to the clip's frames so far, see `stccl_data.extract.Extraction.notes`.
    notes: tuple[str, ...] = ()


def read_frames(path: str | Path) -> Iterator[Frame]:
    """Read every frame of the video, in presentation order, one at a time.

    Handles any pixel format, variable frame rates, rotated and mirrored recordings, non-square
    pixels, HDR, interlacing and sizes that change; `Frame.notes` says what was done. No frame is
    ever skipped: a packet that cannot be decoded ends the clip with an error, so that nobody
    counts on frames that are not there.

    Raises:
        ClipError: as `probe`, and no_video, decode_error.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise ClipError(Reason.NO_VIDEO, f"{path} has no video stream")
        stream.thread_type = "NONE"  # one process per core: decoder threads would only share it
        deinterlacer = Deinterlacer()
        converter = PictureConverter(path, stream.sample_aspect_ratio)
        choice = video_stream_note(container)
        count = 0
        for frame, time in deinterlacer.frames(_timed_frames(container, stream, path)):
            count += 1
            image = converter.convert(frame)
            notes = (*choice, *deinterlacer.notes, *converter.notes)
            yield Frame(time, image, bool(frame.is_corrupt), notes)
        if count == 0:
            raise ClipError(Reason.DECODE_ERROR, f"{path} has a video stream without any frame")


def _timed_frames(container: Any, stream: Any, path: str | Path) -> Iterator[tuple[Any, float]]:
    """Decode the PyAV frames of a stream, each with its time in seconds."""
    interval = float(1 / stream.average_rate) if stream.average_rate else 0.04
    ticks = None
    if container.format.name == _WITHOUT_PRESENTATION_TIMES:
        ticks = iter(frame_times(path))
    last = -np.inf
    for frame in decode(container, stream, path):
        time = frame.time if ticks is None else next(ticks, None)
        if time is None and frame.dts is not None:
            time = frame.dts * float(frame.time_base)
        if time is None:
            time = last + interval if np.isfinite(last) else 0.0
        if time <= last:  # a damaged clock: keep the order, between the neighbours
            time = last + interval / 2
        last = float(time)
        yield frame, last


def frame_times(path: str | Path) -> NDArray[np.float64]:
    """Read the presentation times of all video frames from the container, without decoding.

    Returns:
        (N,) float64 seconds, ascending; empty if there is no video stream.

    Raises:
        ClipError: as `probe`, and decode_error if the packets end long before the duration that
            the header states.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            return np.empty(0)
        times, end = [], 0.0
        decode_times = container.format.name == _WITHOUT_PRESENTATION_TIMES
        try:
            for packet in container.demux():
                stamp = packet.dts if decode_times else packet.pts
                if stamp is None or packet.is_discard:
                    continue
                time = float(stamp * packet.time_base)
                end = max(end, time)
                if packet.stream_index == stream.index:
                    times.append(time)
        except av.FFmpegError as error:
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} cannot be read to its end: {ffmpeg_message(error)}"
            ) from None
        # FLV does not state its size in bytes, and the duration in its header is approximate.
        if (
            container.format.name == "flv"
            and container.duration
            and end < 0.8 * container.duration / av.time_base - 0.5
        ):
            raise ClipError(
                Reason.DECODE_ERROR,
                f"{path} ends long before its stated duration: the file is truncated",
            )
        return np.array(sorted(times))
