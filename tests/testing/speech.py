"""Synthetic speech: a source-filter voice that says a list of sounds, each for its own time."""

import numpy as np

RATE = 16_000
#: First three formants of some vowels, Hz (Peterson & Barney 1952, rounded).
SOUNDS = {
    "a": (730, 1090, 2440),
    "i": (270, 2290, 3010),
    "u": (300, 870, 2240),
    "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
}


def say(sounds, lengths, pitch=120.0, gain=0.3, noise=1e-4, lead=0.3, tail=0.3, seed=0):
    """Synthesise a sequence of sounds.

    Args:
        sounds: letters of SOUNDS, ``s`` for a hiss, ``_`` for a pause.
        lengths: seconds of each sound.
        pitch: Hz.
        gain: peak amplitude.
        noise: standard deviation of white noise added to the whole.
        lead, tail: seconds of silence before and after.
        seed: of the noises.

    Returns:
        (S,) float32 samples, and the boundaries of the sounds, (K + 1,) seconds.
    """
    rng = np.random.default_rng(seed)
    pieces = [np.zeros(int(lead * RATE))]
    for sound, length in zip(sounds, lengths, strict=True):
        n = round(length * RATE)
        t = np.arange(n) / RATE
        if sound == "_":
            piece = np.zeros(n)
        elif sound == "s":
            piece = np.diff(rng.normal(size=n + 1)) * 0.2
        else:
            harmonics = np.arange(1, int(4000 / pitch))
            gains = sum(1 / (1 + ((harmonics * pitch - f) / 90) ** 2) for f in SOUNDS[sound])
            piece = (gains[:, None] * np.sin(2 * np.pi * pitch * harmonics[:, None] * t)).sum(
                axis=0
            )
        ramp = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.008 * RATE))
        pieces.append(gain * piece * ramp)
    pieces.append(np.zeros(int(tail * RATE)))
    samples = np.concatenate(pieces)
    samples = samples / max(1e-9, np.abs(samples).max()) * gain + noise * rng.normal(
        size=len(samples)
    )
    return samples.astype(np.float32), lead + np.concatenate([[0], np.cumsum(lengths)])
