"""The clock of a clip: seconds since its first shown frame, whatever its container counts.

Containers count from anywhere: MPEG-TS from 1.4 s or from the hours of a broadcast, MP4 from the
start of its edit list. All times of a clip, of its frames and of its sound, are on this clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.files.cache import cached_while_unchanged
from stccl_data.media.container import (
    AudioGroup,
    audio_groups,
    audio_stream,
    decoding_error,
    open_media,
)
from stccl_data.media.video_streams import video_stream

#: Formats that state when a packet is decoded, not when its frame is shown: one frame per tick, in
#: order.
_WITHOUT_PRESENTATION_TIMES = "avi"

#: Formats whose clock starts with the recording, so that a late first frame is a late start. In
#: others (MPEG-TS and -PS, Ogg, MP3) the clock of the first packet says nothing.
_STARTING_AT_ZERO = ("mov", "matroska", "avi", "flv")

#: Formats in which seeking is exact. In others (MP3, raw AAC) positions are estimated, and AVI
#: numbers its frames from the start.
_SEEKABLE = ("mov", "matroska", "wav", "flac", "ogg", "mpegts")

#: Seconds by which stamps in different units may differ.
_ROUNDING = 1e-4

#: Seconds. A longer pause in all streams at once is another clock, as in FFmpeg
#: (`-dts_delta_threshold`), and so is a step back of more than `_STEP_BACK`.
_PAUSE, _STEP_BACK = 10.0, 0.1

#: Seconds, or share of a longer jump, by which the jumps of two streams may differ: streams do not
#: end at one instant.
_SAME_JUMP, _SAME_JUMP_SHARE = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class Jump:
    """From one packet on, the clock of a stream is another one: two recordings were joined."""

    #: Number of the packet in its stream.
    packet: int
    #: Seconds that the stamps are ahead from there on, all earlier jumps included.
    ahead: float


Jumps = tuple[Jump, ...]


@dataclass(frozen=True, slots=True)
class ClipClock:
    """How the times of one file become times of the clip. Times are the container's, in seconds."""

    #: Of the first frame that a decoder shows; without video, `start`.
    zero: float
    #: At which the recording begins, so does a sound file of its own.
    start: float
    #: Of the last frame; infinite without video.
    end: float
    #: Index of a stream -> its jumps, in order.
    jumps: Mapping[int, Jumps] = field(default_factory=dict)
    #: Of all video packets, ascending, if the frames do not state their own; otherwise None.
    ticks: NDArray[np.float64] | None = None
    #: (N,) when frames are shown by the stamps of their packets, ascending, seconds since the first
    #: one; None without video.
    shown: NDArray[np.float64] | None = None
    #: Whether seeking leads where the stamps say.
    seekable: bool = False
    #: The audio streams as `audio_groups` ranks them: read with the clock, since opening a 1080p
    #: file takes 20 ms.
    audio: tuple[AudioGroup, ...] = ()
    #: At which the last packet of sound begins; infinite with video, or if it is not known.
    last_sound: float = np.inf


@cached_while_unchanged
def read_clock(path: str | Path) -> ClipClock:
    """Read the clock of a file: all its packets, of which only the first frame is decoded.

    Raises:
        ClipError: as `probe`, and decode_error.
    """
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is not None:
            video.thread_type = "NONE"
        scan = _scan(container, path)
        stamps = scan.stamps.get(-1 if video is None else video.index, [])
        jumps: dict[int, Jumps] = {}
        continuous = container.format.name.startswith(_STARTING_AT_ZERO)
        for stream in container.streams.audio:
            if video is None and continuous:
                break  # a pause of a single stream is a pause
            shared, jumps[stream.index] = find_jumps(stamps, scan.stamps[stream.index])
            if stream is audio and video is not None:
                jumps[video.index] = shared
        groups = tuple(audio_groups(container))
        seekable = container.format.name.startswith(_SEEKABLE)
        if video is None:
            start = _start(container)
            seekable = seekable and not any(jumps.values())
            last = np.inf if any(jumps.values()) else scan.last_stamp
            return ClipClock(
                start, start, np.inf, jumps, seekable=seekable, audio=groups, last_sound=last
            )
        if audio is None:
            jumps[video.index] = () if continuous else find_jumps(stamps, [])[0]
        ahead = [_ahead(jumps[video.index], i) for i in range(len(stamps))]
        times = np.array(stamps) - np.array(ahead)
        times = np.sort(times[~np.isnan(times)])
        ticks = times if container.format.name == _WITHOUT_PRESENTATION_TIMES else None
        if ticks is not None and len(ticks):
            zero = float(ticks[0])
        elif scan.first_frame is not None:
            time, packet = scan.first_frame
            zero = time - _ahead(jumps[video.index], packet)
        else:
            zero = _start(container)
        end = float(times[-1]) if len(times) else zero
        shown = times if ticks is not None else np.sort(np.array(scan.shown) - np.array(ahead))
        shown = shown[shown >= zero - _ROUNDING] - zero
        seekable = seekable and ticks is None and not any(jumps.values())
        return ClipClock(zero, _start(container), end, jumps, ticks, shown, seekable, groups)


def shown_frames(
    container: Any, stream: Any, path: str | Path, clock: ClipClock
) -> Iterator[tuple[Any, float]]:
    """Decode the frames of a video stream in the order in which they are shown.

    Args:
        container, stream: of the file `path`.
        path: for error messages.
        clock: of the file.

    Yields:
        A PyAV frame and its time in seconds since the first one. Times ascend strictly.

    Raises:
        ClipError: decode_error.
    """
    interval = float(1 / stream.average_rate) if stream.average_rate else 0.04
    if clock.shown is not None and len(clock.shown) > 1:  # the stated rate counts gaps too
        interval = float(np.median(np.diff(clock.shown)))
    ticks = None if clock.ticks is None else iter(clock.ticks)
    last = -np.inf
    for frame in decode(container, stream, path, clock):
        time = frame.time if ticks is None else next(ticks, None)
        if time is None and frame.dts is not None:
            time = frame.dts * float(frame.time_base)
        time = time - clock.zero if time is not None else last + interval
        if not np.isfinite(time):
            time = 0.0
        if time <= last:  # a damaged clock: keep the order, between the neighbours
            time = last + interval / 2
        last = float(time)
        yield frame, last


def decode(container: Any, stream: Any, path: str | Path, clock: ClipClock) -> Iterator[Any]:
    """Decode the PyAV frames of one stream, on a container clock without jumps.

    Raises:
        ClipError: as `decoding_error`.
    """
    jumps = clock.jumps.get(stream.index, ())
    last = None
    try:
        for number, packet in enumerate(container.demux(stream)):
            if jumps and packet.dts is not None:
                ticks = round(_ahead(jumps, number) / float(packet.time_base))
                packet.dts -= ticks
                packet.pts = None if packet.pts is None else packet.pts - ticks
            if packet.size or packet.dts is None:  # without data and stamps: the end
                for last in packet.decode():
                    yield last
            elif last is not None:  # Theora, and AVI of a capture card: show the last frame again
                last.pts, last.dts = packet.pts, packet.dts
                yield last
    except av.FFmpegError as error:
        raise decoding_error(path, error) from None


def find_jumps(video: Sequence[float], audio: Sequence[float]) -> tuple[Jumps, Jumps]:
    """Find where the clock of both streams jumps, as in recordings that were joined end to end.

    A stream that jumps alone has a hole, or overlaps itself: its stamps are right.

    Args:
        video: the decoding time of each packet in seconds, in the order of the file; NaN where none
            is stated. Empty without such a stream: then the other's jumps are those of the file.
        audio: like `video`.

    Returns:
        The jumps of each stream, both by the same amounts.
    """
    own, others = _own_jumps(video), _own_jumps(audio)
    if not len(video) or not len(audio):
        return _summed(own), _summed(others)
    shared: list[tuple[Jump, Jump]] = []
    for jump in own:
        for i, other in enumerate(others):
            apart = abs(jump.ahead - other.ahead)
            if apart < max(_SAME_JUMP, _SAME_JUMP_SHARE * abs(jump.ahead)):
                shared.append((jump, Jump(other.packet, jump.ahead)))
                others = others[i + 1 :]
                break
    return _summed([jump for jump, _ in shared]), _summed([jump for _, jump in shared])


def _own_jumps(stamps: Sequence[float]) -> list[Jump]:
    """Return the jumps of one stream, each by itself."""
    times = np.asarray(stamps, np.float64)
    known = np.flatnonzero(~np.isnan(times))
    steps = np.diff(times[known])
    if not len(steps):
        return []
    ahead = steps - np.median(steps)
    return [
        Jump(int(known[i + 1]), float(ahead[i]))
        for i in np.flatnonzero((ahead > _PAUSE) | (steps < -_STEP_BACK))
    ]


def _summed(jumps: Sequence[Jump]) -> Jumps:
    """Add to each jump all earlier ones."""
    ahead = np.cumsum([jump.ahead for jump in jumps])
    return tuple(Jump(jump.packet, float(a)) for jump, a in zip(jumps, ahead, strict=True))


@dataclass(slots=True)
class _Scan:
    """The stamps of a file."""

    #: Index of a stream -> decoding time of each packet, seconds; NaN where none is stated.
    stamps: dict[int, list[float]] = field(default_factory=dict)
    #: When the frame of each video packet is shown, seconds; NaN where that is not stated.
    shown: list[float] = field(default_factory=list)
    #: Of the first frame that is shown: its time, and the number of the packet that completed it.
    first_frame: tuple[float, int] | None = None

    @property
    def last_stamp(self) -> float:
        """Of any packet; 0 without one."""
        return max((float(np.nanmax([0.0, *times])) for times in self.stamps.values()), default=0.0)


def _scan(container: Any, path: str | Path) -> _Scan:
    """Read every packet of the video and audio streams."""
    video = video_stream(container)
    streams = [stream for stream in (video, *container.streams.audio) if stream is not None]
    scan = _Scan({stream.index: [] for stream in streams})
    try:
        for packet in container.demux(streams):
            stamps = scan.stamps[packet.stream.index]
            if (
                video is not None
                and packet.stream.index == video.index
                and scan.first_frame is None
                and (packet.size or packet.dts is None)
            ):
                for frame in packet.decode()[:1]:
                    stamp = frame.dts if frame.pts is None else frame.pts
                    time = np.nan if stamp is None else float(stamp * frame.time_base)
                    scan.first_frame = time, len(stamps)
            if video is not None and packet.stream.index == video.index:
                stamp = packet.dts if packet.pts is None else packet.pts
                scan.shown.append(np.nan if stamp is None else float(stamp * packet.time_base))
            stamps.append(np.nan if packet.dts is None else float(packet.dts * packet.time_base))
    except av.FFmpegError as error:
        raise decoding_error(path, error) from None
    _check_flv(container, scan, path)
    if scan.first_frame is not None and np.isnan(scan.first_frame[0]):
        scan.shown = _with_leading_stamps(scan.shown)
        known = [time for time in scan.shown if not np.isnan(time)]
        scan.first_frame = min(known, default=0.0), scan.first_frame[1]
    return scan


def _with_leading_stamps(stamps: Sequence[float]) -> list[float]:
    """Return stamps where the first frames have one too: they follow one another evenly.

    Matroska cannot state that a frame is before zero, so FFmpeg reads it without a stamp.
    """
    times = np.asarray(stamps, np.float64)
    known = np.flatnonzero(~np.isnan(times))
    if not len(known):
        return list(stamps)
    steps = np.diff(np.sort(times[known]))
    lead = int(known[0])
    step = float(np.median(steps)) if len(steps) else 0.0
    times[:lead] = times[known].min() - step * np.arange(lead, 0, -1)
    return [float(time) for time in times]


def _check_flv(container: Any, scan: _Scan, path: str | Path) -> None:
    """Raise ClipError if an FLV file is truncated.

    It does not state its size in bytes, and the duration in its header is approximate.
    """
    if container.format.name != "flv" or not container.duration:
        return
    if scan.last_stamp < 0.8 * container.duration / av.time_base - 0.5:
        raise ClipError(
            Reason.DECODE_ERROR,
            f"{path} ends long before its stated duration: the file is truncated",
        )


def _start(container: Any) -> float:
    """Return the container time at which the recording begins, seconds."""
    start = float(container.start_time or 0) / av.time_base
    length = float(container.duration or 0) / av.time_base
    if container.format.name.startswith(_STARTING_AT_ZERO) and start <= length:
        return 0.0
    return start


def _ahead(jumps: Jumps, packet: int) -> float:
    """Return by how much the stamp of a packet is ahead, seconds."""
    return next((jump.ahead for jump in reversed(jumps) if jump.packet <= packet), 0.0)
