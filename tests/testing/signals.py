"""Datasets of drawn faces that move by a known signal, to find out what a verdict can be fooled by.

Each speaker says each sentence in neutral and in three emotions, at another pace each time; the
alignment of the pairs is exact. Only the signal ``lips`` says a sentence: the others follow the
clock, the loudness that all sentences share, or nothing that the clips have in common.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import Alignment
from stccl_data.alignment.warping_path import frame_map
from stccl_data.clip import Clip
from stccl_data.dataset.sample import clip_record, sample_content
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.face.track import Track
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.pairs.candidates import clip_name, utterance_key
from tests.testing.datasets import (
    SmallDataset,
    pair_record,
    pair_row,
    write_other_files,
    write_tables,
)

SIZE = 64
EMOTIONS = ("neutral", "angry", "happy", "sad")
FPS = 25

Series = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """What moves in a clip; (N,) each."""

    #: 0 closed to 1 open.
    mouth: Series
    #: Added to the mouth's width, as a share.
    width: Series | float = 0.0
    #: Pixels by which the head moves.
    x: Series | float = 0.0
    y: Series | float = 0.0
    #: 0 open to 1 closed.
    blink: Series | float = 0.0
    #: Added to the brightness, as a share.
    light: Series | float = 0.0


@dataclass(frozen=True)
class Moments:
    """The time axes of a clip; (N,) each, from 0 to 1."""

    #: Position in the clip.
    clock: Series
    #: Position in the sentence.
    sentence: Series
    #: Generators of the sentence and of the clip.
    of_sentence: np.random.Generator = field(repr=False)
    of_clip: np.random.Generator = field(repr=False)


def _wave(rng: np.random.Generator, at: Series, cycles: float) -> Series:
    """Return a random smooth series from 0 to 1 of about this many cycles."""
    frequencies = rng.uniform(0.5 * cycles, 1.3 * cycles, 4)
    phases = rng.uniform(0, 2 * np.pi, 4)
    total = np.sin(2 * np.pi * frequencies[:, None] * at + phases[:, None]).sum(0)
    return 0.5 + 0.5 * np.clip(total / 2.5, -1, 1)


def _lips(m: Moments) -> Motion:
    opening, width = (_wave(m.of_sentence, m.sentence, 8) for _ in range(2))
    return Motion(opening, width=0.4 * (width - 0.5))


_RESTING = 0.3

SIGNALS: dict[str, Callable[[Moments], Motion]] = {
    "lips": _lips,
    "clock": lambda m: Motion(np.sin(np.pi * m.clock)),
    "drift": lambda m: Motion(m.clock),
    "envelope": lambda m: Motion(np.sin(np.pi * m.sentence) ** 2),
    "pose": lambda m: Motion(
        np.full(len(m.clock), _RESTING),
        x=6 * (_wave(m.of_clip, m.clock, 2) - 0.5),
        y=6 * (_wave(m.of_clip, m.clock, 2) - 0.5),
    ),
    "blink": lambda m: Motion(
        np.full(len(m.clock), _RESTING), blink=_wave(m.of_clip, m.clock, 4) ** 4
    ),
    "lighting": lambda m: Motion(
        np.full(len(m.clock), _RESTING), light=0.5 * (_wave(m.of_clip, m.clock, 1.5) - 0.5)
    ),
    "random": lambda m: Motion(_wave(m.of_clip, m.clock, 8)),
}


#: Two speakers to train on, one to test on.
SPEAKERS = {"train": ("T1", "T2"), "test": ("H1",)}


def write_signal_dataset(
    out: Path, signal: str, sentences: int, splits: Sequence[str] = ("train", "test")
) -> None:
    """Write a dataset whose faces move by a signal.

    Args:
        out: folder for the dataset.
        signal: key of `SIGNALS`.
        sentences: sentences of each speaker; each gives three pairs.
        splits: which of `SPEAKERS`.
    """
    dataset = SmallDataset(out)
    files: list[ShardFile] = []
    for split in splits:
        writer = ShardWriter(out, split, 2**24)
        for speaker in SPEAKERS[split]:
            for sentence in range(sentences):
                _add_utterance(dataset, writer, split, _perform(speaker, sentence, signal))
        files += writer.close()
    write_tables(out, dataset.clips, dataset.pairs)
    write_other_files(dataset, files)


@dataclass(frozen=True)
class _Performance:
    """One clip: its labels, its face, and where in the sentence each of its frames is."""

    clip: Clip
    track: Track
    position: Series


def _perform(speaker: str, sentence: int, signal: str) -> list[_Performance]:
    """Draw the clips of one sentence, neutral first."""
    performances = []
    for number, emotion in enumerate(EMOTIONS):
        of_clip = np.random.default_rng([*speaker.encode(), sentence, number])
        n = int(of_clip.integers(60, 76))
        clock = np.linspace(0, 1, n)
        position = clock + of_clip.uniform(-0.12, 0.12) * np.sin(np.pi * clock)
        moments = Moments(clock, position, np.random.default_rng([7, sentence]), of_clip)
        clip = Clip(
            clip_id=f"own/{speaker}/front/{emotion}-1/s{sentence:03d}-t001",
            corpus="own",
            speaker=speaker,
            emotion=emotion,
            sentence=f"s{sentence:03d}",
            path=f"/drawn/{speaker}/{emotion}/{sentence}.mp4",
            fps=Fraction(FPS),
            n_frames=n,
            width=SIZE,
            height=SIZE,
            duration_s=n / FPS,
        )
        track = _draw(speaker, number, SIGNALS[signal](moments))
        performances.append(_Performance(clip, track, position))
    return performances


def _add_utterance(
    dataset: SmallDataset, writer: ShardWriter, split: str, performances: list[_Performance]
) -> None:
    """Write the clips of one sentence, and the pairs of neutral with each other clip."""
    neutral = performances[0]
    key = utterance_key(neutral.clip)
    names = {p.clip.emotion: clip_name(p.clip) for p in performances}
    place = {"utterance": key, "split": split}
    records = []
    for other in performances[1:]:
        emotion = other.clip.emotion
        records.append(pair_record(names, emotion, _align(neutral, other), None))
        clips = {p.clip.emotion: p.clip for p in performances}
        dataset.pairs.append(pair_row(clips, names, place, records[-1], emotion))
    members = {
        names[p.clip.emotion]: clip_record(p.clip, {}, p.track, p.track.times) for p in performances
    }
    writer.add(key, sample_content(key, members, records))
    dataset.keys.append(key)
    state = {"state": "paired", "reason": None, "detail": None}
    for p in performances:
        dataset.clips.append({**p.clip.row(), **state, **place, "name": names[p.clip.emotion]})


def _align(source: _Performance, target: _Performance) -> Alignment:
    """Return the exact alignment of two clips."""
    times = source.track.times, target.track.times
    target_time = np.interp(source.position, target.position, times[1])
    return Alignment(
        source_time=times[0],
        target_time=target_time,
        frame_map=frame_map(*times, times[0], target_time),
        frame_path=np.zeros((0, 2), np.int32),
        mode="audio",
        cost=0.5,
        duration_ratio=len(times[1]) / len(times[0]),
        longest_repeat=2,
        diagonal_fraction=0.9,
        local_slope=0.1,
    )


def _draw(speaker: str, emotion: int, motion: Motion) -> Track:
    """Draw a clip: a textured face, whose look depends on the emotion as a whole.

    Else even an untrained metric would find what moves.
    """
    n = len(motion.mouth)
    look = np.random.default_rng([*speaker.encode(), emotion])
    noise = np.random.default_rng([*speaker.encode(), emotion, n])
    tint, shade = look.uniform(0.8, 1.2, 3), look.uniform(-0.3, 0.3, 2)
    ramp = np.linspace(-1, 1, SIZE)
    shading = 1 + shade[0] * ramp[:, None, None] + shade[1] * ramp[None, :, None]
    reach, offset = look.uniform(0.6, 1.2), look.uniform(-2, 2, 2)
    texture = np.random.default_rng([ord(c) for c in speaker]).normal(0, 1, (SIZE, SIZE, 3))
    texture = cv2.GaussianBlur(texture, (0, 0), 2) * 60 + (150, 120, 100)
    series = {
        name: np.broadcast_to(np.asarray(getattr(motion, name), float), n)
        for name in ("mouth", "width", "x", "y", "blink", "light")
    }
    images, points = [], np.zeros((n, 68, 2), np.float32)
    for i in range(n):
        values = {name: float(values[i]) for name, values in series.items()}
        values["mouth"] *= reach
        image, points[i] = _frame(texture, emotion, offset, values)
        image = image * tint * shading + noise.normal(0, 8, image.shape)
        images.append(encode_jpeg(np.clip(image, 0, 255).astype(np.uint8), 92))
    eye = np.tile(np.eye(2, 3), (n, 1, 1))
    jpegs = JpegSeries.from_jpegs(images)
    return Track(
        times=np.arange(n) / FPS,
        valid=np.ones(n, np.bool_),
        landmarks=points,
        face_transforms=eye,
        mouth_transforms=eye,
        presence=np.ones(n, np.float32),
        blendshapes=None,
        face=jpegs,
        mouth=jpegs,
    )


def _frame(
    texture: NDArray[np.float64], emotion: int, offset: NDArray[np.float64], v: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Draw one frame. Returns the image and its 68 points."""
    image = texture.copy()
    for x in (20, 44):
        height = max(0.5, 4 * (1 - v["blink"]))
        _ellipse(image, (x, 24), (6, height), (235, 235, 235))
        _ellipse(image, (x, 24), (2.5, min(2.5, height)), (40, 30, 30))
        _ellipse(image, (x, 15 - emotion), (8, 1.5), (60, 40, 30))
    half_width, half_height = 11 * (1 + v["width"]), 1 + 7 * v["mouth"]
    centre = (32 + offset[0], 46 + offset[1])
    _ellipse(image, centre, (half_width + 2, half_height + 2), (170, 70, 80))
    _ellipse(image, centre, (half_width, half_height), (50, 15, 20))
    shift = np.array([[1, 0, v["x"]], [0, 1, v["y"]]])
    image = cv2.warpAffine(image, shift, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    points = np.full((68, 2), 32.0, np.float32)
    for first, count, extra in ((48, 12, 2), (60, 8, 0)):  # outer and inner lips, from the left
        angle = np.pi + np.linspace(0, 2 * np.pi, count, endpoint=False)
        lips = np.stack([np.cos(angle), np.sin(angle)], 1) * (
            half_width + extra,
            half_height + extra,
        )
        points[first : first + count] = lips + np.array(centre)
    angle = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    around = np.stack([np.cos(angle) * 6, np.sin(angle) * 4], 1)
    points[36:42], points[42:48] = around + np.array([20, 24]), around + np.array([44, 24])
    points[17:27] = np.stack([np.linspace(12, 52, 10), np.full(10, 15)], 1)
    points += (v["x"], v["y"])
    return image * (1 + v["light"]), points


def _ellipse(
    image: NDArray[np.float64],
    centre: tuple[float, float],
    axes: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """Draw a filled ellipse with soft edges, to a sixteenth of a pixel."""
    fixed = [round(16 * value) for value in (*centre, *axes)]
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.ellipse(mask, fixed[:2], fixed[2:], 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
    weight = mask[..., None] / 255
    image += weight * (np.array(colour, float) - image)
