"""Sound that is hard or impossible to align, in one run: each pair is accepted for what it is, or ends with its reason."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import prepare
from tests.testing import speech as voice

SENTENCES = {"one": "aisouesai", "two": "uoseiasou"}
EMOTIONS = ("neutral", "happy", "sad", "angry")
#: what sounds like "one" by its label -> the reason that its pair with the neutral clip ends with, None where it is accepted
EXPECTED = {
    "clipped": None,
    "dead channel": None,
    "silent": "partner_failed",
    "hum": "content_mismatch",
    "music": "content_mismatch",
    "one word": "duration_ratio",
    "ten times longer": "duration_ratio",
}


def spoken(sounds: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lengths = 0.14 * rng.uniform(0.7, 1.4, len(sounds))
    return voice.say(
        sounds,
        lengths,
        pitch=rng.uniform(100, 200),
        gain=rng.uniform(0.1, 0.7),
        noise=2e-3,
        seed=seed,
    )[0]


def music(seconds: float = 2.0) -> np.ndarray:
    """Chords, four a second, each struck and dying away."""
    rng = np.random.default_rng(3)
    t = np.arange(int(0.25 * voice.RATE)) / voice.RATE
    chords = [
        [220 * 2 ** (n / 12) for n in rng.choice(24, 3, replace=False)]
        for _ in range(int(seconds / 0.25))
    ]
    struck = [
        sum(np.sin(2 * np.pi * f * k * t) / k for f in chord for k in (1, 2, 3)) * np.exp(-6 * t)
        for chord in chords
    ]
    return (0.08 * np.concatenate(struck)).astype(np.float32)


@pytest.fixture(scope="module")
def pairs(studio, tmp_path_factory) -> dict[str, dict]:
    """The pairs of one speaker by the name of their target."""
    raw = tmp_path_factory.mktemp("sounds")
    happy = spoken(SENTENCES["one"], 1)
    sounds = {
        "clipped": np.clip(20 * happy, -1, 1),
        "dead channel": happy,
        "silent": np.zeros(2 * voice.RATE, np.float32),
        "hum": (0.3 * np.sin(2 * np.pi * 50 * np.arange(2 * voice.RATE) / voice.RATE)).astype(
            np.float32
        ),
        "music": music(),
        "one word": voice.say("a", [0.28])[0],
        "ten times longer": spoken(SENTENCES["one"] * 10, 2),
    }
    assert sounds.keys() == EXPECTED.keys()
    rows = [(name, "fear", "one") for name in sounds]
    for s, (sentence, letters) in enumerate(SENTENCES.items()):
        for e, emotion in enumerate(EMOTIONS):
            sounds[f"{sentence} {emotion}"] = spoken(letters, 10 * s + e + 5)
            rows.append((f"{sentence} {emotion}", emotion, sentence))
    for name, samples in sounds.items():
        both = np.stack([samples, 0 * samples]) if name == "dead channel" else samples
        studio.record(raw / f"{name}.wav", sound=both, rate=voice.RATE, audio_codec="pcm_s16le")
    lines = [
        "path,speaker,emotion,sentence,take",
        *(f"{n}.wav,a,{e},{s},{k + 1}" for k, (n, e, s) in enumerate(rows)),
    ]
    (raw / "manifest.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path_factory.mktemp("dataset")
    prepare(
        raw, out, PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
    )
    clips = {
        row["clip_id"]: Path(row["path"]).stem
        for row in pq.read_table(out / "clips.parquet").to_pylist()
    }
    return {clips[row["target"]]: row for row in pq.read_table(out / "pairs.parquet").to_pylist()}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_ends_with_its_reason_and_a_sentence(pairs, name):
    found = pairs[name]
    assert found["reason"] == EXPECTED[name], found["detail"]
    assert found["accepted"] == (EXPECTED[name] is None)
    assert bool(found["detail"]) == (EXPECTED[name] is not None)


def test_a_silent_clip_is_named_by_its_pair(pairs):
    assert "silent.wav has no audible sound" in pairs["silent"]["detail"]


def test_the_speakers_other_pairs_are_accepted_beside_them(pairs):
    others = {name: row for name, row in pairs.items() if name not in EXPECTED}
    assert sorted(others) == sorted(
        f"{sentence} {emotion}" for sentence in SENTENCES for emotion in EMOTIONS[1:]
    )
    assert all(row["accepted"] for row in others.values()), others
