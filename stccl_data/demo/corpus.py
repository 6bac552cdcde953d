"""Render a demo corpus, and read one back."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.demo.folder import (
    PAIRS,
    TRANSCRIPTS,
    list_files,
    make_room,
    pair_clips,
    read_record,
    write_record,
)
from stccl_data.demo.layouts import LAYOUTS, ClipName, actors, clip_name, layout_emotions
from stccl_data.demo.render import RenderTask, draw_as, render_clips
from stccl_data.demo.selection import DEFAULT_EMOTIONS, check_size, parse_fps, select_clips
from stccl_data.demo.speakers import SPEAKERS
from stccl_data.demo.truth import ClipTruth, write_map
from stccl_data.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class TruePair:
    """Two clips of one sentence and their true map. Paths are relative to the corpus folder."""

    source: str
    target: str
    #: a CSV file; see `write_map`
    map: str


@dataclass(frozen=True, slots=True)
class DemoCorpus:
    """A rendered corpus."""

    folder: Path
    layout: str
    #: ordered by speaker, sentence, emotion and take
    clips: tuple[ClipTruth, ...]
    #: the source has the reference emotion
    pairs: tuple[TruePair, ...]

    @property
    def duration(self) -> float:
        """Seconds of video."""
        return sum(clip.duration for clip in self.clips)

    def clip(self, speaker: str, emotion: str, sentence: int, take: int = 1) -> ClipTruth:
        """Return the clip with these labels. Raises KeyError if there is none."""
        labels = (speaker, emotion, sentence, take)
        for clip in self.clips:
            if (clip.speaker, clip.emotion, clip.sentence, clip.take) == labels:
                return clip
        raise KeyError(labels)


def render_corpus(
    folder: str | Path,
    layout: str = "mead",
    speakers: int | Sequence[str] = 4,
    emotions: Sequence[str] = DEFAULT_EMOTIONS,
    sentences: int | Sequence[int] = 3,
    size: int = 256,
    fps: int | float | str | Fraction = 25,
    seed: int = 0,
    *,
    repetitions: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
) -> DemoCorpus:
    """Render a paired-emotion corpus into `folder`, with its ground truth in `folder/truth`.

    The same arguments give the same files, byte for byte. The files of an earlier demo in
    `folder` are removed first, and no others.

    Args:
        folder: a new or empty folder, or one with an earlier demo.
        layout: `mead` or `ravdess`: how folders and files are named.
        speakers: a count, or names such as `("M003", "W009")`.
        emotions: names of emotions.
        sentences: a count, or sentence ids such as `(5, 9)`.
        size: side of a frame, pixels, even.
        fps: frame rate; a number, or a fraction such as `30000/1001`.
        seed: of everything random.
        repetitions: takes of each sentence; 2 for `ravdess` only.
        workers: number of processes; 1 renders in this one.
        progress: receives the stage `render`, counted in clips.

    Raises:
        DemoError: an option is invalid, or the folder contains anything else.
        DemoUnavailableError: `stccl[demo]` is not installed.
    """
    folder = Path(folder)
    names = select_clips(layout, speakers, emotions, sentences, repetitions)
    rate = parse_fps(fps)
    size = check_size(size)
    make_room(folder)
    options = {"layout": layout, "size": size, "fps": str(rate), "seed": seed}
    write_record(folder, options, list_files(names, layout))
    progress = progress or SilentProgress()
    progress.stage("render", len(names))
    tasks = [_make_task(name, layout, folder, size, rate, seed) for name in names]
    truths: dict[str, ClipTruth] = {}
    for label, truth in render_clips(tasks, workers):
        truths[label] = truth
        progress.step()
    if layout == "mead":
        lines = sorted(f"{name.label} {name.text}\n" for name in names)
        (folder / TRANSCRIPTS).write_text("".join(lines), encoding="utf-8")
    pairs = _write_pairs(folder, names, truths)
    return DemoCorpus(folder, layout, tuple(truths[name.label] for name in names), pairs)


def load_corpus(folder: str | Path) -> DemoCorpus:
    """Read the corpus that `render_corpus` wrote into `folder`. Raises DemoError without one."""
    folder = Path(folder)
    record = read_record(folder)
    clips = tuple(ClipTruth.read(folder / file) for file in record.truth_files)
    rows = (folder / PAIRS).read_text(encoding="utf-8").splitlines()[1:]
    pairs = tuple(TruePair(*row.split(",")) for row in rows)
    return DemoCorpus(folder, record.layout, clips, pairs)


def draw_manipulated(folder: str | Path, clip: ClipTruth, emotion: str) -> NDArray[np.uint8]:
    """Draw a clip of a corpus with the expression of another emotion: same speech, head and blinks.

    This is the right answer to the manipulation of its expression.

    Args:
        folder: of the corpus, from `render_corpus`.
        clip: one of its clips.
        emotion: name of an emotion.

    Returns:
        (N, size, size, 3) RGB, frame by frame as the clip.

    Raises:
        DemoError: no corpus in `folder`.
        DemoUnavailableError: `stccl[demo]` is not installed.
    """
    folder = Path(folder)
    record = read_record(folder)
    name = clip_name(record.layout, clip.speaker, clip.emotion, clip.sentence, clip.take)
    return draw_as(
        _make_task(name, record.layout, folder, record.size, record.fps, record.seed), emotion
    )


def _make_task(
    name: ClipName, layout: str, folder: Path, size: int, fps: Fraction, seed: int
) -> RenderTask:
    """Seed each clip by its labels, so that it does not depend on the other clips rendered."""
    speaker = actors(layout).index(name.speaker) % len(SPEAKERS)
    emotion = layout_emotions(layout).index(name.emotion)
    seeds = [seed, LAYOUTS.index(layout), speaker, emotion, name.sentence, name.take]
    return RenderTask(name, SPEAKERS[speaker], folder, size, fps, seeds)


def _write_pairs(
    folder: Path, names: Sequence[ClipName], truths: dict[str, ClipTruth]
) -> tuple[TruePair, ...]:
    """Write the true map of each pair, and the table of the pairs."""
    pairs = []
    for pair in pair_clips(names):
        write_map(folder / pair.map_path, truths[pair.source.label], truths[pair.target.label])
        pairs.append(TruePair(str(pair.source.path), str(pair.target.path), pair.map_path))
    rows = "".join(f"{pair.source},{pair.target},{pair.map}\n" for pair in pairs)
    (folder / PAIRS).write_text("source,target,map\n" + rows, encoding="utf-8")
    return tuple(pairs)
