"""Write small video and sound files through real encoders."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import imageio_ffmpeg
import numpy as np


def source(path: Path, stream: str | None = None, **options: Any) -> Any:
    """Return an input of `transcode`: a file, or one of its streams (``v``, ``a``).

    Options are ffmpeg's for inputs, such as ``itsoffset=0.4``.
    """
    opened = ffmpeg.input(str(path), **options)
    return opened if stream is None else opened[stream]


def transcode(target: Path, *sources: Any, **options: Any) -> None:
    """Write ``target`` with the ffmpeg program, for files that no encoder of PyAV makes.

    Options are ffmpeg's for outputs, such as ``c="copy"``.
    """
    output = ffmpeg.output(*sources, str(target), **options).overwrite_output()
    output.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)


def shown_by_ffmpeg(path: Path) -> np.ndarray:
    """Return the first frame as the ffmpeg program shows it, (H, W, 3) uint8 RGB."""
    shown = path.parent / "shown_by_ffmpeg.png"
    transcode(shown, source(path), vframes=1)
    with av.open(str(shown)) as container:
        image: np.ndarray = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return image


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    """Return a sine of amplitude 0.5, (S,) float32."""
    phase = 2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(phase)).astype(np.float32)


def record(
    path: Path,
    frames: Any = (),
    sound: np.ndarray | None = None,
    *,
    fps: int | Fraction = 25,
    times: Any = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 16_000,
    audio_codec: str = "aac",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    full_range: bool = False,
) -> Path:
    """Write a media file.

    Args:
        path: file to write; its suffix names the container.
        frames: (H, W, 3) uint8 RGB each.
        sound: (S,) mono or (2, S) stereo, float32.
        fps: frame rate, when `times` does not say otherwise.
        times: presentation time of each frame, milliseconds.
        codec, pix_fmt, options: of the video stream.
        rate, audio_codec: of the audio stream.
        container: options of the container.
        aspect: sample aspect ratio.
        full_range: use JPEG levels (0-255) instead of 16-235.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w", options=container or {}) as output:
        video = audio = None
        if len(frames):
            video = _video_stream(output, frames[0].shape, codec, fps, pix_fmt, options or {})
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            if full_range:
                video.codec_context.color_range = 2
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
        if sound is not None:
            channels = np.atleast_2d(sound).astype(np.float32)
            layout = "stereo" if len(channels) == 2 else "mono"
            audio = output.add_stream(audio_codec, rate=rate, layout=layout)
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if full_range:
                frame = frame.reformat(format=pix_fmt, dst_color_range=2)
            if times is not None:
                frame.pts, frame.time_base = int(times[i]), Fraction(1, 1000)
            output.mux(video.encode(frame))
        if video is not None:
            output.mux(video.encode())
        if audio is not None:
            _write_sound(output, audio, channels, rate)
    return path


def _video_stream(
    output: Any, shape: tuple[int, ...], codec: str, fps: Any, pix_fmt: str, options: dict[str, str]
) -> Any:
    if codec == "libx264":
        options = {"crf": "12", **options}
    stream = output.add_stream(codec, rate=fps, options=options)
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = pix_fmt
    if codec in ("mpeg2video", "mpeg4"):
        stream.bit_rate = 4_000_000
    return stream


def _write_sound(output: Any, stream: Any, channels: np.ndarray, rate: int) -> None:
    block = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(channels), format="fltp", layout=stream.layout.name
    )
    block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(
        stream.format, stream.layout, rate, frame_size=stream.codec_context.frame_size or None
    )
    for piece in (*resampler.resample(block), *resampler.resample(None)):
        output.mux(stream.encode(piece))
    output.mux(stream.encode())
