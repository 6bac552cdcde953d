"""Reading media files with PyAV: what a file holds, its upright RGB frames with their presentation times, its sound."""

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason

SPEECH_RATE = 16_000

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED, which PyAV's enumeration does not name

#: What ffmpeg opens without its being a recording: playlists (which may name other files) and text drawn as pictures.
_NO_CLIP = frozenset(
    {"hls", "concat", "dash", "tty", "ffmetadata", "subviewer", "srt", "webvtt", "ass"}
)


#: A container that stores when a packet is decoded and not when its picture is shown: pictures are shown one a tick, in order.
_WITHOUT_SHOW_TIMES = "avi"


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the container says before a frame is decoded. Sizes are in square pixels, before any rotation. None: not said."""

    fps: Fraction | None
    n_frames: int | None
    width: int | None
    height: int | None
    duration_s: float | None
    audio_rate: int | None
    audio_duration_s: float | None


@dataclass(frozen=True, slots=True)
class Frame:
    """`time`: presentation time, seconds on the container's clock. `image`: (H, W, 3) uint8 RGB, upright, square pixels.
    `corrupt`: the decoder had to conceal damage."""

    time: float
    image: NDArray[np.uint8]
    corrupt: bool


@dataclass(frozen=True, slots=True)
class Audio:
    """`samples`: (S,) float32 mono in [-1, 1]; `rate` in Hz; `start`: container time of the first sample, seconds."""

    samples: NDArray[np.float32]
    rate: int
    start: float

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate


def probe(path: str | Path) -> MediaInfo:
    """What the file holds, by its header alone.

    Raises ClipError: missing_file, not_permitted, empty_file, not_media, decode_error (cut short).
    """
    with _opened(path) as container:
        video, audio = _video_stream(container), _audio_stream(container)
        fps = width = height = n_frames = None
        if video is not None:
            fps = video.average_rate or video.guessed_rate or video.base_rate
            width, height = _square_width(video.width, video.sample_aspect_ratio), video.height
            if video.frames:
                n_frames = video.frames
        duration = container.duration / av.time_base if container.duration else None
        return MediaInfo(
            fps=Fraction(fps) if fps else None,
            n_frames=n_frames,
            width=width,
            height=height,
            duration_s=_stream_duration(video)
            if video is not None and _stream_duration(video)
            else duration,
            audio_rate=audio.rate if audio is not None else None,
            audio_duration_s=(_stream_duration(audio) or duration) if audio is not None else None,
        )


def read_frames(path: str | Path) -> Iterator[Frame]:
    """Every frame of the first video stream, in presentation order, one at a time.

    Any pixel format, variable frame rate, rotation metadata and non-square pixels are dealt with. No frame is passed over: a
    packet that cannot be decoded ends the clip with an error, so that nobody counts on frames that are not there.
    Raises ClipError: as `probe`, and no_video, decode_error.
    """
    with _opened(path) as container:
        stream = _video_stream(container)
        if stream is None:
            raise ClipError(Reason.NO_VIDEO, f"{path} has no video stream")
        stream.thread_type = "NONE"  # a process a core: threads of the decoder would only share it
        interval = float(1 / stream.average_rate) if stream.average_rate else 0.04
        ticks = iter(frame_times(path)) if container.format.name == _WITHOUT_SHOW_TIMES else None
        last = -np.inf
        count = 0
        for frame in _decoded(container, stream, path):
            time = frame.time if ticks is None else next(ticks, None)
            if time is None:
                time = (
                    frame.dts * float(frame.time_base)
                    if frame.dts is not None
                    else last + interval
                    if count
                    else 0.0
                )
            if time <= last:  # a damaged clock: keep the order and stay between the neighbours
                time = last + interval / 2
            last = time
            count += 1
            yield Frame(
                float(time), _upright_rgb(frame, stream.sample_aspect_ratio), bool(frame.is_corrupt)
            )
        if count == 0:
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} has a video stream but not one frame in it"
            )


def frame_times(path: str | Path) -> NDArray[np.float64]:
    """(N,) float64: presentation times of the video frames in seconds, ascending, by the container alone: nothing is decoded.

    Empty where there is no video. Raises ClipError: as `probe`, and decode_error where the packets end long before the duration
    that the header states.
    """
    with _opened(path) as container:
        stream = _video_stream(container)
        if stream is None:
            return np.empty(0)
        shown, end = [], 0.0
        try:
            for packet in container.demux():
                stamp = packet.dts if container.format.name == _WITHOUT_SHOW_TIMES else packet.pts
                if stamp is None or packet.is_discard:
                    continue
                time = float(stamp * packet.time_base)
                end = max(end, time)
                if packet.stream_index == stream.index:
                    shown.append(time)
        except av.FFmpegError as error:
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} cannot be read to its end: {_words(error)}"
            ) from None
        # FLV does not say how many bytes it has; the duration in its header may be a little off
        if (
            container.format.name == "flv"
            and container.duration
            and end < 0.8 * container.duration / av.time_base - 0.5
        ):
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} ends long before its header says: it was cut short"
            )
        return np.array(sorted(shown))


def encode_flac(audio: Audio) -> bytes:
    """`audio` as a FLAC file, 16 bits, its first sample at container time 0: silence before it, or what lies before 0 cut off."""
    shift = round(audio.start * audio.rate)
    samples = np.pad(audio.samples, (shift, 0)) if shift > 0 else audio.samples[-shift:]
    pcm = np.round(samples * 32767).astype(np.int16)[None]
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=audio.rate)
        stream.layout = "mono"
        if pcm.size:
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate = audio.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


#: Samples a second that a recording of speech may have: from less than a telephone's to the most that sound cards write.
_LEAST_RATE, _MOST_RATE = 2_000, 768_000


def read_audio(path: str | Path, rate: int | None = SPEECH_RATE) -> Audio:
    """The first audio stream as mono at `rate` Hz (None: its own rate).

    Channels are averaged, silent ones (a dead microphone) left out of the average. A gap in the stream is filled with silence,
    so that sample i is always heard at `start + i / rate`.
    Raises ClipError: as `probe`, and no_audio, decode_error.
    """
    with _opened(path) as container:
        stream = _audio_stream(container)
        if stream is None:
            raise ClipError(Reason.NO_AUDIO, f"{path} has no audio stream")
        if not _LEAST_RATE <= stream.rate <= _MOST_RATE:
            raise ClipError(
                Reason.DECODE_ERROR,
                f"{path} claims {stream.rate:,} samples of sound a second: its header is damaged",
            )
        out_rate = rate or stream.rate
        planar = av.AudioResampler(format="fltp", rate=out_rate)
        pieces: list[NDArray[np.float32]] = []
        start: float | None = None
        filled = 0
        for frame in _decoded(container, stream, path):
            if start is None:
                start = float(frame.time or 0.0)
            elif frame.time is not None:
                gap = round((frame.time - start) * out_rate) - filled
                if gap > out_rate // 10 and pieces:
                    pieces.append(np.zeros((pieces[0].shape[0], gap), np.float32))
                    filled += gap
            try:
                blocks = planar.resample(frame)
            except ValueError:  # PyAV: the resampler was made for another format
                raise ClipError(
                    Reason.DECODE_ERROR, f"{path} changes its rate or channels in mid-clip"
                ) from None
            for block in blocks:
                pieces.append(block.to_ndarray().astype(np.float32, copy=False))
                filled += pieces[-1].shape[1]
        if start is None:
            raise ClipError(Reason.NO_AUDIO, f"{path} has an audio stream without sound in it")
        pieces += [
            block.to_ndarray().astype(np.float32, copy=False) for block in planar.resample(None)
        ]
        channels = np.concatenate(pieces, axis=1)
    if not np.isfinite(channels).all():
        channels = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    level = np.sqrt(np.mean(np.square(channels), axis=1, dtype=np.float64))
    live = level > 1e-3 * level.max()
    mono = channels[live].mean(axis=0) if live.any() else channels.mean(axis=0)
    return Audio(np.clip(mono, -1.0, 1.0).astype(np.float32), out_rate, start)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """The open container; whatever is wrong with the file becomes a ClipError that says so."""
    file = Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ClipError(
                Reason.NOT_MEDIA,
                f"{path} is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no file'}",
            )
        with file.open("rb") as handle:
            head = handle.read(64)
    except FileNotFoundError:
        raise ClipError(Reason.MISSING_FILE, f"{path} does not exist") from None
    except PermissionError:
        raise ClipError(Reason.NOT_PERMITTED, f"{path} may not be read by this user") from None
    except OSError as error:
        raise ClipError(Reason.DECODE_ERROR, f"{path} cannot be read: {error.strerror}") from None
    if not head:
        raise ClipError(Reason.EMPTY_FILE, f"{path} has no bytes")
    if not any(head[:16]):
        raise ClipError(
            Reason.DECODE_ERROR, f"{path} begins with zero bytes, as a broken copy does"
        )
    if (stated := _stated_size(head)) is not None and stated > status.st_size:
        raise ClipError(
            Reason.DECODE_ERROR,
            f"{path} has {status.st_size} bytes where its header says {stated}: it was cut short",
        )
    try:
        # the protocol is named: a path is always a file, whatever it looks like, and a playlist cannot open others
        container = av.open(
            f"file:{file}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except av.FFmpegError as error:
        if head[4:8] == b"ftyp":
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} is an MP4 without its index: it was cut short"
            ) from None
        raise ClipError(Reason.NOT_MEDIA, f"{path} cannot be opened: {_words(error)}") from None
    with container:
        if container.format.name in _NO_CLIP:
            raise ClipError(
                Reason.NOT_MEDIA,
                f"{path} is read by ffmpeg as {container.format.name}, which is no recording",
            )
        for stream in container.streams:
            index = getattr(stream, "index_entries", None)
            if (
                index
                and len(index)
                and index[len(index) - 1].pos + index[len(index) - 1].size > status.st_size
            ):
                raise ClipError(
                    Reason.DECODE_ERROR,
                    f"{path} is shorter than its own index says: it was cut short",
                )
        for stream in (_video_stream(container), _audio_stream(container)):
            if stream is not None and stream.codec_context is None:
                raise ClipError(
                    Reason.DECODE_ERROR,
                    f"{path} has {stream.type} in a form that ffmpeg does not know",
                )
        yield container


def _stated_size(head: bytes) -> int | None:
    """How many bytes a WAV, AVI, Matroska or WebM file has by its own beginning; None where it does not say."""
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
        return (
            None if size in (0, 0xFFFFFFFF) else size
        )  # the eight bytes before it are left out: some writers count them
    if head[:4] != b"\x1aE\xdf\xa3":
        return None
    head = head.ljust(80, b"\0")
    size, start = _ebml_size(head, 4)
    segment = start + size
    if head[segment : segment + 4] != b"\x18S\x80g":
        return None
    size, start = _ebml_size(head, segment + 4)
    return (
        None if size == 2 ** (7 * (start - segment - 4)) - 1 else start + size
    )  # all ones: unknown, as a live stream has it


def _ebml_size(head: bytes, at: int) -> tuple[int, int]:
    """The size that is written at `at` of a Matroska file (RFC 8794, 4), and where what it measures begins."""
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & (2 ** (7 * length) - 1)
    return value, at + length


def _decoded(container: Any, stream: Any, path: str | Path) -> Iterator[Any]:
    try:
        yield from container.decode(stream)
    except av.FFmpegError as error:
        raise ClipError(
            Reason.DECODE_ERROR, f"{path} cannot be decoded to its end: {_words(error)}"
        ) from None


def _words(error: Any) -> str:
    return str(error.strerror or error)


def _video_stream(container: Any) -> Any:
    """The first stream of moving pictures; a cover image attached to a sound file is none."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def _audio_stream(container: Any) -> Any:
    return container.streams.audio[0] if container.streams.audio else None


def _stream_duration(stream: Any) -> float | None:
    return float(stream.duration * stream.time_base) if stream.duration else None


def _square_width(width: int, pixel_aspect: Fraction | None) -> int:
    """The width that makes pixels square, the height kept; an absurd aspect ratio is taken for a missing one."""
    if pixel_aspect is None or not 0.1 < pixel_aspect < 10:
        return width
    return max(1, round(width * pixel_aspect))


def _upright_rgb(frame: Any, pixel_aspect: Fraction | None) -> NDArray[np.uint8]:
    width = _square_width(frame.width, pixel_aspect)
    image: NDArray[np.uint8]
    if (
        frame.format.name == "yuvj444p"
        and frame.colorspace == _UNSPECIFIED
        and width == frame.width
    ):
        # MEAD's raw encoding. swscale takes five times as long for it (14 ms at 1080p); the two differ by one level at most.
        planes = [
            np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width]
            for p in frame.planes
        ]
        image = cv2.cvtColor(cv2.merge([planes[0], planes[2], planes[1]]), cv2.COLOR_YCrCb2RGB)
    else:
        image = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    turns = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
