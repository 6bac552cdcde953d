"""Draw the figures of docs/alignment.md from the demo corpus: `python docs/figures/draw.py`."""

import tempfile
import wave
from pathlib import Path

import numpy as np

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.alignment.plot import plot_alignment
from stccl_data.demo import render_corpus
from stccl_data.features.signals import read_signals
from stccl_data.media.audio import read_audio

HERE = Path(__file__).parent


def with_a_pause(clip: Path, at: float, seconds: float, to: Path) -> Path:
    """Write the sound of a clip as a WAV, with ``seconds`` of silence inserted at time ``at``."""
    audio = read_audio(clip)
    cut = round(at * audio.rate)
    pause = np.zeros(round(seconds * audio.rate), np.float32)
    samples = np.concatenate([audio.samples[:cut], pause, audio.samples[cut:]])
    with wave.open(str(to), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return to


def main() -> None:
    with tempfile.TemporaryDirectory() as tmp:
        corpus = render_corpus(
            Path(tmp) / "demo",
            "mead",
            speakers=1,
            emotions=("neutral", "angry"),
            sentences=2,
            size=128,
        )
        speaker = corpus.clips[0].speaker
        first, second = sorted({clip.sentence for clip in corpus.clips})
        neutral, angry = (corpus.clip(speaker, emotion, first) for emotion in ("neutral", "angry"))
        other = corpus.clip(speaker, "angry", second)
        source = corpus.folder / neutral.path
        half = angry.phonemes[-1].end / 2
        pause_at = next(phoneme.start for phoneme in angry.phonemes if phoneme.start > half)
        targets = {
            "good": corpus.folder / angry.path,
            "bad": corpus.folder / other.path,
            "pause": with_a_pause(
                corpus.folder / angry.path, pause_at, 0.6, Path(tmp) / "pause.wav"
            ),
        }
        for name, target in targets.items():
            pair = read_signals(source), read_signals(target)
            plot_alignment(
                HERE / f"alignment-{name}.png", *pair, align(*pair, AlignConfig(mode="audio"))
            )


if __name__ == "__main__":
    main()
