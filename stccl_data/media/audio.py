"""Read the audio of a clip as mono samples, and encode it as FLAC."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip
from stccl_data.errors import ClipError, Reason
from stccl_data.media.container import MediaInfo, audio_stream, decode, open_media

#: Hz, at which speech features are computed.
SPEECH_RATE = 16_000

#: Plausible sample rates of a speech recording, Hz: from less than a telephone's to the highest
#: that sound cards write.
_MIN_RATE, _MAX_RATE = 2_000, 768_000

#: Corpora whose separate audio file is a copy of the video's own audio (of SAVEE: not verified).
#: The video's own is preferred: it is certain to be in sync with the frames.
_AUDIO_IN_VIDEO = frozenset({"mead", "cremad", "ravdess", "savee"})


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono audio on its container's clock."""

    #: (S,) float32 in [-1, 1].
    samples: NDArray[np.float32]
    #: Hz.
    rate: int
    #: Container time of the first sample, seconds.
    start: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def audio_source(clip: Clip, info: MediaInfo) -> str | None:
    """Return the file that the clip's audio is read from; None if the clip has no audio.

    `audio_path` wins, except in corpora where it is a copy of the video's own audio.

    Args:
        clip: the clip.
        info: what `probe` reads from `clip.path`.
    """
    in_video = clip.path if info.audio_rate is not None else None
    if clip.corpus in _AUDIO_IN_VIDEO:
        return in_video or clip.audio_path
    return clip.audio_path or in_video


def read_audio(path: str | Path, rate: int | None = SPEECH_RATE) -> Audio:
    """Read the first audio stream as mono.

    Channels are averaged; silent ones (a dead microphone) are left out of the average. A gap in
    the stream is filled with silence, so that sample i is always at time ``start + i / rate``.

    Args:
        path: an audio or video file.
        rate: Hz of the result; None for the file's own rate.

    Raises:
        ClipError: as `probe`, and no_audio, decode_error.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        if stream is None:
            raise ClipError(Reason.NO_AUDIO, f"{path} has no audio stream")
        if not _MIN_RATE <= stream.rate <= _MAX_RATE:
            raise ClipError(
                Reason.DECODE_ERROR,
                f"{path} states a sample rate of {stream.rate:,} Hz: its header is damaged",
            )
        out_rate = rate or stream.rate
        start, channels = _read_channels(decode(container, stream, path), out_rate, path)
    return Audio(_mix(channels), out_rate, start)


def encode_flac(audio: Audio) -> bytes:
    """Encode audio as a 16-bit FLAC file whose first sample is at container time 0.

    Silence is inserted before a later start; samples before time 0 are cut off.
    """
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


def _read_channels(
    frames: Iterator[Any], rate: int, path: str | Path
) -> tuple[float, NDArray[np.float32]]:
    """Resample decoded audio and fill its gaps with silence.

    Returns:
        The container time of the first sample in seconds, and (C, S) float32 samples.
    """
    resampler = av.AudioResampler(format="fltp", rate=rate)
    pieces: list[NDArray[np.float32]] = []
    start: float | None = None
    length = 0  # samples so far
    for frame in frames:
        if start is None:
            start = float(frame.time or 0.0)
        elif frame.time is not None:
            gap = round((frame.time - start) * rate) - length
            if gap > rate // 10 and pieces:
                pieces.append(np.zeros((pieces[0].shape[0], gap), np.float32))
                length += gap
        try:
            blocks = resampler.resample(frame)
        except ValueError:  # PyAV: the resampler was set up for another format
            raise ClipError(
                Reason.DECODE_ERROR, f"{path} changes its sample rate or channels mid-clip"
            ) from None
        for block in blocks:
            pieces.append(block.to_ndarray().astype(np.float32, copy=False))
            length += pieces[-1].shape[1]
    if start is None:
        raise ClipError(Reason.NO_AUDIO, f"{path} has an audio stream without any samples")
    pieces += [
        block.to_ndarray().astype(np.float32, copy=False) for block in resampler.resample(None)
    ]
    return start, np.concatenate(pieces, axis=1)


def _mix(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels that are not silent. channels: (C, S). Returns (S,) in [-1, 1]."""
    if not np.isfinite(channels).all():
        channels = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    level = np.sqrt(np.mean(np.square(channels), axis=1, dtype=np.float64))
    live = level > 1e-3 * level.max()
    mono = channels[live].mean(axis=0) if live.any() else channels.mean(axis=0)
    clipped: NDArray[np.float32] = np.clip(mono, -1.0, 1.0).astype(np.float32)
    return clipped
