"""How far alignments are from a truth that is known exactly.

usage: python benchmarks/alignment_truth.py [--warped FOLDER] [CLIP | FOLDER ...]

Sentences of espeak-ng (extra `demo`), each said twice with other tempo, melody, loudness, spectral tilt, noise and silence around
it, in one voice or two: the error at each boundary of two phonemes. Then each CLIP (any sound or video, or the WAVs and MP4s below
a FOLDER) against itself, stretched and compressed between 0.7 and 1.6 by a known map: the error every 10 ms of its speech. By a
phase vocoder, whose frames are centred on the map, so that the sound lies where the map says; and by waveform similarity (WSOLA,
Verhelst & Roelands, ICASSP 1993), which moves each piece by up to its search range, so that the sound itself is off the map.

--warped: a folder of folders with source.mp4, target.mp4 and truth.csv (source_time,target_time in seconds). Its targets, and its
sources stretched here by its own maps, are measured in the same way: what the two differ by is in how its targets were made.
"""

import argparse
import csv
import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.signal import find_peaks, lfilter, resample_poly

from stccl_data.alignment.align import align
from stccl_data.demo.voice import SAMPLE_RATE, Prosody, speak
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from stccl_data.media.audio import read_audio

RATE = 16_000
SENTENCES = (
    "kids are talking by the door",
    "she had your dark suit in greasy wash water all year",
    "the small boy put the worm on the hook",
    "we wonder what he would think of it",
)
VOICES = {
    "one voice": (("en-us+m3", "en-us+m3"), ("en-us+f2", "en-us+f2")),
    "two voices": (("en-us+m3", "en-us+m7"), ("en-us+f2", "en-us+f4"), ("en-us+m1", "en-us+klatt")),
}
READINGS = 3  # of each sentence and pair of voices
STRETCHES = 0.7, 1.6
PIECES_S = 0.3, 0.9


def path_of(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = align(Signals(speech_features(source, RATE)), Signals(speech_features(target, RATE)))
    return found.source_time, found.target_time


def in_words(error: np.ndarray) -> str:
    size = np.abs(error)
    return (
        f"{len(error):6} places: median {np.median(size):5.1f} ms, p90 {np.quantile(size, 0.9):5.1f} ms, "
        f"over 100 ms {100 * (size > 100).mean():4.1f} %, signed median {np.median(error):+5.1f} ms"
    )


def spoken(
    words: list[str], voice: str, rng: np.random.Generator, plain: bool
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Samples, phonemes and their K + 1 boundaries in seconds."""
    if plain:
        said = speak(words, [1.0] * len(words), voice, Prosody(160, 45, 40, 100))
    else:
        prosody = Prosody(rng.uniform(120, 230), rng.uniform(20, 85), rng.uniform(10, 95), 100)
        said = speak(words, rng.uniform(0.65, 1.5, len(words)).tolist(), voice, prosody)
    lead, tail = (rng.uniform(0.2, 0.9, 2) * RATE).astype(int)
    samples = np.pad(
        resample_poly(said.samples.astype(np.float64), RATE, SAMPLE_RATE), (lead, tail)
    )
    if not plain:
        samples = lfilter([1, rng.uniform(-0.5, 0.5)], [1], samples) * 10 ** (
            rng.uniform(-20, 6) / 20
        )
    bounds = lead / RATE + np.array([phoneme.start for phoneme in said.phonemes] + [said.duration])
    return (
        with_noise(samples, rng.choice([50, 35, 22]), rng),
        [phoneme.symbol for phoneme in said.phonemes],
        bounds,
    )


def with_noise(samples: np.ndarray, below_db: float, rng: np.random.Generator) -> np.ndarray:
    """White noise `below_db` below the mean power."""
    return samples + rng.normal(size=len(samples)) * np.sqrt(np.mean(samples**2)) * 10 ** (
        -below_db / 20
    )


def phoneme_errors(voices: tuple[tuple[str, str], ...]) -> np.ndarray:
    """Milliseconds, signed, at the boundaries of the phonemes that both readings have."""
    rng = np.random.default_rng(5)
    errors = []
    for sentence in SENTENCES:
        for first, second in voices:
            for _ in range(READINGS):
                source, symbols, bounds = spoken(sentence.split(), first, rng, plain=True)
                target, others, other_bounds = spoken(sentence.split(), second, rng, plain=False)
                blocks = difflib.SequenceMatcher(
                    None, symbols, others, autojunk=False
                ).get_matching_blocks()
                common = np.array([(a + k, b + k) for a, b, size in blocks for k in range(size)])
                errors.append(
                    np.interp(bounds[common[:, 0]], *path_of(source, target))
                    - other_bounds[common[:, 1]]
                )
    return 1000 * np.concatenate(errors)


def random_map(duration: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Knots in source and target seconds of a map in straight pieces."""
    source, target = [0.0], [0.0]
    while source[-1] < duration:
        piece = rng.uniform(*PIECES_S)
        source.append(source[-1] + piece)
        target.append(target[-1] + piece * np.exp(rng.uniform(*np.log(STRETCHES))))
    return np.array(source), np.array(target)


def by_vocoder(
    samples: np.ndarray, source: np.ndarray, target: np.ndarray, width: int = 512, hop: int = 32
) -> np.ndarray:
    """Phase vocoder with phases locked to spectral peaks (Laroche & Dolson, IEEE Trans. SAP 7(3), 1999). What is heard at
    `target` is the frame around `source`; both in seconds."""
    window = np.hanning(width + 1)[:width]
    padded = np.pad(samples, (width + hop, 2 * width))
    out = np.zeros(int(np.interp(len(samples) / RATE, source, target) * RATE) + width)
    weight = np.zeros_like(out)
    turns = 2 * np.pi * np.arange(width // 2 + 1) * hop / width
    phase = None
    for at in range(0, len(out) - width, hop):
        begin = round(np.interp(at / RATE, target, source) * RATE) + width // 2 + hop
        here = np.fft.rfft(window * padded[begin : begin + width])
        if phase is None:
            phase = np.angle(here)
        else:
            before = np.fft.rfft(window * padded[begin - hop : begin - hop + width])
            advance = np.angle(here) - np.angle(before) - turns
            phase = phase + turns + (advance + np.pi) % (2 * np.pi) - np.pi
            peaks, _ = find_peaks(np.abs(here))
            if len(peaks):
                nearest = peaks[np.searchsorted((peaks[1:] + peaks[:-1]) / 2, np.arange(len(here)))]
                phase = phase[nearest] + np.angle(here) - np.angle(here)[nearest]
        out[at : at + width] += window * np.fft.irfft(np.abs(here) * np.exp(1j * phase))
        weight[at : at + width] += window**2
    return (out / np.maximum(weight, 1e-3))[width // 2 : -(width // 2)]


def by_similarity(
    samples: np.ndarray, source: np.ndarray, target: np.ndarray, width: int = 400, reach: int = 160
) -> np.ndarray:
    """WSOLA: each piece of `width` samples comes from within `reach` of where the map says, where it goes on best from the last."""
    window, half = np.hanning(width + 1)[:width], width // 2
    padded = np.pad(samples, (width + reach, 2 * width + reach))
    out = np.zeros(int(np.interp(len(samples) / RATE, source, target) * RATE) + width)
    natural = None
    for at in range(0, len(out) - width, half):
        begin = round(np.interp(at / RATE, target, source) * RATE) + half + reach
        if natural is not None:
            near = padded[begin - reach : begin + reach + width]
            energy = np.convolve(near**2, np.ones(width), "valid")
            begin += (
                int(np.argmax(np.correlate(near, natural, "valid") / np.sqrt(energy + 1e-9)))
                - reach
            )
        natural = padded[begin + half : begin + half + width]
        out[at : at + width] += window * padded[begin : begin + width]
    return out[half:-half]


def warp_errors(clips: list[Path], stretch: Callable[..., np.ndarray]) -> np.ndarray:
    """Milliseconds, signed, every 10 ms between the clips' first and last instant of speech."""
    rng = np.random.default_rng(1)
    errors = []
    for clip in clips:
        samples = read_audio(clip, RATE).samples.astype(np.float64)
        knots = random_map(len(samples) / RATE, rng)
        speech = speech_features(samples, RATE)
        if speech is None:
            continue
        warped = with_noise(
            stretch(samples, *knots) * 10 ** (rng.uniform(-20, 6) / 20),
            rng.choice([60, 30, 20]),
            rng,
        )
        at = np.arange(*speech.span, 0.01)
        errors.append(np.interp(at, *path_of(samples, warped)) - np.interp(at, *knots))
    return 1000 * np.concatenate(errors)


def set_errors(folder: Path, stretch: Callable[..., np.ndarray] | None) -> np.ndarray:
    """Milliseconds, signed, at the rows of the truths but for 0.15 s at each end; the folder's own targets, or those made here."""
    errors = []
    for truth in sorted(folder.glob("*/truth.csv")):
        with truth.open() as file:
            source_time, target_time = np.array(
                [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
            ).T
        source, target = (
            read_audio(truth.with_name(f"{name}.mp4"), RATE).samples.astype(np.float64)
            for name in ("source", "target")
        )
        if stretch is not None:
            end = source_time[-1] + 1  # the map goes on as it ends
            target = stretch(
                source, np.append(source_time, end), np.append(target_time, target_time[-1] + 1)
            )
        inside = (source_time > 0.15) & (source_time < source_time[-1] - 0.15)
        errors.append((np.interp(source_time, *path_of(source, target)) - target_time)[inside])
    return 1000 * np.concatenate(errors)


def clips_of(names: list[str]) -> Iterator[Path]:
    for path in map(Path, names):
        yield from (
            sorted(p for p in path.rglob("*") if p.suffix in (".wav", ".mp4"))
            if path.is_dir()
            else [path]
        )


def main(names: list[str], warped: Path | None) -> None:
    for name, voices in VOICES.items():
        print(f"espeak-ng, {name:<10}        {in_words(phoneme_errors(voices))}")
    clips = list(clips_of(names))
    if clips:
        print(
            f"{len(clips):3} clips, phase vocoder       {in_words(warp_errors(clips, by_vocoder))}"
        )
        print(
            f"{len(clips):3} clips, waveform similarity {in_words(warp_errors(clips, by_similarity))}"
        )
    if warped is not None:
        print(f"{warped.name}, its own targets      {in_words(set_errors(warped, None))}")
        print(f"{warped.name}, phase vocoder        {in_words(set_errors(warped, by_vocoder))}")
        print(f"{warped.name}, waveform similarity  {in_words(set_errors(warped, by_similarity))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--warped", type=Path)
    options = parser.parse_args()
    main(options.names, options.warped)
