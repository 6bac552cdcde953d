"""Write a clip's frames and sound as the corpora do: H.264 with AAC in MP4, and AAC alone in M4A."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from stccl_data.demo.voice import SAMPLE_RATE

_AUDIO_BLOCK = 1024  # samples of an AAC frame
_BIT_EXACT = {"fflags": "+bitexact"}  # no writing-library tag: the same frames give the same file


def write_video(
    path: Path, frames: Sequence[np.ndarray], fps: Fraction, samples: np.ndarray
) -> None:
    """Write `frames` ((H, W, 3) uint8 RGB, H and W even) with `samples` ((N,) float32, SAMPLE_RATE) as stereo sound."""
    with av.open(str(path), "w", options=_BIT_EXACT) as container:
        options = {"preset": "veryfast", "crf": "17", "g": "50"}
        video: Any = container.add_stream("libx264", rate=fps, options=options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1  # the same bytes whatever the machine
        sound = _audio_stream(container)
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
        _encode_audio(container, sound, samples)


def write_audio(path: Path, samples: np.ndarray) -> None:
    """Write `samples` ((N,) float32, SAMPLE_RATE) as stereo AAC in an M4A file."""
    with av.open(str(path), "w", format="ipod", options=_BIT_EXACT) as container:
        _encode_audio(container, _audio_stream(container), samples)


def _audio_stream(container: Any) -> Any:
    stream = container.add_stream(
        "aac", rate=SAMPLE_RATE, layout="stereo", options={"flags": "+bitexact"}
    )
    stream.bit_rate = 96_000
    return stream


def _encode_audio(container: Any, stream: Any, samples: np.ndarray) -> None:
    planes = np.ascontiguousarray(np.stack([samples, samples]).astype(np.float32))
    for start in range(0, planes.shape[1], _AUDIO_BLOCK):
        block = np.ascontiguousarray(planes[:, start : start + _AUDIO_BLOCK])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
