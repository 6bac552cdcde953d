"""Render clips: draw the frames of a performance, and write video, audio and ground truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.demo.emotions import EXPRESSIONS
from stccl_data.demo.face import Face
from stccl_data.demo.folder import truth_path
from stccl_data.demo.layouts import ClipName
from stccl_data.demo.performance import Performance, perform
from stccl_data.demo.selection import DemoError
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.truth import ClipTruth
from stccl_data.demo.voice import SAMPLE_RATE
from stccl_data.executors import Setup, Unit, run
from stccl_data.media.audio import Audio
from stccl_data.media.writer import write_audio, write_video


@dataclass(frozen=True, slots=True)
class RenderTask:
    """One clip to render."""

    name: ClipName
    speaker: Speaker
    #: of the corpus
    folder: Path
    #: side of a frame, pixels
    size: int
    fps: Fraction
    seed: list[int]


def render_clips(tasks: Sequence[RenderTask], workers: int) -> Iterator[tuple[str, ClipTruth]]:
    """Render clips in any order.

    Args:
        tasks: the clips, each with a label of its own.
        workers: number of processes; 1 renders in this one.

    Yields:
        The label and the ground truth of each clip.

    Raises:
        DemoError: a worker failed.
    """
    if workers <= 1:
        for task in tasks:
            yield task.name.label, render_clip(task)
        return
    units = [Unit(task.name.label, (task,)) for task in tasks]
    for outcome in run(units, render_clip, Setup(count=workers, memory_mb=None)):
        if outcome.reason is not None:
            raise DemoError(outcome.detail)
        yield outcome.unit.name, outcome.result


def render_clip(task: RenderTask) -> ClipTruth:
    """Render one clip and write its files. The same task gives the same files."""
    name, folder = task.name, task.folder
    performance, face = _stage(task)
    drawings = [face.draw(pose) for pose in performance.poses]
    path = folder / name.path
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [drawing.frame for drawing in drawings]
    audio = Audio(performance.samples, SAMPLE_RATE, 0.0)
    write_video(path, frames, (task.size, task.size), task.fps, audio)
    if name.audio_path is not None:
        (folder / name.audio_path).parent.mkdir(parents=True, exist_ok=True)
        write_audio(folder / name.audio_path, audio)
    mouth = performance.mouth
    truth = ClipTruth(
        path=str(name.path),
        audio_path=None if name.audio_path is None else str(name.audio_path),
        speaker=name.speaker,
        emotion=name.emotion,
        level=name.level,
        sentence=name.sentence,
        take=name.take,
        text=name.text,
        fps=str(task.fps),
        n_frames=len(drawings),
        duration=len(performance.samples) / SAMPLE_RATE,
        speech_start=performance.phonemes[0].start,
        speech_end=performance.phonemes[-1].end,
        phonemes=performance.phonemes,
        opening=tuple(round(drawing.opening, 5) for drawing in drawings),
        mouth_open=tuple(round(float(value), 4) for value in mouth.opening),
        mouth_spread=tuple(round(float(value), 4) for value in mouth.spread),
    )
    truth.write(folder / truth_path(name))
    return truth


def draw_as(task: RenderTask, emotion: str) -> NDArray[np.uint8]:
    """Draw the frames of a clip with the expression of another emotion.

    Speech, head motion, blinks and camera noise stay: this is what a perfect manipulation of the
    clip's expression would give.

    Returns:
        (N, size, size, 3) RGB.
    """
    performance, face = _stage(task)
    expression = EXPRESSIONS[emotion]
    poses = [replace(pose, expression=expression) for pose in performance.poses]
    return np.stack([face.draw(pose).frame for pose in poses])


def _stage(task: RenderTask) -> tuple[Performance, Face]:
    """Let the speaker say the sentence, and make up the face: all randomness of a clip."""
    random = np.random.default_rng(task.seed)
    performance = perform(task.speaker, task.name.emotion, task.name.text, task.fps, random)
    return performance, Face(task.speaker, task.size, seed=int(random.integers(2**31)))
