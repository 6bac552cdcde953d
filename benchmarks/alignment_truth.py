"""Measure how far alignments are from truths that are known exactly.

usage: python benchmarks/alignment_truth.py [--warped FOLDER] [CLIP | FOLDER ...]

Sentences of espeak-ng (extra `demo`) are spoken twice, with different tempo, melody, loudness,
spectral tilt, noise and surrounding silence, in one voice or two; the error is measured at every
phoneme boundary. Then each CLIP (any audio or video file, or the WAVs and MP4s below a FOLDER) is
aligned with itself, stretched and compressed between 0.7 and 1.6 by a known map; the error is
measured every 10 ms of its speech. Stretching is done by a phase vocoder, whose frames are centred
on the map, so the sound lies where the map says; and by waveform similarity (WSOLA, Verhelst &
Roelands, ICASSP 1993), which moves each piece by up to its search range, so the sound itself is off
the map.

--warped: a folder of folders with source.mp4, target.mp4 and truth.csv (source_time,target_time in
seconds). Its targets, and its sources stretched here by its own maps, are measured in the same way:
the difference between the two is due to how its targets were made.
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
#: Readings of each sentence by each pair of voices.
READINGS = 3
#: Least and most stretch of a random map.
STRETCHES = 0.7, 1.6
#: Least and most seconds of a piece of a random map.
PIECES_S = 0.3, 0.9
#: Seconds at each end of a warped clip that are not measured.
MARGIN_S = 0.15


def align_samples(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Align two sounds at RATE and return the path, source and target times in seconds."""
    signals = [Signals(speech_features(samples, RATE)) for samples in (source, target)]
    alignment = align(*signals)
    return alignment.source_time, alignment.target_time


def describe(error: np.ndarray) -> str:
    """Summarise signed errors in milliseconds."""
    size = np.abs(error)
    return (
        f"{len(error):6} places: median {np.median(size):5.1f} ms, "
        f"p90 {np.quantile(size, 0.9):5.1f} ms, "
        f"over 100 ms {100 * (size > 100).mean():4.1f} %, signed median {np.median(error):+5.1f} ms"
    )


def spoken(
    words: list[str], voice: str, rng: np.random.Generator, plain: bool
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return samples at RATE, K phonemes, and their K + 1 boundaries in seconds."""
    if plain:
        speech = speak(words, [1.0] * len(words), voice, Prosody(160, 45, 40, 100))
    else:
        prosody = Prosody(rng.uniform(120, 230), rng.uniform(20, 85), rng.uniform(10, 95), 100)
        speech = speak(words, rng.uniform(0.65, 1.5, len(words)).tolist(), voice, prosody)
    lead, tail = (rng.uniform(0.2, 0.9, 2) * RATE).astype(int)
    samples = np.pad(
        resample_poly(speech.samples.astype(np.float64), RATE, SAMPLE_RATE), (lead, tail)
    )
    if not plain:
        samples = lfilter([1, rng.uniform(-0.5, 0.5)], [1], samples) * 10 ** (
            rng.uniform(-20, 6) / 20
        )
    bounds = lead / RATE + np.array(
        [phoneme.start for phoneme in speech.phonemes] + [speech.duration]
    )
    return (
        with_noise(samples, rng.choice([50, 35, 22]), rng),
        [phoneme.symbol for phoneme in speech.phonemes],
        bounds,
    )


def with_noise(samples: np.ndarray, below_db: float, rng: np.random.Generator) -> np.ndarray:
    """Add white noise ``below_db`` below the mean power."""
    return samples + rng.normal(size=len(samples)) * np.sqrt(np.mean(samples**2)) * 10 ** (
        -below_db / 20
    )


def phoneme_errors(voices: tuple[tuple[str, str], ...]) -> np.ndarray:
    """Return signed errors in milliseconds at the phoneme boundaries that both readings have."""
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
                    np.interp(bounds[common[:, 0]], *align_samples(source, target))
                    - other_bounds[common[:, 1]]
                )
    return 1000 * np.concatenate(errors)


def random_map(duration: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the knots of a piecewise linear map, in source and target seconds."""
    source, target = [0.0], [0.0]
    while source[-1] < duration:
        piece = rng.uniform(*PIECES_S)
        source.append(source[-1] + piece)
        target.append(target[-1] + piece * np.exp(rng.uniform(*np.log(STRETCHES))))
    return np.array(source), np.array(target)


def by_vocoder(
    samples: np.ndarray, source: np.ndarray, target: np.ndarray, width: int = 512, hop: int = 32
) -> np.ndarray:
    """Warp by a phase vocoder with phases locked to spectral peaks.

    Laroche & Dolson, IEEE Trans. SAP 7(3), 1999. The sound at ``target`` is the frame around
    ``source``, both in seconds.
    """
    window = np.hanning(width + 1)[:width]
    padded = np.pad(samples, (width + hop, 2 * width))
    out = np.zeros(int(np.interp(len(samples) / RATE, source, target) * RATE) + width)
    weight = np.zeros_like(out)
    advance = 2 * np.pi * np.arange(width // 2 + 1) * hop / width
    phase = None
    for start in range(0, len(out) - width, hop):
        begin = round(np.interp(start / RATE, target, source) * RATE) + width // 2 + hop
        spectrum = np.fft.rfft(window * padded[begin : begin + width])
        if phase is None:
            phase = np.angle(spectrum)
        else:
            before = np.fft.rfft(window * padded[begin - hop : begin - hop + width])
            deviation = np.angle(spectrum) - np.angle(before) - advance
            phase = phase + advance + (deviation + np.pi) % (2 * np.pi) - np.pi
            peaks, _ = find_peaks(np.abs(spectrum))
            if len(peaks):
                middles = (peaks[1:] + peaks[:-1]) / 2
                nearest = peaks[np.searchsorted(middles, np.arange(len(spectrum)))]
                phase = phase[nearest] + np.angle(spectrum) - np.angle(spectrum)[nearest]
        out[start : start + width] += window * np.fft.irfft(np.abs(spectrum) * np.exp(1j * phase))
        weight[start : start + width] += window**2
    return (out / np.maximum(weight, 1e-3))[width // 2 : -(width // 2)]


def by_similarity(
    samples: np.ndarray, source: np.ndarray, target: np.ndarray, width: int = 400, reach: int = 160
) -> np.ndarray:
    """Warp by waveform similarity (WSOLA).

    Each piece of ``width`` samples comes from within ``reach`` of the place that the map names,
    where it continues the previous piece best.
    """
    window, half = np.hanning(width + 1)[:width], width // 2
    padded = np.pad(samples, (width + reach, 2 * width + reach))
    out = np.zeros(int(np.interp(len(samples) / RATE, source, target) * RATE) + width)
    natural = None
    for start in range(0, len(out) - width, half):
        begin = round(np.interp(start / RATE, target, source) * RATE) + half + reach
        if natural is not None:
            near = padded[begin - reach : begin + reach + width]
            energy = np.convolve(near**2, np.ones(width), "valid")
            similarity = np.correlate(near, natural, "valid") / np.sqrt(energy + 1e-9)
            begin += int(np.argmax(similarity)) - reach
        natural = padded[begin + half : begin + half + width]
        out[start : start + width] += window * padded[begin : begin + width]
    return out[half:-half]


def warp_errors(clips: list[Path], stretch: Callable[..., np.ndarray]) -> np.ndarray:
    """Return signed errors in milliseconds, every 10 ms of the clips' speech."""
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
        times = np.arange(*speech.span, 0.01)
        path = align_samples(samples, warped)
        errors.append(np.interp(times, *path) - np.interp(times, *knots))
    return 1000 * np.concatenate(errors)


def set_errors(folder: Path, stretch: Callable[..., np.ndarray] | None) -> np.ndarray:
    """Return signed errors in milliseconds at the rows of the truths, except near the ends.

    Measures the folder's own targets, or targets made here by ``stretch``.
    """
    errors = []
    for truth in sorted(folder.glob("*/truth.csv")):
        with truth.open() as file:
            rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
        source_time, target_time = np.array(rows).T
        source, target = (
            read_audio(truth.with_name(f"{name}.mp4"), RATE).samples.astype(np.float64)
            for name in ("source", "target")
        )
        if stretch is not None:
            end = source_time[-1] + 1  # the map continues at normal speed
            target = stretch(
                source, np.append(source_time, end), np.append(target_time, target_time[-1] + 1)
            )
        inside = (source_time > MARGIN_S) & (source_time < source_time[-1] - MARGIN_S)
        errors.append(
            (np.interp(source_time, *align_samples(source, target)) - target_time)[inside]
        )
    return 1000 * np.concatenate(errors)


def clips_of(names: list[str]) -> Iterator[Path]:
    """Yield the files, and the WAVs and MP4s below the folders."""
    for path in map(Path, names):
        yield from (
            sorted(p for p in path.rglob("*") if p.suffix in (".wav", ".mp4"))
            if path.is_dir()
            else [path]
        )


def main(names: list[str], warped: Path | None) -> None:
    for name, voices in VOICES.items():
        print(f"espeak-ng, {name:<10}        {describe(phoneme_errors(voices))}")
    clips = list(clips_of(names))
    if clips:
        count = f"{len(clips):3} clips"
        print(f"{count}, phase vocoder       {describe(warp_errors(clips, by_vocoder))}")
        print(f"{count}, waveform similarity {describe(warp_errors(clips, by_similarity))}")
    if warped is not None:
        print(f"{warped.name}, its own targets      {describe(set_errors(warped, None))}")
        print(f"{warped.name}, phase vocoder        {describe(set_errors(warped, by_vocoder))}")
        print(f"{warped.name}, waveform similarity  {describe(set_errors(warped, by_similarity))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--warped", type=Path)
    options = parser.parse_args()
    main(options.names, options.warped)
