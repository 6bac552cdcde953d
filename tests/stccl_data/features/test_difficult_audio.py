"""Audio that is hard or impossible to align: each pair is accepted, or rejected with its reason."""

from pathlib import Path

import numpy as np
import pytest

from stccl_data.dataset.tables import read_clips, read_pairs
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import prepare
from tests.testing import speech as voice
from tests.testing.media import record

SENTENCES = {"one": "aisouesai", "two": "uoseiasou"}
EMOTIONS = ("neutral", "happy", "sad", "angry")
#: Clip labelled as sentence "one" -> reason of its pair with the neutral clip; None if accepted.
EXPECTED = {
    "clipped": None,
    "dead channel": None,
    "silent": "partner_failed",
    "hum": "content_mismatch",
    "music": "content_mismatch",
    "one word": "duration_ratio",
    "ten times longer": "duration_ratio",
}


def speak(sounds: str, seed: int) -> np.ndarray:
    """Say the sounds with a pace, pitch and loudness of their own."""
    rng = np.random.default_rng(seed)
    lengths = 0.14 * rng.uniform(0.7, 1.4, len(sounds))
    pitch, gain = rng.uniform(100, 200), rng.uniform(0.1, 0.7)
    return voice.say(sounds, lengths, pitch=pitch, gain=gain, noise=2e-3, seed=seed)[0]


def play_music(seconds: float = 2.0) -> np.ndarray:
    """Play decaying chords, four per second."""
    rng = np.random.default_rng(3)
    t = np.arange(int(0.25 * voice.RATE)) / voice.RATE
    chords = [
        [220 * 2 ** (n / 12) for n in rng.choice(24, 3, replace=False)]
        for _ in range(int(seconds / 0.25))
    ]
    notes = [
        sum(np.sin(2 * np.pi * f * k * t) / k for f in chord for k in (1, 2, 3)) * np.exp(-6 * t)
        for chord in chords
    ]
    return (0.08 * np.concatenate(notes)).astype(np.float32)


def difficult_sounds() -> dict[str, np.ndarray]:
    """Return the samples of each clip in EXPECTED."""
    t = np.arange(2 * voice.RATE) / voice.RATE
    happy = speak(SENTENCES["one"], 1)
    return {
        "clipped": np.clip(20 * happy, -1, 1),
        "dead channel": np.stack([happy, 0 * happy]),
        "silent": np.zeros(2 * voice.RATE, np.float32),
        "hum": (0.3 * np.sin(2 * np.pi * 50 * t)).astype(np.float32),
        "music": play_music(),
        "one word": voice.say("a", [0.28])[0],
        "ten times longer": speak(SENTENCES["one"] * 10, 2),
    }


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> dict[str, dict]:
    """Rows of pairs.parquet by the name of their target: one speaker, ordinary clips beside."""
    raw, out = tmp_path_factory.mktemp("sounds"), tmp_path_factory.mktemp("dataset")
    sounds = difficult_sounds()
    rows = [(name, "fear", "one") for name in sounds]
    for s, (sentence, letters) in enumerate(SENTENCES.items()):
        for e, emotion in enumerate(EMOTIONS):
            sounds[f"{sentence} {emotion}"] = speak(letters, 10 * s + e + 5)
            rows.append((f"{sentence} {emotion}", emotion, sentence))
    for name, samples in sounds.items():
        record(raw / f"{name}.wav", sound=samples, rate=voice.RATE, audio_codec="pcm_s16le")
    lines = [
        "path,speaker,emotion,sentence,take",
        *(f"{n}.wav,a,{e},{s},{k + 1}" for k, (n, e, s) in enumerate(rows)),
    ]
    (raw / "manifest.csv").write_text("\n".join(lines) + "\n")
    config = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
    prepare(raw, out, config)
    names = {row["clip_id"]: Path(row["path"]).stem for row in read_clips(out)}
    return {names[row["target"]]: row for row in read_pairs(out)}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_pair_has_its_reason(pairs, name):
    pair = pairs[name]
    assert pair["reason"] == EXPECTED[name], pair["detail"]
    assert pair["accepted"] == (EXPECTED[name] is None)
    assert bool(pair["detail"]) == (EXPECTED[name] is not None)


def test_a_silent_clip_is_named_by_its_pair(pairs):
    assert "silent.wav" in pairs["silent"]["detail"]


def test_ordinary_pairs_of_the_speaker_are_accepted(pairs):
    others = {name: row for name, row in pairs.items() if name not in EXPECTED}
    expected = {f"{sentence} {emotion}" for sentence in SENTENCES for emotion in EMOTIONS[1:]}
    assert others.keys() == expected
    assert all(row["accepted"] for row in others.values()), others
