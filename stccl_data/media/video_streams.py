"""Choose the video stream of a recording among thumbnails, covers and previews."""

from typing import Any

from av.stream import Disposition

#: What a stream is that states one of these flags: a cover, a strip of thumbnails, a still, or
#: the second view of a stereo recording.
_NOT_A_RECORDING = (
    Disposition.attached_pic
    | Disposition.timed_thumbnails
    | Disposition.still_image
    | Disposition.dependent
)
#: Codecs of covers that were stored without a flag.
_IMAGE_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000"})
#: A stream with a smaller share of the frames of another one is a track of stills.
_MIN_FRAME_SHARE = 0.1


def video_stream(container: Any) -> Any:
    """Return the video stream with the most pixels that is a recording, or None.

    Streams that FFmpeg can decode come first; of two equal ones, the one flagged as default.
    """
    candidates = _recordings(container)
    if not candidates:
        return None
    return max(
        candidates,
        key=lambda stream: (
            stream.codec_context is not None,
            stream.width * stream.height if stream.codec_context is not None else 0,
            bool(stream.disposition & Disposition.default),
            -stream.index,
        ),
    )


def video_stream_note(container: Any) -> tuple[str, ...]:
    """Return a note if there was a choice, see `stccl_data.extract.Extraction.notes`."""
    candidates = _recordings(container)
    if len(candidates) < 2:
        return ()
    number = candidates.index(video_stream(container)) + 1
    return (f"used video track {number} of {len(candidates)} (largest)",)


def _recordings(container: Any) -> list[Any]:
    streams = [s for s in container.streams.video if not s.disposition & _NOT_A_RECORDING]
    most = max((stream.frames for stream in streams), default=0)
    return [
        stream
        for stream in streams
        if not 0 < stream.frames < _MIN_FRAME_SHARE * most
        and not (_is_single_image(stream) and container.streams.audio)
    ]


def _is_single_image(stream: Any) -> bool:
    codec = stream.codec_context
    return stream.frames == 1 and codec is not None and codec.name in _IMAGE_CODECS
