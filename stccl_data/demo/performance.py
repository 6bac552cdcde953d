"""One clip, from labels to files: the voice speaks, the face follows, the truth is kept."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from stccl_data.demo.emotions import EXPRESSIONS, MANNERS, Manner
from stccl_data.demo.face import Face
from stccl_data.demo.film import write_audio, write_video
from stccl_data.demo.layouts import ClipName
from stccl_data.demo.mesh import Pose
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.truth import ClipTruth
from stccl_data.demo.visemes import MouthTrack, mouth_track
from stccl_data.demo.voice import SAMPLE_RATE, Phoneme, Prosody, Speech, speak

_SILENCE = (0.2, 0.4)  # seconds before and after the sentence, drawn for each clip
_ROOM_NOISE = 0.0008  # standard deviation, full scale 1: a quiet room, never digital silence
_BLINK_LENGTH = 0.09  # seconds, standard deviation of the lids' fall and rise


@dataclass(frozen=True, slots=True)
class Performance:
    """A clip before it is drawn. `samples`: (N,) float32 at SAMPLE_RATE; one pose a frame; phoneme times on the clip's clock."""

    samples: np.ndarray
    phonemes: tuple[Phoneme, ...]
    mouth: MouthTrack
    poses: tuple[Pose, ...]


def perform(
    speaker: Speaker, emotion: str, text: str, fps: Fraction, random: np.random.Generator
) -> Performance:
    """Let `speaker` say `text`: sound, phoneme times and poses at frame times 0, 1/fps, ... All chance comes from `random`."""
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
    """Each word has a pace of its own, so that the map between two emotions is no straight line."""
    words = text.split()
    paces = random.uniform(0.85, 1.18, len(words))
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
    strength = 1 + 0.12 * _sway(times, random, 0.3, 0.9)
    x, y = 1.3 * _sway(times, random), 1.0 * _sway(times, random)
    roll, yaw, pitch = (
        0.018 * _sway(times, random),
        0.05 * _sway(times, random),
        0.03 * _sway(times, random),
    )
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
    """(N,) a smooth wandering within about -1 .. 1: three sines of `slow` to `fast` hertz."""
    rates, phases = random.uniform(slow, fast, 3), random.uniform(0, 2 * np.pi, 3)
    swayed: np.ndarray = np.sin(2 * np.pi * times[:, None] * rates + phases).sum(axis=1) / 2
    return swayed


def film(
    name: ClipName, speaker: Speaker, folder: Path, size: int, fps: Fraction, seed: list[int]
) -> ClipTruth:
    """Render the clip `name` under `folder` and return its truth. The same arguments give the same files."""
    random = np.random.default_rng(seed)
    play = perform(speaker, name.emotion, name.text, fps, random)
    face = Face(speaker, size, seed=int(random.integers(2**31)))
    drawn = [face.draw(pose) for pose in play.poses]
    path = folder / name.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [frame for frame, _ in drawn], fps, play.samples)
    if name.audio_path is not None:
        (folder / name.audio_path).parent.mkdir(parents=True, exist_ok=True)
        write_audio(folder / name.audio_path, play.samples)
    return ClipTruth(
        path=str(name.path),
        audio_path=None if name.audio_path is None else str(name.audio_path),
        speaker=name.speaker,
        emotion=name.emotion,
        level=name.level,
        sentence=name.sentence,
        take=name.take,
        text=name.text,
        fps=str(fps),
        n_frames=len(drawn),
        duration=len(play.samples) / SAMPLE_RATE,
        speech_start=play.phonemes[0].start,
        speech_end=play.phonemes[-1].end,
        phonemes=play.phonemes,
        opening=tuple(round(gap, 5) for _, gap in drawn),
        mouth_open=tuple(round(float(value), 4) for value in play.mouth.opening),
        mouth_spread=tuple(round(float(value), 4) for value in play.mouth.spread),
    )
