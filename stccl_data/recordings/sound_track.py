"""What is heard in a long recording: phonemes, loudness and beeps, read in blocks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason, StcclError
from stccl_data.executors import usable_cores
from stccl_data.features.phonemes import HOP_S, RATE, phoneme_levels, phoneme_symbols
from stccl_data.media.audio import read_audio
from stccl_data.media.clock import read_clock
from stccl_data.media.container import probe
from stccl_data.media.cut import Cut
from stccl_data.media.seeking import cut_origin
from stccl_data.progress import Progress, SilentProgress
from stccl_data.recordings.beeps import Beep, find_beeps, tone_shares
from stccl_data.recordings.pronunciation import class_levels

#: Seconds of sound that are held at a time.
_BLOCK_S = 600.0
#: Seconds that the acoustic model reads at once, and that are read before and after for context.
_PIECE_S, _CONTEXT_S = 20.0, 0.6
#: Seconds between two values of the loudness, and the coefficient of the filter before it, which
#: removes the rumble of rooms and hands.
LOUDNESS_HOP_S = 0.010
_PRE_EMPHASIS = 0.97
#: Loudness of digital silence, dB.
_SILENCE_DB = -120.0


class RecordingError(StcclError):
    """A recording cannot be searched for speech."""


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """What is heard in a recording. Times are seconds since its first frame."""

    #: (T, C) uint8, a row every 20 ms from 0 s, see `class_levels`
    levels: NDArray[np.uint8]
    #: (L,) float32 dB, every 10 ms from 0 s
    loudness: NDArray[np.float32]
    #: the beeps of a teleprompter
    beeps: tuple[Beep, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.levels) * HOP_S


def read_sound_track(path: Path, progress: Progress | None = None) -> SoundTrack:
    """Read the phonemes and the loudness of a recording of any length.

    Args:
        path: a video or an audio file.
        progress: gets a step for every 20 s of sound.

    Raises:
        ClipError: as `read_audio`.
        RecordingError: the file changed while it was read.
        PhonemeModelError: the acoustic model cannot be loaded.
    """
    progress = progress or SilentProgress()
    before = path.stat() if path.exists() else None
    symbols = phoneme_symbols()
    levels: list[NDArray[np.uint8]] = []
    loudness: list[NDArray[np.float32]] = []
    tones: list[NDArray[np.float32]] = []
    info = probe(path)
    duration = info.duration_s or info.audio_duration_s or 0.0
    progress.stage("listen", int(np.ceil(duration / _PIECE_S)))
    with ThreadPoolExecutor(usable_cores()) as pool:
        for sound, length in _blocks(path):
            hops = _hops(sound, length)
            loudness.append(_loudness(hops))
            tones.append(tone_shares(hops, RATE))
            for piece in pool.map(phoneme_levels, _pieces(sound, length)):
                kept = piece[round(_CONTEXT_S / HOP_S) :][: round(_PIECE_S / HOP_S)]
                levels.append(class_levels(kept, symbols))
                progress.step()
    after = path.stat()
    if before is None or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise RecordingError(f"{path} changed while it was read; wait until it is complete")
    rows = round(sum(map(len, loudness)) * LOUDNESS_HOP_S / HOP_S)
    beeps = find_beeps(np.concatenate(tones), LOUDNESS_HOP_S)
    return SoundTrack(np.concatenate(levels)[:rows], np.concatenate(loudness), beeps)


def _blocks(path: Path) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the sound in blocks: the samples with `_CONTEXT_S` around them, and their number."""
    clock = read_clock(path)
    end = np.inf if clock.shown is None else float(clock.shown[-1])
    margin = round(_CONTEXT_S * RATE)
    start = 0.0
    while start < end:
        cut = Cut(max(0.0, start - 1), min(start + _BLOCK_S + 1, end + 0.4))
        try:
            audio = read_audio(path, cut=cut)
        except ClipError as error:
            if error.reason is not Reason.NO_AUDIO or start == 0.0:
                raise
            return
        origin = cut_origin(path, clock, cut) + audio.start
        first = round((origin - start) * RATE) + margin  # index of the first sample in the block
        last = first + len(audio.samples)
        block = np.zeros(round(_BLOCK_S * RATE) + 2 * margin, np.float32)
        at = slice(max(0, first), min(len(block), last))
        block[at] = audio.samples[at.start - first : at.stop - first]
        complete = last >= len(block) - margin
        length = round(_BLOCK_S * RATE) if complete else max(0, last - margin)
        yield block[: length + 2 * margin], length
        if not complete:
            return
        start += _BLOCK_S


def _pieces(sound: NDArray[np.float32], length: int) -> Iterator[NDArray[np.float32]]:
    """Yield pieces of `_PIECE_S` with `_CONTEXT_S` around each."""
    size, margin = round(_PIECE_S * RATE), round(_CONTEXT_S * RATE)
    for begin in range(0, length, size):
        yield sound[begin : min(begin + size, length) + 2 * margin]


def _hops(sound: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Return the sound without rumble, (L, samples of `LOUDNESS_HOP_S`)."""
    margin, hop = round(_CONTEXT_S * RATE), round(LOUDNESS_HOP_S * RATE)
    inner = sound[margin - 1 : margin + length]
    filtered = inner[1:] - _PRE_EMPHASIS * inner[:-1]
    return filtered[: len(filtered) // hop * hop].reshape(-1, hop)


def _loudness(hops: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.square(hops, dtype=np.float64).mean(axis=1)
    decibels: NDArray[np.float32] = 10 * np.log10(power + 10 ** (_SILENCE_DB / 10))
    return decibels.astype(np.float32)
