"""What held-out clips should become, and how far what was made of them is from it.

Shared by the benchmarks that train generators: `plugin.py` and `renderer.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from talking_faces import (
    BROWS_EYES_68,
    PointFinder,
    TalkingClip,
    correlation,
    cut,
    distance,
    lips_distance,
    load_clips,
    opening,
)

from stccl_data.dataset import open_dataset
from stccl_data.files.atomic import atomic_writer
from stccl_data.media.jpeg import decode_jpeg
from stccl_train.model.regions import box_mask, region_boxes

#: How right answers and generated frames are kept in WORK. Colours at half the resolution, as in
#: other JPEGs, would move the landmarks of so small lips.
JPEG = (
    cv2.IMWRITE_JPEG_QUALITY, 98,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)  # fmt: skip
#: Every second frame of the held-out clips is measured.
MEASURED_STEP = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a held-out clip should become."""

    clip: TalkingClip
    #: a clip of the same speaker in the emotion, of another sentence if there is one
    reference: TalkingClip
    #: numbers of the frames that are measured
    chosen: NDArray[np.intp]
    #: the right answer, (N, S, S, 3), and its points; without a renderer those of the source
    frames: NDArray[np.uint8]
    points: NDArray[np.float64]


@cache
def answers(data: Path, raw: Path | None, work: Path, size: int) -> tuple[Answer, ...]:
    """Draw what the neutral clips of the held-out speakers should become, once.

    Args:
        data: a prepared dataset.
        raw: the demo corpus that it was made of, if it was, to draw the right answers.
        work: keeps them.
        size: of the frames.
    """
    stored = {name: work / f"{name}.npz" for name in ("truth", "points")}
    dataset = open_dataset(data)
    held_out = [split for split in dataset.splits if split != "train"]
    clips = [clip for split in held_out for clip in load_clips(dataset, split, size)]
    tasks = [
        (clip, reference_of(clip, emotion, clips))
        for clip in clips
        if clip.emotion == "neutral"
        for emotion in sorted({c.emotion for c in clips} - {"neutral"})
    ]
    chosen = [clip.known_frames[::MEASURED_STEP] for clip, _ in tasks]
    if not stored["truth"].exists():
        frames = [c.frames if raw is None else cut(draw(raw, c, r.emotion), c) for c, r in tasks]
        save_frames(stored["truth"], [f[i] for f, i in zip(frames, chosen, strict=True)])
    frames = load_frames(stored["truth"])
    if not stored["points"].exists():
        finder = PointFinder()
        save(stored["points"], [finder.find(f) for f in frames])
    parts = zip(tasks, chosen, frames, load(stored["points"]), strict=True)
    return tuple(Answer(*task, *rest) for task, *rest in parts)


def reference_of(clip: TalkingClip, emotion: str, clips: Sequence[TalkingClip]) -> TalkingClip:
    """Return a clip of the same speaker in an emotion, of another sentence if there is one."""
    own = [c for c in clips if c.speaker == clip.speaker and c.emotion == emotion]
    return min(own, key=lambda c: c.utterance == clip.utterance)


def save(path: Path, arrays: Sequence[NDArray[Any]]) -> None:
    """Write arrays in order."""
    with atomic_writer(path) as file:
        np.savez_compressed(file, **{str(i): array for i, array in enumerate(arrays)})


def load(path: Path) -> list[NDArray[Any]]:
    """Read what `save` wrote."""
    stored = np.load(path)
    return [stored[str(i)] for i in range(len(stored.files))]


def save_frames(path: Path, clips: Sequence[NDArray[np.uint8]]) -> None:
    """Write clips of frames (N, S, S, 3), those of a clip side by side as one JPEG."""
    images = [cv2.cvtColor(np.concatenate(list(f), axis=1), cv2.COLOR_RGB2BGR) for f in clips]
    save(path, [cv2.imencode(".jpg", image, JPEG)[1] for image in images])


def load_frames(path: Path) -> list[NDArray[np.uint8]]:
    """Read what `save_frames` wrote."""
    images = [decode_jpeg(data.tobytes()) for data in load(path)]
    return [np.stack(np.split(image, image.shape[1] // len(image), axis=1)) for image in images]


def draw(raw: Path, clip: TalkingClip, emotion: str) -> NDArray[np.uint8]:
    """Draw a clip of the demo corpus with another expression."""
    from stccl_data.demo import draw_manipulated, load_corpus

    sentence = int(clip.sentence.lstrip("s"))
    return draw_manipulated(raw, load_corpus(raw).clip(clip.speaker, "neutral", sentence), emotion)


def measure(frames: NDArray[np.uint8], answer: Answer, finder: PointFinder) -> dict[str, float]:
    """Measure what was made of one clip, against the right answer."""
    points, truth = finder.find(frames), answer.points
    size = frames.shape[1]
    boxes = region_boxes(torch.from_numpy(answer.points.astype(np.float32))[None], size)[0]
    mouth, eyes = (box_mask(box[None], size, size, size)[0].numpy() for box in boxes)
    masks = {"mouth": mouth, "eye": eyes & ~mouth, "other": ~mouth & ~eyes}
    apart = np.abs(frames.astype(float) - answer.frames).mean((0, 3))
    return {
        "r": correlation(opening(points), opening(truth)),
        "opening": 100 * float(np.nanmean(np.abs(opening(points) - opening(truth)))),
        "lips": float(np.nanmean(lips_distance(points, truth))),
        "brows and eyes": float(np.nanmean(distance(points, truth, BROWS_EYES_68))),
        **{f"{name} pixels": float(apart[mask].mean()) for name, mask in masks.items()},
    }
