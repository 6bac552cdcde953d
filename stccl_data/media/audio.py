"""Read the audio of a clip as mono samples, and encode it as FLAC."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip
from stccl_data.media.audio_track import choose_track
from stccl_data.media.clock import read_clock
from stccl_data.media.container import MediaInfo
from stccl_data.media.cut import Cut
from stccl_data.media.placement import AFTER_CLIP, Stamps, place_sound
from stccl_data.media.seeking import Window, cut_origin
from stccl_data.media.sound import decode_sound, mix

#: Hz, at which speech features are computed.
SPEECH_RATE = 16_000

JOINED_AT_START = "sound and frames joined at their starts, since their clocks differ"

#: Corpora whose separate audio file is a copy of the video's own audio (of SAVEE: not verified).
#: The video's own is preferred: it is certain to be in sync with the frames.
_AUDIO_IN_VIDEO = frozenset({"mead", "cremad", "ravdess", "savee"})


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono audio on the clock of its clip, whose zero is the first frame."""

    #: (S,) float32 in [-1, 1].
    samples: NDArray[np.float32]
    #: Hz.
    rate: int
    #: Clip time of the first sample, seconds: negative if the sound begins before the first frame.
    start: float
    #: Hz, of the file that it was read from; None if it was not.
    native_rate: int | None = None
    #: How it was read, if unusual: see `Extraction.notes`.
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def from_zero(self) -> NDArray[np.float32]:
        """Return the samples from clip time 0 on: cut off before, silent where there are none."""
        shift = round(self.start * self.rate)
        return np.pad(self.samples, (shift, 0)) if shift > 0 else self.samples[-shift:]


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


def read_audio(
    path: str | Path,
    rate: int | None = SPEECH_RATE,
    *,
    video: str | Path | None = None,
    cut: Cut | None = None,
) -> Audio:
    """Read the sound of a clip as mono, on the clock of its frames.

    Of several tracks the one flagged as the default is read, else the first with speech. Channels
    are averaged; silent ones (a dead microphone) and inverted ones are left out of the average.
    Sample i is heard at ``start + i / rate``, whatever the stamps of the stream do: see
    `place_sound`.

    Args:
        path: an audio or video file.
        rate: Hz of the result; None for the file's own rate.
        video: the file that the frames are in, if it is another one. Both begin at the same
            instant: the sound's start is the earliest start of the streams of `video`.
        cut: the part of the recording that is the clip: from its first frame to its end.

    Raises:
        ClipError: as `probe`, and no_audio, cut_outside, decode_error.
    """
    clock = read_clock(path)
    zero, end = clock.zero, clock.end
    frames = clock
    if video is not None and Path(video) != Path(path):
        frames = read_clock(video)
        zero = clock.start + frames.zero - frames.start
        end = zero + frames.end - frames.zero
    window = None
    if cut is not None:
        end = min(end, zero + cut.end)
        zero += cut_origin(video or path, frames, cut)
        window = Window(zero, end)
    track = choose_track(path, clock, window)
    sound = decode_sound(path, track.index, rate, clock, window)
    heard = sound.stamps.heard - zero
    notes = [] if track.note is None else [track.note]
    length = sound.channels.shape[1] / sound.rate
    if heard[0] > end - zero + AFTER_CLIP or heard[-1] < -length:
        heard = heard - heard[0]
        notes.append(JOINED_AT_START)
    placed = place_sound(
        sound.channels, Stamps(sound.stamps.decoded, heard), sound.rate, end - zero
    )
    samples, inverted = mix(placed.samples)
    notes += [*placed.notes, *inverted]
    audio = Audio(samples, sound.rate, placed.start, sound.native_rate, tuple(notes))
    return audio if window is None else _within(audio, window.end - window.begin)


def _within(audio: Audio, length: float) -> Audio:
    """Cut off what is before clip time 0 and after `length` seconds."""
    first = max(0, round(-audio.start * audio.rate))
    last = len(audio.samples)
    if np.isfinite(length):
        last = max(first, round((length - audio.start) * audio.rate))
    start = audio.start + first / audio.rate
    return replace(audio, samples=audio.samples[first:last], start=start)


def encode_flac(audio: Audio) -> bytes:
    """Encode audio as a 16-bit FLAC file whose first sample is at clip time 0, the first frame.

    Silence is inserted before a later start; sound before the first frame is cut off.
    """
    pcm = np.round(audio.from_zero() * 32767).astype(np.int16)[None]
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
