"""Decode one audio track into channels with the stamps of their blocks, and mix channels to one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.media.clock import ClipClock
from stccl_data.media.container import open_media
from stccl_data.media.placement import Stamps
from stccl_data.media.seeking import Window, cut_sound

#: Plausible sample rates of a speech recording, Hz: from less than a telephone's to the highest
#: that sound cards write.
_MIN_RATE, _MAX_RATE = 2_000, 768_000

#: Correlation of two channels below which they cancel: their mean keeps less than 15 % of the
#: power (8 dB), and of the voice nothing. Two microphones that stand apart stay above.
_INVERTED = -0.7

INVERTED = "one channel of an inverted pair used"


@dataclass(frozen=True, slots=True)
class DecodedSound:
    """One audio track as decoded."""

    #: (C, S) float32, block after block.
    channels: NDArray[np.float32]
    #: When the blocks are heard, on the clock of the container without jumps.
    stamps: Stamps
    #: Hz, of the channels and of the file.
    rate: int
    native_rate: int


def decode_sound(
    path: str | Path, index: int, rate: int | None, clock: ClipClock, window: Window | None = None
) -> DecodedSound:
    """Decode the stream `index` of a file.

    Args:
        path: the file.
        index: number of the stream.
        rate: Hz of the result; None for the file's own rate.
        clock: of the file.
        window: the part that is wanted; whole blocks come. None for all.

    Raises:
        ClipError: as `probe`, and no_audio (not a single sample), decode_error.
    """
    with open_media(path) as container:
        stream = container.streams[index]
        if not _MIN_RATE <= stream.rate <= _MAX_RATE:
            raise ClipError(
                Reason.DECODE_ERROR,
                f"{path} states a sample rate of {stream.rate:,} Hz: its header is damaged",
            )
        out_rate = rate or stream.rate
        resampler = av.AudioResampler(format="fltp", rate=out_rate)
        pieces: list[NDArray[np.float32]] = []
        decoded: list[float] = []
        heard: list[float] = []
        length = 0.0  # seconds
        for frame in cut_sound(container, index, path, clock, window):
            if frame.time is not None or not heard:
                decoded.append(length)
                heard.append(float(frame.time or 0.0))
            length += frame.samples / frame.sample_rate
            try:
                blocks = resampler.resample(frame)
            except ValueError:  # PyAV: the resampler was set up for another format
                raise ClipError(
                    Reason.NOT_SUPPORTED, f"{path} changes its sample rate or channels mid-clip"
                ) from None
            pieces += [_samples(block) for block in blocks]
        if not heard:
            where = "" if window is None else " in this part"
            detail = f"{path} has an audio stream without any samples{where}"
            raise ClipError(Reason.NO_AUDIO, detail)
        pieces += [_samples(block) for block in resampler.resample(None)]
        channels = np.concatenate(pieces, axis=1)
        stamps = Stamps(np.array(decoded), np.array(heard))
        return DecodedSound(channels, stamps, out_rate, stream.rate)


def _samples(block: Any) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = block.to_ndarray().astype(np.float32, copy=False)
    return samples


def mix(channels: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Average the channels that are neither silent nor the inverse of the loudest one.

    Args:
        channels: (C, S).

    Returns:
        (S,) float32 in [-1, 1], and what was done (see `Extraction.notes`).
    """
    if not np.isfinite(channels).all():
        channels = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    level = np.sqrt(np.mean(np.square(channels), axis=1, dtype=np.float64))
    loudest = channels[np.argmax(level)]
    live = channels[level > 1e-3 * level.max()] if level.max() > 0 else channels
    notes: tuple[str, ...] = ()
    if len(live) > 1:
        kept = np.array([_correlation(loudest, channel) > _INVERTED for channel in live])
        if not kept.all():
            live, notes = live[kept], (INVERTED,)
    clipped: NDArray[np.float32] = np.clip(live.mean(axis=0), -1.0, 1.0).astype(np.float32)
    return clipped, notes


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the correlation of two channels; 0 if one is constant."""
    x, y = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 0 else 0.0
