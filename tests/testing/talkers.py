"""Clips of talking faces made of landmarks alone, for the measures of `stccl measure`."""

import numpy as np

from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crops import face_template
from stccl_data.face.track import Track
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip

#: Pixels of the frames that the faces are in.
SIZE = 200


def speech(seed: int, frames: int = 100) -> np.ndarray:
    """Return how far a mouth is open by frame at 25 fps, in [0, 1], different for each seed."""
    generator = np.random.default_rng(seed)
    times = np.arange(frames + 40) / 25
    waves = [
        np.sin(2 * np.pi * (f * times + generator.random())) for f in generator.uniform(1.5, 4, 6)
    ]
    smooth = np.mean(waves, axis=0)[:frames]
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth))


def talker(
    opening: np.ndarray,
    *,
    width: float = 50.0,
    noise: float = 0.0,
    head: int | None = None,
    seed: int = 0,
    fps: float = 25.0,
    blendshapes: float = 0.1,
    side: int = 32,
) -> MeasuredClip:
    """Return a clip of a face whose mouth opens and closes.

    Args:
        opening: (N,) in [0, 1].
        width: of the mouth, pixels of a frame of `SIZE`.
        noise: of the landmarks, pixels.
        head: seed of the head's motion; None: it is still.
        seed: of the noise.
        fps: frames per second.
        blendshapes: value of each coefficient.
        side: of the pictures, which show noise.
    """
    count = len(opening)
    generator = np.random.default_rng(seed)
    points = np.tile(np.random.default_rng(5).uniform(0.2, 0.8, (68, 2)) * SIZE, (count, 1, 1))
    points[:, STABLE_68] = face_template(SIZE)
    angles = np.linspace(np.pi, -np.pi, 13)[:12]
    for first, angle, reach in ((48, angles, 1.0), (60, angles[[0, 2, 3, 4, 6, 8, 9, 10]], 0.8)):
        height = 8 + 12 * opening[:, None]
        x = SIZE / 2 + reach * width / 2 * np.cos(angle) * (1 - 0.1 * opening[:, None])
        y = 0.75 * SIZE - reach * height * np.sin(angle)
        points[:, first : first + len(angle)] = np.stack([x, y], axis=-1)
    points += noise * generator.standard_normal(points.shape)
    if head is not None:
        points = _moved(points, np.random.default_rng(head))
    transforms = np.tile(np.eye(2, 3), (count, 1, 1))
    track = Track(
        times=np.arange(count) / fps,
        valid=np.ones(count, bool),
        landmarks=points.astype(np.float32),
        face_transforms=transforms,
        mouth_transforms=np.full((count, 2, 3), np.nan),
        presence=np.ones(count, np.float32),
        blendshapes=np.full((count, 52), blendshapes, np.float16),
        face=_pictures(count, generator, side),
    )
    return MeasuredClip(f"talker-{seed}.mp4", track, np.ones(count, np.float32), np.ones(count))


def pair(source: MeasuredClip, generated: MeasuredClip) -> MatchedPair:
    """Match two clips frame by frame."""
    count, other = len(source.track), len(generated.track)
    frame_map = np.where(np.arange(count) < other, np.arange(count), -1).astype(np.int32)
    return MatchedPair(source, generated, frame_map)


def _moved(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Turn, scale and move the face differently in each frame."""
    count = len(points)
    angle = generator.uniform(-0.3, 0.3, count)
    scale = generator.uniform(0.7, 1.4, count)
    turn = scale[:, None, None] * np.stack(
        [
            np.stack([np.cos(angle), -np.sin(angle)], -1),
            np.stack([np.sin(angle), np.cos(angle)], -1),
        ],
        axis=1,
    )
    return np.asarray(points @ turn.transpose(0, 2, 1) + generator.uniform(-9, 9, (count, 1, 2)))


def _pictures(count: int, generator: np.random.Generator, side: int) -> JpegSeries:
    pictures = generator.integers(0, 255, (count, side, side, 3)).astype(np.uint8)
    return JpegSeries.from_jpegs([encode_jpeg(picture, 95) for picture in pictures])
