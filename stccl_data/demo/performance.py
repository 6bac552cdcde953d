"""Let a speaker say a sentence: the sound, the phoneme times, and the pose of every frame."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from stccl_data.demo.emotions import EXPRESSIONS, MANNERS, Manner
from stccl_data.demo.mesh import Pose
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.visemes import MouthTrack, mouth_track
from stccl_data.demo.voice import SAMPLE_RATE, Phoneme, Prosody, Speech, speak

#: Seconds of silence before and after the sentence, drawn for each clip.
_SILENCE = (0.2, 0.4)
#: Standard deviation, full scale 1: a quiet room, never digital silence.
_ROOM_NOISE = 0.0008
#: Seconds, standard deviation of the fall and rise of the lids.
_BLINK_LENGTH = 0.09
#: Range of the pace of a word, relative to the sentence.
_WORD_PACE = (0.85, 1.18)


@dataclass(frozen=True, slots=True)
class Performance:
    """A clip before it is drawn."""

    #: (N,) float32 at SAMPLE_RATE
    samples: np.ndarray
    #: times in seconds on the clip's clock
    phonemes: tuple[Phoneme, ...]
    #: at the frame times
    mouth: MouthTrack
    #: one per frame
    poses: tuple[Pose, ...]


def perform(
    speaker: Speaker, emotion: str, text: str, fps: Fraction, random: np.random.Generator
) -> Performance:
    """Let `speaker` say `text` with `emotion`.

    Frame times are 0, 1/fps, ... All randomness comes from `random`.
    """
    manner = MANNERS[emotion]
    speech = _say(speaker, manner, text, random)
    before, after = random.uniform(*_SILENCE, 2)
    n_frames = round((before + speech.duration + after) * float(fps))
    samples = np.zeros(round(n_frames * SAMPLE_RATE / fps), np.float32)
    start = round(before * SAMPLE_RATE)
    samples[start : start + len(speech.samples)] = speech.samples
    samples += random.normal(0, _ROOM_NOISE, len(samples)).astype(np.float32)
    shift = start / SAMPLE_RATE
    phonemes = tuple(
        Phoneme(sound.symbol, round(sound.start + shift, 6), round(sound.end + shift, 6))
        for sound in speech.phonemes
    )
    times = np.arange(n_frames) / float(fps)
    mouth = mouth_track(phonemes, times)
    return Performance(samples, phonemes, mouth, _poses(times, mouth, emotion, manner, random))


def _say(speaker: Speaker, manner: Manner, text: str, random: np.random.Generator) -> Speech:
    """Speak `text`, each word at its own pace: the map between two emotions is not linear."""
    words = text.split()
    paces = random.uniform(*_WORD_PACE, len(words))
    prosody = Prosody(
        rate=np.clip(speaker.rate * manner.rate, 80, 300),
        pitch=np.clip(speaker.pitch * manner.pitch, 0, 99),
        pitch_range=np.clip(50 * manner.pitch_range, 0, 99),
        volume=np.clip(80 * manner.volume, 0, 110),
    )
    return speak(words, list(paces), speaker.voice, prosody)


def _poses(
    times: np.ndarray, mouth: MouthTrack, emotion: str, manner: Manner, random: np.random.Generator
) -> tuple[Pose, ...]:
    """Combine mouth, expression, blink and the sway of the head. The order of draws is fixed."""
    strength = 1 + 0.12 * _sway(times, random, 0.3, 0.9)
    x, y = 1.3 * _sway(times, random), 1.0 * _sway(times, random)
    roll = 0.018 * _sway(times, random)
    yaw = 0.05 * _sway(times, random)
    pitch = 0.03 * _sway(times, random)
    zoom = 1 + 0.01 * _sway(times, random)
    blink = np.exp(-(((times - random.uniform(0.3, times[-1] + 0.8)) / _BLINK_LENGTH) ** 2))
    expression = EXPRESSIONS[emotion]
    return tuple(
        Pose(
            opening=float(manner.opening * mouth.opening[i]),
            spread=float(mouth.spread[i]),
            expression=expression.scaled(float(strength[i])),
            blink=float(blink[i]),
            shift=(float(x[i]), float(y[i])),
            roll=float(roll[i]),
            yaw=float(yaw[i]),
            pitch=float(pitch[i]),
            zoom=float(zoom[i]),
        )
        for i in range(len(times))
    )


def _sway(
    times: np.ndarray, random: np.random.Generator, slow: float = 0.25, fast: float = 0.8
) -> np.ndarray:
    """Draw a smooth motion within about -1 .. 1, (N,): three sines of `slow` to `fast` Hz."""
    rates, phases = random.uniform(slow, fast, 3), random.uniform(0, 2 * np.pi, 3)
    motion: np.ndarray = np.sin(2 * np.pi * times[:, None] * rates + phases).sum(axis=1) / 2
    return motion
