"""Read the frames of a video: RGB images with their presentation times."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.media.clock import read_clock
from stccl_data.media.container import open_media
from stccl_data.media.cut import Cut
from stccl_data.media.deinterlace import Deinterlacer
from stccl_data.media.picture import PictureConverter
from stccl_data.media.reduced import Picture
from stccl_data.media.seeking import cut_frames
from stccl_data.media.video_streams import video_stream, video_stream_note

#: Options of a decoder whose pictures nobody looks at: twice as fast, the same frames.
_TIMES_ONLY = {"skip_loop_filter": "all", "skip_idct": "all"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded video frame."""

    #: Presentation time, seconds since the first frame.
    time: float
    #: Upright, square pixels.
    picture: Picture
    #: The decoder had to conceal damage.
    corrupt: bool
    #: What was done to the clip's frames so far, see `stccl_data.extract.Extraction.notes`.
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return self.picture.image


def read_frames(path: str | Path, cut: Cut | None = None) -> Iterator[Frame]:
    """Read every frame of the video, in presentation order, one at a time.

    With a cut, its frames are read as if they were the file: times begin at its first frame. What
    is before it is not decoded, unless the file cannot be searched.

    Handles any pixel format, variable frame rates, rotated and mirrored recordings, non-square
    pixels, HDR, interlacing and sizes that change; `Frame.notes` says what was done. No frame is
    ever skipped: a packet that cannot be decoded ends the clip with an error, so that nobody
    counts on frames that are not there.

    Raises:
        ClipError: as `probe`, and no_video, cut_outside, decode_error.
    """
    clock = read_clock(path)
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise ClipError(Reason.NO_VIDEO, f"{path} has no video stream")
        deinterlacer = Deinterlacer()
        converter = PictureConverter(path, stream.sample_aspect_ratio)
        choice = video_stream_note(container)
        count = 0
        for frame, time in deinterlacer.frames(cut_frames(container, path, clock, cut)):
            count += 1
            picture = converter.picture(frame)
            notes = (*choice, *deinterlacer.notes, *converter.notes)
            yield Frame(time, picture, bool(frame.is_corrupt), notes)
        if count == 0:
            raise ClipError(Reason.DECODE_ERROR, f"{path} has a video stream without any frame")


def frame_times(path: str | Path, cut: Cut | None = None) -> NDArray[np.float64]:
    """Decode a video and return the presentation times of its frames, as `read_frames` gives them.

    Packets are not counted instead: a recording that begins between two key frames has packets
    that no decoder shows, and a field of interlaced video can be a packet.

    Returns:
        (N,) float64 seconds, ascending from 0; empty if there is no video stream.

    Raises:
        ClipError: as `probe`, and cut_outside, decode_error.
    """
    clock = read_clock(path)
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            return np.empty(0)
        stream.codec_context.options = _TIMES_ONLY
        return np.array([time for _, time in cut_frames(container, path, clock, cut)])
