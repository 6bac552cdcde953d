"""Measure `stccl segment` on recordings with known truth.

    python benchmarks/segment.py --ravdess RAVDESS --foreign EMODB
    python benchmarks/segment.py --voices 4

Each RAVDESS actor's clips, or lines spoken by a synthetic voice, are joined in random order with
pauses of 0.3 to 1.5 s. A fifth of the lines is preceded by a take that is cut off half way, a third
is followed by speech that is not in the script. Lines that nobody says are added to the script,
some of which share most of their words with one that is said. With --beeps, a beep of the
teleprompter announces each take.

Truth of RAVDESS: a clip holds one line, from the first to the last instant that is within 30 dB of
its loud parts and 10 dB above its room. That counts breaths and sighs. A second truth ("words")
leaves out stretches between pauses of 0.15 s that hold none of the words that pocketsphinx aligns
with the clip. Of a voice: the times of its synthesiser.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from stccl_data.demo.layouts import TEXTS
from stccl_data.demo.recording import ASIDES
from stccl_data.demo.voice import SAMPLE_RATE, Prosody, speak
from stccl_data.features.speech import HOP_S, speech_features
from stccl_data.media.audio import read_audio
from stccl_data.recordings.beeps import BEEP_S, PITCHES, Beep
from stccl_data.recordings.pronunciation import pronounce
from stccl_data.recordings.segments import Segment, find_segments
from stccl_data.recordings.sound_track import read_sound_track

RATE = 16_000
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
#: Lines that nobody says.
UNSPOKEN = (
    "Kids are walking to the store",
    "Cats are sitting by the window",
    "By the door",
    "The weather is nice today",
    "I would like a cup of coffee please",
    "Where are the children now",
    "My brother painted the new house red",
    "Every evening the baker waves at you",
)


@dataclass(frozen=True)
class Spoken:
    """Speech without the silence around it."""

    samples: np.ndarray
    text: str
    #: seconds without breaths; None if not known
    words: tuple[float, float] | None = None


@dataclass(frozen=True)
class Event:
    kind: str
    text: str
    start: float
    end: float
    #: the same without breaths; None if not known
    words: tuple[float, float] | None = None


def trim(path: Path, text: str = "") -> Spoken:
    """Read a clip without the silence around it; with a text, find its words."""
    samples = read_audio(path).samples
    features = speech_features(samples, RATE)
    assert features is not None
    level = features.level
    loud = np.flatnonzero(level > max(np.quantile(level, 0.98) - 30, np.quantile(level, 0.1) + 10))
    begins, ends = features.times[loud] - HOP_S / 2, features.times[loud] + HOP_S / 2
    splits = np.flatnonzero(np.diff(loud) * HOP_S > 0.15)
    stretches = zip(begins[[0, *splits + 1]], ends[[*splits, -1]], strict=True)
    words = align_words(samples, text) if text else []
    spoken = [
        time - begins[0]
        for begin, end in stretches
        if any(min(end, b) - max(begin, a) > min(0.05, (end - begin) / 2) for a, b in words)
        for time in (begin, end)
    ]
    part = samples[max(0, round(begins[0] * RATE)) : round(ends[-1] * RATE)]
    return Spoken(part, text, (spoken[0], spoken[-1]) if spoken else None)


def align_words(samples: np.ndarray, text: str) -> list[tuple[float, float]]:
    """Return begin and end of each word, by another recogniser than that of `stccl segment`."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=RATE, bestpath=False, cmn="batch", loglevel="FATAL")
    decoder.set_align_text(text.lower())
    decoder.start_utt()
    loud = samples / np.abs(samples).max() * 0.7 * 32767
    decoder.process_raw(loud.astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    words = [segment for segment in decoder.seg() or () if segment.word[0] not in "<["]
    return [(word.start_frame / 100, (word.end_frame + 1) / 100) for word in words]


def actors(ravdess: Path, foreign: Path | None) -> Iterator[tuple[str, list[Spoken], list[Spoken]]]:
    others = [] if foreign is None else [trim(path) for path in sorted(foreign.glob("*.wav"))]
    for folder in sorted(ravdess.glob("Actor_*")):
        files = sorted(folder.glob("*.wav"))
        lines = [trim(file, STATEMENTS[file.name.split("-")[4]]) for file in files]
        yield folder.name, lines, others


def voices(count: int) -> Iterator[tuple[str, list[Spoken], list[Spoken]]]:
    def say(voice: str, text: str, rate: float, pitch: float) -> Spoken:
        words = text.split()
        speech = speak(words, [1.0] * len(words), voice, Prosody(rate, pitch, 50, 90))
        samples = np.interp(
            np.arange(0, speech.duration, 1 / RATE),
            np.arange(len(speech.samples)) / SAMPLE_RATE,
            speech.samples,
        )
        return Spoken(samples, text)

    for voice in ("en-us+m3", "en-us+f2", "en-us+m1", "en-us+f4", "en-us+m7", "en-us+f3")[:count]:
        styles = ((130, 40), (165, 50), (200, 65), (150, 30))
        lines = [say(voice, text, *style) for text in TEXTS for style in styles]
        yield voice, lines, [say(voice, text, 165, 50) for text in ASIDES]


def record(
    lines: Sequence[Spoken],
    others: Sequence[Spoken],
    random: np.random.Generator,
    beeps: bool = False,
) -> tuple[np.ndarray, list[Event]]:
    """Join lines in random order with all that happens between them."""
    parts, events, length = [], [], 0

    def add(kind: str, spoken: Spoken) -> None:
        nonlocal length
        samples = spoken.samples
        if beeps and kind != "off script":
            time = np.arange(round(BEEP_S * RATE)) / RATE
            beep = np.zeros(round(random.uniform(0.3, 0.8) * RATE))
            beep[: len(time)] = 0.05 * np.sin(2 * np.pi * random.choice(PITCHES) * time)
            events.append(Event("beep", "", length / RATE, length / RATE + BEEP_S))
            parts.append(beep)
            length += len(beep)
        pause = np.zeros(round(random.uniform(0.3, 1.5) * RATE))
        begin = length / RATE
        words = spoken.words and (begin + spoken.words[0], begin + spoken.words[1])
        events.append(Event(kind, spoken.text, begin, begin + len(samples) / RATE, words))
        parts.extend([samples, pause])
        length += len(samples) + len(pause)

    for number in random.permutation(len(lines)):
        line = lines[number]
        if random.random() < 0.2:
            part = round(random.uniform(0.4, 0.6) * len(line.samples))
            add("cut take", Spoken(line.samples[:part], line.text))
        add("take", line)
        if others and random.random() < 0.35:
            other = others[random.integers(len(others))]
            gain = np.abs(line.samples).max() / np.abs(other.samples).max()
            add("off script", Spoken(other.samples * gain, ""))
    sound = np.concatenate(parts)
    return sound + random.normal(0, 10 ** (-75 / 20), len(sound)), events


def overlap(event: Event, segment: Segment) -> bool:
    shared = min(event.end, segment.end) - max(event.start, segment.start)
    return shared > 0.5 * min(event.end - event.start, segment.end - segment.start)


def compare(
    name: str,
    events: Sequence[Event],
    segments: Sequence[Segment],
    beeps: Sequence[Beep],
    texts: Sequence[str],
) -> tuple[Counter[str], dict[str, list[float]]]:
    counts: Counter[str] = Counter()
    errors: dict[str, list[float]] = {"loud": [], "words": []}
    counts["false beeps"] += max(0, len(beeps) - sum(e.kind == "beep" for e in events))
    for event in events:
        if event.kind == "beep":
            counts["beeps"] += 1
            counts["beeps found"] += any(abs(b.start - event.start) < 0.05 for b in beeps)
            continue
        same = [segment for segment in segments if overlap(event, segment)]
        takes = [segment for segment in same if segment.reason is None]
        said = [texts[segment.line] for segment in takes if segment.line is not None]
        if event.kind == "take":
            counts["takes"] += 1
            counts["takes found"] += said == [event.text]
            counts["takes on a wrong line"] += any(text != event.text for text in said)
            if said == [event.text]:
                times = np.array([takes[0].start, takes[0].end])
                errors["loud"] += np.abs(times - (event.start, event.end)).tolist()
                if event.words:
                    errors["words"] += np.abs(times - event.words).tolist()
        else:
            counts[f"{event.kind}s"] += 1
            counts[f"{event.kind}s named"] += bool(same) and not takes
            counts["takes outside the script"] += len(takes)
        if event.kind == "take" and said != [event.text]:
            why = "; ".join(f"{s.reason}: {s.detail}" for s in same) or "nothing"
            print(f"  {name} {event.start:.2f} {event.text!r}: {why}")
    return counts, errors


def describe(errors: dict[str, list[float]]) -> str:
    return "; ".join(
        f"to {truth} parts median {1000 * np.median(values):.0f} ms, "
        f"p90 {1000 * np.quantile(values, 0.9):.0f} ms"
        for truth, values in errors.items()
        if values
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ravdess", type=Path, help="folder with Actor_NN/*.wav")
    parser.add_argument("--foreign", type=Path, help="folder of *.wav in another language")
    parser.add_argument("--voices", type=int, default=0, help="synthetic voices")
    parser.add_argument("--beeps", action="store_true", help="a beep before each take")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sources: list[Callable[[], Iterator[tuple[str, list[Spoken], list[Spoken]]]]] = []
    if options.ravdess:
        sources.append(lambda: actors(options.ravdess, options.foreign))
    if options.voices:
        sources.append(lambda: voices(options.voices))
    total: Counter[str] = Counter()
    errors: dict[str, list[float]] = {"loud": [], "words": []}
    seconds = cpu = 0.0
    for source in sources:
        for number, (name, lines, others) in enumerate(source()):
            random = np.random.default_rng([options.seed, number])
            sound, events = record(lines, others, random, options.beeps)
            texts = [*dict.fromkeys(line.text for line in lines), *UNSPOKEN]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{name}.flac"
                soundfile.write(path, sound / max(1.0, np.abs(sound).max()), RATE)
                began = time.process_time()
                track = read_sound_track(path)
                segments = find_segments(track, [pronounce(text) for text in texts])
                cpu += time.process_time() - began
            seconds += len(sound) / RATE
            counts, own = compare(name, events, segments, track.beeps, texts)
            total.update(counts)  # keeps zeros, unlike +=
            for truth, values in own.items():
                errors[truth] += values
            print(f"{name}: {describe(own)}")
    for what, count in total.items():
        print(f"{what}: {count}")
    print(f"borders: {describe(errors)}")
    print(f"{seconds / 60:.1f} minutes of sound, {60 * cpu / seconds:.1f} s of CPU per minute")


if __name__ == "__main__":
    main()
