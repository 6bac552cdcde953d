"""Measure the content check on any corpus of sound, with a share of wrong labels.

usage: content.py MANIFEST_FOLDER SHARE SEED [SEED ...] [--cepstra] [--pairs] [--phone | --mp3 |
                  --reverb] [--plot FILE.png]

MANIFEST_FOLDER holds a manifest whose labels are right. Each seed gives a share of the rows another
sentence of the corpus at random. Printed, as means over seeds: AUC of the content score over the
candidate pairs of two emotions, wrong pairs accepted, right pairs refused, right clips accused,
wrong clips whose true sentence is suggested, expected calibration error, and the emotion that
loses most. --cepstra leaves the phonemes out; --pairs judges every pair on its own, as if the
speaker had no other clip; --plot draws the reliability. The sound can be made worse first: --phone
samples it at 8 kHz, --mp3 encodes it with 32 kbit/s, --reverb plays it in a room whose sound
decays by 60 dB in 0.6 s.
"""

import io
import random
import sys
from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import av
import numpy as np
from scipy.signal import fftconvolve, resample_poly

from stccl_data.clip import Clip
from stccl_data.corpora import scan_corpus
from stccl_data.features.phonemes import phoneme_features
from stccl_data.features.signals import Signals, read_signals
from stccl_data.features.speech import speech_features
from stccl_data.media.audio import read_audio
from stccl_data.pairs.content_check import check_content
from stccl_data.pairs.gates import MIN_CONTENT_SCORE


def phone(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the sound without what lies above 4 kHz."""
    band = resample_poly(samples, 8000, rate)
    return resample_poly(band, rate, 8000)[: len(samples)]


def mp3(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the sound encoded as MP3 with 32 kbit/s and decoded."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono", bit_rate=32_000)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler("fltp", "mono", rate, frame_size=stream.frame_size or 576)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
    file.seek(0)
    with av.open(file) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


def reverb(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the sound in a room: a third of its energy direct, the rest decaying noise."""
    time = np.arange(int(0.6 * rate)) / rate
    tail = np.random.default_rng(0).normal(size=len(time)) * 10 ** (-3 * time / 0.6)
    room = tail * np.sqrt(2 / np.sum(tail**2))
    room[0] += 1
    heard = fftconvolve(samples, room)[: len(samples)]
    return heard / np.abs(heard).max() * np.abs(samples).max()


SOUNDS = {"--phone": phone, "--mp3": mp3, "--reverb": reverb}


def signals_of(path: str) -> Signals:
    """Return the signals of a clip, from worse sound if the options say so."""
    change = next((SOUNDS[word] for word in sys.argv if word in SOUNDS), None)
    if change is None:
        return read_signals(path)
    audio = read_audio(path)
    samples = change(audio.samples, audio.rate)
    speech = speech_features(samples, audio.rate)
    phonemes = None if speech is None else phoneme_features(samples, audio.rate, speech)
    return Signals(speech, phonemes=phonemes, name=path)


def measure(
    speakers: dict[str, list[Clip]],
    signals: dict[str, Signals],
    share: float,
    seed: int,
    single: bool,
) -> dict[str, np.ndarray]:
    """Return, per candidate pair, its score, whether it is right, and its emotions; and per clip
    whether its label is right, whether it is accused, and whether it is corrected."""
    rng = random.Random(seed)
    sentences = sorted({str(clip.sentence) for clips in speakers.values() for clip in clips})
    result = defaultdict(list)
    for clips in speakers.values():
        true = {clip.clip_id: clip.sentence for clip in clips}
        labelled = {}
        for clip in clips:
            others = [sentence for sentence in sentences if sentence != clip.sentence]
            wrong = rng.random() < share
            labelled[clip.clip_id] = replace(clip, sentence=rng.choice(others)) if wrong else clip
        pairs = [
            (a.clip_id, b.clip_id)
            for a, b in combinations(labelled.values(), 2)
            if a.sentence == b.sentence and a.emotion != b.emotion
        ]
        groups = [[pair] for pair in pairs] if single else [pairs]
        for group in groups:
            names = {name for pair in group for name in pair} if single else labelled
            check = check_content(
                {name: signals[name] for name in names},
                {name: labelled[name] for name in names},
                group,
            )
            for (a, b), score in zip(group, check.pairs, strict=True):
                result["score"].append(score.score)
                result["right"].append(true[a] == true[b])
                result["emotions"].append((labelled[a].emotion, labelled[b].emotion))
            for name, content in check.clips.items():
                right = labelled[name].sentence == true[name]
                result["clip_right"].append(right)
                result["accused"].append(content.probably_mislabelled)
                result["corrected"].append(content.suggested_sentence == true[name])
    return {name: np.array(values) for name, values in result.items()}


def auc(score: np.ndarray, right: np.ndarray) -> float:
    """Return the probability that a right pair scores higher than a wrong one."""
    if right.all() or not right.any():
        return float("nan")
    less = score[right][:, None] - score[~right][None]
    return float(np.mean((less > 0) + 0.5 * (less == 0)))


def calibration_error(score: np.ndarray, right: np.ndarray) -> float:
    """Return the expected calibration error over ten bins (Naeini et al. 2015)."""
    bins = np.minimum((score * 10).astype(int), 9)
    members = [bins == k for k in np.unique(bins)]
    return float(sum(m.mean() * abs(score[m].mean() - right[m].mean()) for m in members))


def report(runs: list[dict[str, np.ndarray]]) -> str:
    """Return the figures as one line."""
    values = defaultdict(list)
    lost, total = defaultdict(int), defaultdict(int)
    for run in runs:
        score, right = run["score"], run["right"]
        accepted = score >= MIN_CONTENT_SCORE
        values["AUC"].append(auc(score, right))
        values["wrong accepted"].append(100 * accepted[~right].mean() if (~right).any() else 0)
        values["right refused"].append(100 * (~accepted)[right].mean())
        clip_right = run["clip_right"]
        values["right clips accused"].append(100 * run["accused"][clip_right].mean())
        if (~clip_right).any():
            corrected = run["corrected"][~clip_right].mean()
            values["wrong clips corrected"].append(100 * corrected)
        values["calibration error"].append(calibration_error(score, right))
        for emotions, is_right, is_accepted in zip(run["emotions"], right, accepted, strict=True):
            for emotion in set(emotions) if is_right else ():
                total[emotion] += 1
                lost[emotion] += not is_accepted
    worst = max(total, key=lambda emotion: lost[emotion] / total[emotion])
    pairs = sum(len(run["score"]) for run in runs) // len(runs)
    figures = [f"{name} {np.mean(column):.4g}" for name, column in values.items()]
    figures.append(f"worst emotion {worst} {100 * lost[worst] / total[worst]:.3g}")
    return f"{pairs} pairs: " + ", ".join(figures)


def plot(runs: list[dict[str, np.ndarray]], name: str, axes: object) -> None:
    """Draw the share of right pairs against the content score."""
    score = np.concatenate([run["score"] for run in runs])
    right = np.concatenate([run["right"] for run in runs])
    bins = np.minimum((score * 10).astype(int), 9)
    present = [k for k in range(10) if (bins == k).any()]
    x = [score[bins == k].mean() for k in present]
    y = [right[bins == k].mean() for k in present]
    sizes = [8 + 30 * np.log10((bins == k).sum()) for k in present]
    axes.plot(x, y, linewidth=1, alpha=0.6)  # type: ignore[attr-defined]
    axes.scatter(x, y, sizes, label=f"{name} ({len(score):,} pairs)")  # type: ignore[attr-defined]


def main() -> None:
    """Read the arguments and print the figures."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    picture = Path(words.pop()) if "--plot" in sys.argv else None
    *folders, share = words[: -len([w for w in words if w.isdigit()]) or None]
    seeds = [int(word) for word in words if word.isdigit()]
    runs_of = {}
    for folder in folders:
        clips = scan_corpus(Path(folder), "auto").clips
        signals = {clip.clip_id: signals_of(str(clip.path)) for clip in clips}
        if "--cepstra" in sys.argv:
            signals = {name: replace(clip, phonemes=None) for name, clip in signals.items()}
        speakers = defaultdict(list)
        for clip in clips:
            if signals[clip.clip_id].speech is not None and clip.sentence is not None:
                speakers[clip.speaker].append(clip)
        single = "--pairs" in sys.argv
        for wrong in map(float, share.split(",")):
            runs = [measure(speakers, signals, wrong, seed, single) for seed in seeds]
            print(f"{Path(folder).name}, {100 * wrong:.0f} % wrong labels:", report(runs))
            runs_of.setdefault(Path(folder).name, []).extend(runs)
    if picture is not None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(4.2, 4.2), layout="constrained")
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
        for name, runs in runs_of.items():
            plot(runs, name, axes)
        axes.set(xlabel="content score", ylabel="share of right pairs")
        axes.legend(loc="upper left", frameon=False)
        figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
