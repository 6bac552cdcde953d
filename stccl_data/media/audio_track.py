"""Choose the audio track of a recording that has several: the one that its maker meant."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stccl_data.errors import ClipError, Reason
from stccl_data.media.clock import ClipClock
from stccl_data.media.seeking import Window
from stccl_data.media.sound import decode_sound, mix

#: Peak amplitude below which a track is silent (16-bit dither is 3e-5).
_SILENCE = 1e-4

#: dB by which the loud parts of speech exceed its pauses at least. Noise, hum and a steady tone
#: stay within 3; speech 10 dB above a noise exceeds its pauses by that.
_SPEECH_RANGE = 8.0

#: Hz at which tracks are compared, and seconds over which their level is measured.
_RATE, _BLOCK = 16_000, 0.05


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """The track that a clip's sound is read from."""

    #: Number of the stream in the file.
    index: int
    #: Why this one, see `Extraction.notes`; None if there is no other.
    note: str | None


def choose_track(path: str | Path, clock: ClipClock, window: Window | None = None) -> AudioTrack:
    """Choose the track flagged as the default, else the first with speech.

    A silent track is chosen only if all are silent, and a commentary only if all others are. With
    a window, what is heard in it decides.

    Raises:
        ClipError: no_audio, and as `decode_sound`.
    """
    if not clock.audio:
        raise ClipError(Reason.NO_AUDIO, f"{path} has no audio stream")
    indices = sorted(index for group in clock.audio for index in group.indices)
    if len(indices) == 1:
        return AudioTrack(indices[0], None)
    numbers = {index: number for number, index in enumerate(indices, 1)}
    for group in clock.audio:
        levels = {index: _level_range(path, index, clock, window) for index in group.indices}
        spoken = [index for index, level in levels.items() if level >= _SPEECH_RANGE]
        audible = [index for index, level in levels.items() if level >= 0]
        if audible:
            index = (spoken or audible)[0]
            only_default = group.default and len(group.indices) == 1
            why = "default flag" if only_default else "the first with speech"
            if not spoken and not only_default:
                why = "the first that is audible"
            return AudioTrack(index, f"used audio track {numbers[index]} of {len(numbers)} ({why})")
    index = clock.audio[0].indices[0]
    return AudioTrack(index, f"used audio track {numbers[index]} of {len(numbers)} (all silent)")


def _level_range(path: str | Path, index: int, clock: ClipClock, window: Window | None) -> float:
    """Return by how many dB a track's loud parts exceed its quiet ones; negative if it is silent.

    A track that cannot be decoded is silent.
    """
    try:
        samples, _ = mix(decode_sound(path, index, _RATE, clock, window).channels)
    except ClipError as error:
        if error.reason in (Reason.NO_AUDIO, Reason.DECODE_ERROR, Reason.NOT_SUPPORTED):
            return -1.0
        raise
    if np.abs(samples - samples.mean()).max() < _SILENCE:
        return -1.0
    size = round(_BLOCK * _RATE)
    blocks = samples[: max(1, len(samples) // size) * size].reshape(-1, min(size, len(samples)))
    level = 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-12)
    low, high = np.quantile(level, [0.1, 0.9])
    return float(high - low)
