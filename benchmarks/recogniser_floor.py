"""Measure how well a recogniser's word boundaries, the yardstick of docs/alignment.md, repeat.

usage: python benchmarks/recogniser_floor.py RAVDESS_DIR [ACTOR ...]
       (pip install pocketsphinx soundfile)

Words are located in each 16 kHz WAV by pocketsphinx forced alignment. Then each clip is changed in
ways that leave every word in place, or move it by a known map, and its words are located again. By
how much the recogniser's boundaries move is a limit: measured by them, no alignment of two clips
can be better. Last, our alignments of each neutral clip with the emotional ones are measured by the
boundaries: by all, and by those at which the recogniser is steady, moved by at most 50 ms in either
clip.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from alignment_truth import RATE, align_samples, by_vocoder, random_map, with_noise
from pocketsphinx import Decoder

TEXT = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
EMOTIONS = ("03", "04", "05", "06", "07", "08")
STEADY_MS = 50

#: The changed samples, and a function from times in them to times in the original.
Changed = tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]
Change = Callable[[np.ndarray, np.random.Generator], Changed]


def boundaries(samples: np.ndarray, text: str, decoder: Decoder) -> np.ndarray:
    """Return the start of each word and the end of the last, in seconds; NaN without a result."""
    words = text.split()
    pcm = (samples / np.abs(samples).max() * 0.7 * 32767).astype("<i2").tobytes()
    decoder.set_align_text(text)
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    segments = [segment for segment in decoder.seg() or () if segment.word.split("(")[0] in words]
    if len(segments) != len(words):
        return np.full(len(words) + 1, np.nan)
    starts = [segment.start_frame for segment in segments]
    return np.array([*starts, segments[-1].end_frame]) / 100  # frames of 10 ms


def noisy(below_db: float) -> Change:
    return lambda samples, rng: (with_noise(samples, below_db, rng), lambda time: time)


def shifted(milliseconds: int) -> Change:
    n = milliseconds * RATE // 1000
    cut = slice(max(0, -n), None)
    return lambda samples, rng: (np.pad(samples, (max(0, n), 0))[cut], lambda time: time - n / RATE)


def stretched(samples: np.ndarray, rng: np.random.Generator) -> Changed:
    source, target = random_map(len(samples) / RATE, rng)
    return by_vocoder(samples, source, target), lambda time: np.interp(time, target, source)


CHANGES = {
    "white noise 40 dB below the speech": noisy(40),
    "white noise 30 dB below": noisy(30),
    "white noise 20 dB below": noisy(20),
    "3 ms later": shifted(3),
    "3 ms earlier": shifted(-3),
    "stretched by a known map": stretched,
}
HARMLESS = [name for name in CHANGES if "20 dB" not in name]


def describe(error: np.ndarray) -> str:
    """Summarise errors in milliseconds: median, 90th percentile, share over 100 ms, count."""
    size = np.abs(error[np.isfinite(error)])
    p90, over = np.quantile(size, 0.9), 100 * (size > 100).mean()
    return f"{np.median(size):3.0f} / {p90:3.0f} / {over:4.1f} %  ({len(size)})"


def main(root: Path, actors: list[str]) -> None:
    decoder = Decoder(samprate=RATE, bestpath=False, loglevel="FATAL")
    pairs = []
    for actor in actors:
        for statement in TEXT:
            clip = f"03-01-{{}}-{{}}-{statement}-01-{actor}.wav".format
            folder = root / f"Actor_{actor}"
            pairs += [
                (folder / clip("01", "01"), folder / clip(e, level))
                for e in EMOTIONS
                for level in ("01", "02")
            ]
    clips = sorted({clip for pair in pairs for clip in pair})
    sound = {clip: soundfile.read(clip)[0] for clip in clips}
    text = {clip: TEXT[clip.stem.split("-")[4]] for clip in clips}
    located = {clip: boundaries(sound[clip], text[clip], decoder) for clip in clips}

    print(
        "median / p90 / share over 100 ms (boundaries)\n"
        "the recogniser against itself, all boundaries; first; inner; last"
    )
    moved = {}
    for name, change in CHANGES.items():
        rng = np.random.default_rng(0)
        rows = []
        for clip in clips:
            samples, before = change(sound[clip], rng)
            rows.append(1000 * (before(boundaries(samples, text[clip], decoder)) - located[clip]))
        moved[name] = np.array(rows)
        kinds = (moved[name], moved[name][:, 0], moved[name][:, 1:-1], moved[name][:, -1])
        print(f"  {name:<36}" + ";  ".join(describe(kind) for kind in kinds))

    most = np.nanmax([np.abs(moved[name]) for name in HARMLESS], axis=0)
    ours = np.array(
        [
            1000 * (np.interp(located[a], *align_samples(sound[a], sound[b])) - located[b])
            for a, b in pairs
        ]
    )
    spread = np.array([np.maximum(most[clips.index(a)], most[clips.index(b)]) for a, b in pairs])
    print("our alignments")
    print(f"  all boundaries                      {describe(ours)}")
    print(f"  where the recogniser is steady      {describe(ours[spread <= STEADY_MS])}")
    print(f"  where it is not                     {describe(ours[spread > STEADY_MS])}")
    for k in range(ours.shape[1]):
        steady = ours[spread[:, k] <= STEADY_MS, k]
        print(
            f"  boundary {k + 1}: all {describe(ours[:, k])}; steady {describe(steady)}; "
            f"the recogniser {describe(most[:, k])}"
        )


if __name__ == "__main__":
    where = Path(sys.argv[1])
    main(where, sys.argv[2:] or sorted(path.name[-2:] for path in where.glob("Actor_*")))
