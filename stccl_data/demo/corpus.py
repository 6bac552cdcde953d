"""Render a whole demo corpus: which clips there are, where they lie, and the truth written beside them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import TypeVar

from stccl_data.clip import parse_emotion
from stccl_data.demo.layouts import (
    LAYOUTS,
    ClipName,
    actors,
    clip_name,
    layout_emotions,
    sentence_ids,
    takes,
)
from stccl_data.demo.performance import film
from stccl_data.demo.speakers import SPEAKERS
from stccl_data.demo.truth import ClipTruth, write_map
from stccl_data.errors import UsageError
from stccl_data.executors import Setup, Unit, run
from stccl_data.progress import Progress, SilentProgress

DEFAULT_EMOTIONS = ("neutral", "happy", "angry", "sad")
_RECORD = Path("truth", "demo.json")
_Value = TypeVar("_Value", str, int)


class DemoError(UsageError):
    """What was asked for cannot be rendered; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class TruePair:
    """Two clips of one sentence and the CSV of the map between them; all paths are relative to the corpus folder."""

    source: str
    target: str
    map: str


@dataclass(frozen=True, slots=True)
class DemoCorpus:
    """A rendered corpus. `clips` in order of speaker, sentence, emotion and take; `pairs` lead from the reference emotion."""

    folder: Path
    layout: str
    clips: tuple[ClipTruth, ...]
    pairs: tuple[TruePair, ...]

    @property
    def duration(self) -> float:
        """Seconds of video."""
        return sum(clip.duration for clip in self.clips)

    def clip(self, speaker: str, emotion: str, sentence: int, take: int = 1) -> ClipTruth:
        """The clip with these labels. Raises KeyError where there is none."""
        for clip in self.clips:
            if (clip.speaker, clip.emotion, clip.sentence, clip.take) == (
                speaker,
                emotion,
                sentence,
                take,
            ):
                return clip
        raise KeyError(f"{speaker} {emotion} sentence {sentence} take {take}")


@dataclass(frozen=True, slots=True)
class _Job:
    name: ClipName
    look: int
    folder: Path
    size: int
    fps: Fraction
    seed: list[int]


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
    """Render a paired-emotion corpus into `folder`, with its truth in `folder/truth`.

    `layout` is `mead` or `ravdess`. `speakers` and `sentences` are a count or the names and ids themselves (`("M003", "W009")`,
    `(5, 9)`). `size` is the side of a frame in pixels, `fps` a number or a fraction such as `30000/1001`. `repetitions` (1 or 2)
    is for ravdess alone. With `workers` > 1 clips are rendered in processes of their own. `progress` counts the
    clips of the stage `render`. The same arguments give the same files, byte for byte.

    A folder that holds an earlier demo is rendered anew: the files which that demo wrote are removed first, and no others.
    Raises DemoError for a folder with other things in it and for values that do not exist, and DemoUnavailableError without
    `stccl[demo]`.
    """
    folder = Path(folder)
    names = plan_corpus(layout, speakers, emotions, sentences, repetitions)
    rate = _checked_rate(fps)
    if size < 96 or size % 2:
        raise DemoError(
            f"The size of a frame must be an even number of 96 pixels or more, not {size}."
        )
    _make_room(folder)
    choices = {"layout": layout, "size": size, "fps": str(rate), "seed": seed}
    _write_record(folder, choices, _planned_files(names, layout))
    jobs = [
        _Job(name, _look(layout, name), folder, size, rate, _seed(layout, seed, name))
        for name in names
    ]
    progress = progress or SilentProgress()
    progress.stage("render", len(jobs))
    done: dict[str, ClipTruth] = {}
    for job, truth in _rendered(jobs, workers):
        done[job.name.label] = truth
        progress.step()
    clips = tuple(done[name.label] for name in names)
    if layout == "mead":
        lines = sorted(f"{name.label} {name.text}\n" for name in names)
        (folder / "transcripts.txt").write_text("".join(lines), encoding="utf-8")
    return DemoCorpus(folder, layout, clips, tuple(_write_maps(folder, names, done)))


def plan_corpus(
    layout: str,
    speakers: int | Sequence[str],
    emotions: Sequence[str],
    sentences: int | Sequence[int],
    repetitions: int = 1,
) -> tuple[ClipName, ...]:
    """The clips that `render_corpus` will make, in order. Raises DemoError for a value that does not exist."""
    if layout not in LAYOUTS:
        raise DemoError(f"There is no layout {layout!r}; choose one of {', '.join(LAYOUTS)}.")
    chosen_speakers = _chosen(speakers, actors(layout), f"speakers in the layout {layout}")
    chosen_sentences = _chosen(sentences, sentence_ids(layout), f"sentences in the layout {layout}")
    words = [parse_emotion(word) or word for word in emotions]
    chosen_emotions = _chosen(words, layout_emotions(layout), f"emotions in the layout {layout}")
    if not 1 <= repetitions <= takes(layout):
        raise DemoError(
            f"The layout {layout} has 1 to {takes(layout)} repetitions, not {repetitions}."
        )
    return tuple(
        clip_name(layout, speaker, emotion, sentence, take)
        for speaker, sentence, emotion, take in product(
            chosen_speakers, chosen_sentences, chosen_emotions, range(1, repetitions + 1)
        )
    )


def load_corpus(folder: str | Path) -> DemoCorpus:
    """The corpus that `render_corpus` wrote into `folder`, read from its truth. Raises DemoError when there is none."""
    folder = Path(folder)
    if not (folder / _RECORD).is_file():
        raise DemoError(f"{folder} is no demo corpus: it has no {_RECORD.as_posix()}.")
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    names = [file for file in record["files"] if file.startswith("truth/clips/")]
    clips = tuple(ClipTruth.read(folder / name) for name in names)
    rows = (folder / "truth" / "pairs.csv").read_text(encoding="utf-8").splitlines()[1:]
    return DemoCorpus(
        folder, record["layout"], clips, tuple(TruePair(*row.split(",")) for row in rows)
    )


def _chosen(
    asked: int | Sequence[_Value], offered: Sequence[_Value], what: str
) -> Sequence[_Value]:
    if isinstance(asked, int):
        if not 1 <= asked <= len(offered):
            raise DemoError(f"There are 1 to {len(offered)} {what}, not {asked}.")
        return offered[:asked]
    unknown = [value for value in asked if value not in offered]
    if unknown or not asked:
        raise DemoError(
            f"No such {what}: {', '.join(map(str, unknown)) or 'none given'}; choose from {', '.join(map(str, offered))}."
        )
    return list(dict.fromkeys(asked))


def _checked_rate(fps: int | float | str | Fraction) -> Fraction:
    try:
        rate = Fraction(str(fps)).limit_denominator(1001)
    except (ValueError, ZeroDivisionError):
        raise DemoError(
            f"{fps!r} is no frame rate; write a number such as 25 or a fraction such as 30000/1001."
        ) from None
    if not 5 <= rate <= 120:
        raise DemoError(f"The frame rate must lie between 5 and 120 frames a second, not {fps}.")
    return rate


def _look(layout: str, name: ClipName) -> int:
    return actors(layout).index(name.speaker) % len(SPEAKERS)


def _seed(layout: str, seed: int, name: ClipName) -> list[int]:
    """A clip's own seed: a clip is the same whichever others are rendered with it."""
    emotion = layout_emotions(layout).index(name.emotion)
    return [seed, LAYOUTS.index(layout), _look(layout, name), emotion, name.sentence, name.take]


def _film(job: _Job) -> ClipTruth:
    truth = film(job.name, SPEAKERS[job.look], job.folder, job.size, job.fps, job.seed)
    truth.write(job.folder / _truth_path(job.name))
    return truth


def _rendered(jobs: Sequence[_Job], workers: int) -> Iterator[tuple[_Job, ClipTruth]]:
    if workers <= 1:
        for job in jobs:
            yield job, _film(job)
        return
    job_of = {job.name.label: job for job in jobs}
    units = [Unit(label, (job,)) for label, job in job_of.items()]
    for outcome in run(units, _film, Setup(count=workers, memory_mb=None)):
        if outcome.reason is not None:
            raise DemoError(outcome.detail)
        yield job_of[outcome.unit.name], outcome.result


def _pairs(names: Iterable[ClipName]) -> Iterator[tuple[ClipName, ClipName]]:
    """(reference, other) of one speaker, sentence and take; the reference is neutral, or the first emotion without it."""
    groups: dict[tuple[str, int, int], list[ClipName]] = {}
    for name in names:
        groups.setdefault((name.speaker, name.sentence, name.take), []).append(name)
    for group in groups.values():
        reference = next((name for name in group if name.emotion == "neutral"), group[0])
        yield from ((reference, other) for other in group if other is not reference)


def _truth_path(name: ClipName) -> str:
    """Not the clip's own name, which a corpus scanner would take for a clip."""
    return f"truth/clips/{_utterance(name)}_{name.emotion}.json"


def _map_path(source: ClipName, target: ClipName) -> str:
    return f"truth/maps/{_utterance(source)}_{source.emotion}_{target.emotion}.csv"


def _utterance(name: ClipName) -> str:
    take = f"_take-{name.take}" if name.take > 1 else ""
    return f"{name.speaker}_sentence-{name.sentence:02d}{take}"


def _write_maps(
    folder: Path, names: Sequence[ClipName], truths: dict[str, ClipTruth]
) -> Iterator[TruePair]:
    pairs = []
    for source, target in _pairs(names):
        pair = TruePair(str(source.path), str(target.path), _map_path(source, target))
        write_map(folder / pair.map, truths[source.label], truths[target.label])
        pairs.append(pair)
    rows = "".join(f"{pair.source},{pair.target},{pair.map}\n" for pair in pairs)
    (folder / "truth" / "pairs.csv").write_text("source,target,map\n" + rows, encoding="utf-8")
    return iter(pairs)


def _planned_files(names: Sequence[ClipName], layout: str) -> list[str]:
    files = [_truth_path(name) for name in names]
    files += [
        str(path) for name in names for path in (name.path, name.audio_path) if path is not None
    ]
    files += [_map_path(source, target) for source, target in _pairs(names)]
    return [*files, "truth/pairs.csv", *(["transcripts.txt"] if layout == "mead" else [])]


def _make_room(folder: Path) -> None:
    """Create `folder`, or empty it of an earlier demo; refuse a folder with anything else in it."""
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is a file; give a folder.")
    record = folder / _RECORD
    if record.is_file():
        _remove(folder, json.loads(record.read_text(encoding="utf-8"))["files"])
        record.unlink()
    elif folder.is_dir() and any(folder.iterdir()):
        raise DemoError(f"{folder} is not empty and holds no demo; give an empty or a new folder.")
    for part in ("clips", "maps"):
        (folder / "truth" / part).mkdir(parents=True, exist_ok=True)


def _remove(folder: Path, files: Iterable[str]) -> None:
    """Remove files of an earlier demo, and the folders that this leaves empty."""
    root = folder.resolve()
    parents: set[Path] = set()
    for file in files:
        path = (root / file).resolve()
        if path.is_relative_to(root) and path.is_file():
            path.unlink()
            parents.update(
                parent for parent in path.parents if parent != root and parent.is_relative_to(root)
            )
    for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
        if not any(parent.iterdir()):
            parent.rmdir()


def _write_record(folder: Path, choices: dict[str, object], files: list[str]) -> None:
    text = json.dumps({"made_by": "stccl demo", **choices, "files": files}, indent=1)
    (folder / _RECORD).write_text(text + "\n", encoding="utf-8")
