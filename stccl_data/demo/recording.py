"""Render an uncut recording session with its truth: beeps, takes, mistakes, other talk, noise."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from stccl_data.demo.emotions import MANNERS
from stccl_data.demo.face import Face
from stccl_data.demo.layouts import TEXTS
from stccl_data.demo.mesh import Pose
from stccl_data.demo.performance import perform
from stccl_data.demo.selection import DemoError, check_size, parse_fps
from stccl_data.demo.speakers import SPEAKERS, Speaker
from stccl_data.demo.voice import SAMPLE_RATE
from stccl_data.files.atomic import write_text
from stccl_data.media.audio import Audio
from stccl_data.media.writer import write_video
from stccl_data.recordings.beeps import BEEP_S, PITCHES

RECORDING, SCRIPT, TRUTH = "session.mp4", "script.csv", "truth.csv"

#: What a speaker says between the takes.
ASIDES = (
    "Sorry, can we try that one again?",
    "I think the light has changed a little.",
    "Wait a second, my phone is ringing.",
    "How many of these are left today?",
    "Could somebody open a window, please?",
)
#: Seconds of silence after each event, and of a noise.
_PAUSE, _NOISE_S = (0.3, 1.2), 1.5
#: Seconds from the start of a beep to the start of the take, and the amplitude of a beep.
_ANSWER_S, _BEEP = (0.4, 0.8), 0.05
#: Share of the takes before which something else happens.
_DISTURBED = 0.5
#: Standard deviations of the room and of a noise, full scale 1.
_ROOM, _NOISE = 0.0008, 0.03


@dataclass(frozen=True, slots=True)
class Event:
    """What happens in a recording, in seconds of its clock."""

    #: `take`, `incomplete_take`, `off_script` or `no_speech`
    kind: str
    emotion: str
    text: str
    start: float
    end: float
    #: start of the beep that announces it, if there is one
    beep: float | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the session before it is drawn."""

    samples: np.ndarray
    poses: tuple[Pose, ...]
    event: Event


def render_recording(
    folder: Path,
    *,
    speaker: int = 0,
    emotions: Sequence[str] = ("neutral", "happy"),
    sentences: int = 3,
    disturbed: float = _DISTURBED,
    size: int = 256,
    fps: int | float | str | Fraction = 25,
    seed: int = 0,
) -> tuple[Event, ...]:
    """Write `session.mp4`, its `script.csv`, and `truth.csv` with what happens when.

    Args:
        folder: is created.
        speaker: number of the speaker.
        emotions: are recorded one after the other.
        sentences: of each emotion.
        disturbed: share of takes before which there is an incomplete take, other talk or a noise.
        size: side of a frame, pixels.
        fps: frame rate.
        seed: of everything random.

    Raises:
        DemoError: an option is invalid.
        DemoUnavailableError: `stccl[demo]` is not installed.
    """
    unknown = [emotion for emotion in emotions if emotion not in MANNERS]
    if unknown or not emotions:
        raise DemoError(f"unknown emotions {', '.join(unknown)}: choose from {', '.join(MANNERS)}")
    if not 1 <= sentences <= len(TEXTS):
        raise DemoError(f"{sentences} sentences: there are 1 to {len(TEXTS)}")
    rate, size = parse_fps(fps), check_size(size)
    random = np.random.default_rng([seed, speaker])
    actor = SPEAKERS[speaker]
    script = [(emotion, text) for emotion in emotions for text in TEXTS[:sentences]]
    parts = list(_session(actor, script, disturbed, rate, random))
    folder.mkdir(parents=True, exist_ok=True)
    face = Face(actor, size, seed=seed)
    frames = (face.draw(pose).frame for part in parts for pose in part.poses)
    samples = np.concatenate([part.samples for part in parts])
    write_video(folder / RECORDING, frames, (size, size), rate, Audio(samples, SAMPLE_RATE, 0.0))
    events = tuple(_on_one_clock(parts))
    _write_table(folder / SCRIPT, [{"emotion": e, "text": t} for e, t in script])
    _write_table(folder / TRUTH, [asdict(event) for event in events])
    return events


def _session(
    actor: Speaker,
    script: Sequence[tuple[str, str]],
    disturbed: float,
    fps: Fraction,
    random: np.random.Generator,
) -> Iterator[_Part]:
    """Yield the parts of the session in order; the times of their events are their own."""
    disturbances = 0
    for row, (emotion, text) in enumerate(script):
        if random.random() < disturbed:
            kind = ("incomplete_take", "off_script", "no_speech")[disturbances % 3]
            aside = ASIDES[disturbances // 3 % len(ASIDES)]
            words = text.split()
            said = {"incomplete_take": " ".join(words[: len(words) // 2 + 1]), "off_script": aside}
            disturbances += 1
            part = _part(actor, kind, emotion, said.get(kind, ""), fps, random)
            yield _announced(part, row, fps, random) if kind == "incomplete_take" else part
        yield _announced(_part(actor, "take", emotion, text, fps, random), row, fps, random)


def _part(
    actor: Speaker, kind: str, emotion: str, text: str, fps: Fraction, random: np.random.Generator
) -> _Part:
    """Perform one event and the silence after it."""
    spoken = perform(actor, emotion, text or "Hm.", fps, random)
    samples, poses = spoken.samples, spoken.poses
    start, end = spoken.phonemes[0].start, spoken.phonemes[-1].end
    if kind == "no_speech":
        frames = round(_NOISE_S * fps)
        length = round(frames * SAMPLE_RATE / fps)
        samples = random.normal(0, _NOISE, length).astype(np.float32)
        poses, start, end = (replace(poses[0], opening=0.0),) * frames, 0.0, length / SAMPLE_RATE
    pause = round(random.uniform(*_PAUSE) * fps)
    still = (poses[-1],) * pause
    event = Event(kind, emotion, text, start, end)
    return _Part(np.concatenate([samples, _room(pause, fps, random)]), (*poses, *still), event)


def _announced(part: _Part, row: int, fps: Fraction, random: np.random.Generator) -> _Part:
    """Return the part with the beep of a row of the script before it."""
    frames = round(random.uniform(*_ANSWER_S) * fps)
    before = _room(frames, fps, random)
    time = np.arange(round(BEEP_S * SAMPLE_RATE)) / SAMPLE_RATE
    before[: len(time)] += _BEEP * np.sin(2 * np.pi * PITCHES[row % len(PITCHES)] * time)
    shift = len(before) / SAMPLE_RATE
    event = replace(part.event, start=part.event.start + shift, end=part.event.end + shift, beep=0)
    poses = (part.poses[0],) * frames + part.poses
    return _Part(np.concatenate([before, part.samples]), poses, event)


def _room(frames: int, fps: Fraction, random: np.random.Generator) -> np.ndarray:
    """Return the sound of the empty room."""
    return random.normal(0, _ROOM, round(frames * SAMPLE_RATE / fps)).astype(np.float32)


def _on_one_clock(parts: Sequence[_Part]) -> Iterator[Event]:
    begin = 0.0
    for part in parts:
        event = part.event
        start, end = round(begin + event.start, 4), round(begin + event.end, 4)
        beep = None if event.beep is None else round(begin + event.beep, 4)
        yield replace(event, start=start, end=end, beep=beep)
        begin += len(part.samples) / SAMPLE_RATE


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    lines = [tuple(rows[0]), *(tuple(row.values()) for row in rows)]
    write_text(path, "".join(f"{','.join(map(_cell, line))}\n" for line in lines))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f'"{text}"' if "," in text else text
