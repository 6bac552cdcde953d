"""Open a media file safely and read what its header states.

Every defect of a file becomes a `ClipError` that names the file, whichever of FFmpeg's many errors
it caused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from stccl_data.errors import ClipError, Reason
from stccl_data.files.cache import cached_while_unchanged
from stccl_data.files.stubs import stub_of, web_page
from stccl_data.media.dolby_vision import has_own_colours
from stccl_data.media.video_streams import video_stream

#: Formats that FFmpeg opens although they are not recordings: playlists, which may name other
#: files, and text that it renders as video.
_NOT_RECORDINGS = frozenset(
    {"hls", "concat", "dash", "tty", "ffmetadata", "subviewer", "srt", "webvtt", "ass"}
)

#: Codec tags of encrypted video and audio in MP4 (ISO/IEC 14496-12, 8.12; Apple's FairPlay).
_ENCRYPTED = frozenset({"encv", "enca", "drmi", "drms"})

#: What FFmpeg reports of features that it lacks, rather than of damage.
_LACKING = (av.error.PatchWelcomeError, av.error.NotImplementedError, av.error.LookupError)


#: Flags of audio tracks that speak of the picture.
_SECONDARY = (
    av.stream.Disposition.comment
    | av.stream.Disposition.visual_impaired
    | av.stream.Disposition.descriptions
)

#: Bytes by which the placeholder of a size may differ from 2 or 4 GiB.
_PAGE = 8192
#: Chunks before the data of a WAV file, at most; real files have a few.
_MAX_CHUNKS = 100


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the header of a file states, before any frame is decoded. None: not stated."""

    #: Nominal frame rate.
    fps: Fraction | None
    #: Number of video frames.
    n_frames: int | None
    #: Square pixels, before rotation.
    width: int | None
    #: Pixels, before rotation.
    height: int | None
    #: Seconds of video, or of the whole file when the video stream does not state it.
    duration_s: float | None
    #: Hz, of the track that the header recommends; None if there is no audio stream.
    audio_rate: int | None
    #: Seconds of audio, of that track; None if there is no audio stream.
    audio_duration_s: float | None


@cached_while_unchanged
def probe(path: str | Path) -> MediaInfo:
    """Read the header of a media file.

    Raises:
        ClipError: missing_file, not_permitted, read_error, empty_file, not_media, not_supported,
            decode_error (truncated), or one of the reasons of `stub_of`.
    """
    with open_media(path) as container:
        video, audio = video_stream(container), audio_stream(container)
        fps = width = height = n_frames = video_duration = audio_rate = audio_duration = None
        duration = container.duration / av.time_base if container.duration else None
        if video is not None:
            fps = video.average_rate or video.guessed_rate or video.base_rate
            width, height = square_width(video.width, video.sample_aspect_ratio), video.height
            n_frames = video.frames or None
            video_duration = _stream_duration(video)
        if audio is not None:
            audio_rate = audio.rate
            audio_duration = _stream_duration(audio) or duration
        return MediaInfo(
            fps=Fraction(fps) if fps else None,
            n_frames=n_frames,
            width=width,
            height=height,
            duration_s=video_duration or duration,
            audio_rate=audio_rate,
            audio_duration_s=audio_duration,
        )


@contextmanager
def open_media(path: str | Path) -> Iterator[Any]:
    """Open a recording as a PyAV container.

    Raises:
        ClipError: as `probe`.
    """
    file = Path(path)
    size, head = _read_head(file)
    if (stated := _stated_size(file, head)) is not None and stated > size:
        raise ClipError(
            Reason.DECODE_ERROR,
            f"{path} has {size} bytes, but its header states {stated}: the file is truncated",
        )
    try:
        # The explicit protocol makes FFmpeg treat any path as a local file, whatever it looks
        # like, and keeps a playlist from opening other files.
        container = av.open(
            f"file:{file}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except av.FFmpegError as error:
        if head[4:8] == b"ftyp":
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} is an MP4 without its index: the file is truncated"
            ) from None
        raise ClipError(
            Reason.NOT_MEDIA, f"{path} cannot be opened: {ffmpeg_message(error)}"
        ) from None
    with container:
        _check_streams(container, path, size)
        yield container


@dataclass(frozen=True, slots=True)
class AudioGroup:
    """Audio streams of a container that its header ranks alike."""

    #: Numbers of the streams, in order.
    indices: tuple[int, ...]
    #: They are flagged as the default.
    default: bool


def audio_groups(container: Any) -> list[AudioGroup]:
    """Return the audio streams by what the header says of them, the most likely ones first.

    Those flagged as the default come first, comments and descriptions of the picture last. A
    stream of an unknown codec (such as the spatial sound of a phone) is left out if there are
    others.
    """
    streams = list(container.streams.audio)
    known = [stream for stream in streams if stream.codec_context is not None] or streams
    ranks: dict[int, list[int]] = {}
    for stream in known:
        flags = stream.disposition
        rank = 2 if flags & _SECONDARY else 0 if flags & av.stream.Disposition.default else 1
        ranks.setdefault(rank, []).append(stream.index)
    return [AudioGroup(tuple(indices), rank == 0) for rank, indices in sorted(ranks.items())]


def audio_stream(container: Any) -> Any:
    """Return the audio stream that the header recommends, or None."""
    groups = audio_groups(container)
    return container.streams[groups[0].indices[0]] if groups else None


def decoding_error(path: str | Path, error: Any) -> ClipError:
    """Return the error of a file that FFmpeg stops decoding.

    Returns:
        ClipError: decode_error if the file is damaged, not_supported if it uses what FFmpeg lacks.
    """
    reason = Reason.NOT_SUPPORTED if isinstance(error, _LACKING) else Reason.DECODE_ERROR
    return ClipError(reason, f"{path} cannot be decoded to its end: {ffmpeg_message(error)}")


def square_width(width: int, pixel_aspect: Fraction | None) -> int:
    """Return the frame width in square pixels, at the same height.

    An absurd aspect ratio counts as a missing one.
    """
    if pixel_aspect is None or not 0.1 < pixel_aspect < 10:
        return width
    return max(1, round(width * pixel_aspect))


def ffmpeg_message(error: Any) -> str:
    """Return the text of a PyAV error without its file name and code."""
    return str(error.strerror or error)


def _read_head(file: Path) -> tuple[int, bytes]:
    """Return the size of a regular file and its first 64 bytes."""
    if (stub := stub_of(str(file))) is not None:
        raise ClipError(stub.reason, f"{file} {stub.what}")
    try:
        size = file.stat().st_size
        with file.open("rb") as handle:
            head = handle.read(64)
    except FileNotFoundError:
        raise ClipError(Reason.MISSING_FILE, f"{file} does not exist") from None
    except PermissionError:
        raise ClipError(Reason.NOT_PERMITTED, f"{file} is not readable by this user") from None
    except OSError as error:
        raise ClipError(Reason.READ_ERROR, f"{file} cannot be read: {error.strerror}") from None
    if page := web_page(head):  # FFmpeg takes some for sound
        raise ClipError(page.reason, f"{file} {page.what}")
    if not any(head[:16]):
        raise ClipError(
            Reason.DECODE_ERROR, f"{file} begins with zero bytes, as an incomplete copy does"
        )
    return size, head


def _check_streams(container: Any, path: str | Path, size: int) -> None:
    """Raise ClipError if the container is not a recording, is truncated or has unknown codecs."""
    if container.format.name in _NOT_RECORDINGS:
        raise ClipError(
            Reason.NOT_MEDIA,
            f"{path} is not a recording: FFmpeg reads it as {container.format.name}",
        )
    for stream in container.streams:
        index = getattr(stream, "index_entries", None)
        if index and len(index) and index[len(index) - 1].pos + index[len(index) - 1].size > size:
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} ends before its own index does: the file is truncated"
            )
    for stream in (video_stream(container), audio_stream(container)):
        if stream is None:
            continue
        if stream.codec_context is None:
            raise ClipError(
                Reason.NOT_SUPPORTED,
                f"{path} has {stream.type} in a codec that FFmpeg does not know",
            )
        if stream.codec_context.codec_tag in _ENCRYPTED:
            raise ClipError(Reason.NOT_SUPPORTED, f"{path} has encrypted {stream.type}")
        if stream.type == "video" and has_own_colours(path, container, stream):
            raise ClipError(
                Reason.NOT_SUPPORTED,
                f"{path} is Dolby Vision in Dolby's own colours (profile 5): export it as HLG, "
                "HDR10 or SDR",
            )


def _stream_duration(stream: Any) -> float | None:
    return float(stream.duration * stream.time_base) if stream.duration else None


def _stated_size(file: Path, head: bytes) -> int | None:
    """Return the file size that a WAV, AVI, Matroska or WebM header states; None if it does not."""
    if head[:4] in (b"RIFF", b"RF64"):
        return _riff_size(file, head)
    if head[:4] != b"\x1aE\xdf\xa3":
        return None
    head = head.ljust(80, b"\0")
    size, start = _ebml_size(head, 4)
    segment = start + size
    if head[segment : segment + 4] != b"\x18S\x80g":
        return None
    size, start = _ebml_size(head, segment + 4)
    unknown = 2 ** (7 * (start - segment - 4)) - 1  # all ones, as in a live stream
    return None if size == unknown else start + size


def _riff_size(file: Path, head: bytes) -> int | None:
    """Return the file size that a RIFF header states; None if it was written before it was known.

    A program that writes into a pipe cannot go back and fill in the sizes. It leaves 0, or about
    2 or 4 GiB: 0x7ffff024 (espeak, SoX), 0x80000024 (arecord), 0xffffffff (FFmpeg). Then the size
    of the data chunk decides, which some programs know.
    """
    size = int.from_bytes(head[4:8], "little")
    if head[:4] == b"RIFF" and not _is_placeholder(size):
        # The eight bytes before the field are not added: some writers already count them.
        return size
    if head[8:12] != b"WAVE":
        return None
    for name, start, length, content in _riff_chunks(file):
        if name == b"ds64":  # the sizes of a RF64 file, which may exceed 4 GiB
            return int.from_bytes(content[:8], "little") or None
        if name == b"data":
            return None if _is_placeholder(length) else start + length
    return None


def _riff_chunks(file: Path) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Read the chunks of a RIFF file up to its data: name, offset, size, first bytes of each."""
    with file.open("rb") as handle:
        start = 12
        for _ in range(_MAX_CHUNKS):
            handle.seek(start)
            header = handle.read(16)
            if len(header) < 8:
                return
            length = int.from_bytes(header[4:8], "little")
            yield header[:4], start + 8, length, header[8:]
            start += 8 + length + length % 2


def _is_placeholder(size: int) -> bool:
    """Tell whether a 32-bit size is one that programs write when they do not know it yet.

    They count down from a power of two: by a header, or to a whole number of samples or blocks.
    """
    return size == 0 or any(abs(size - limit) <= _PAGE for limit in (2**31, 2**32))


def _ebml_size(head: bytes, at: int) -> tuple[int, int]:
    """Decode the element size at offset `at` of a Matroska file (RFC 8794, section 4).

    Returns:
        The size, and the offset of the element's data.
    """
    length = 9 - head[at].bit_length()
    value = int.from_bytes(head[at : at + length], "big") & (2 ** (7 * length) - 1)
    return value, at + length
