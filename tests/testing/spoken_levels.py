"""Phoneme levels as the acoustic model would give them for a text, without any sound."""

import numpy as np

from stccl_data.features.phonemes import HOP_S
from stccl_data.recordings.pronunciation import BLANK, pronounce

_UNLIKELY = 200


def spoken_levels(*texts, every=4, pause=10):
    """Return levels (T, BLANK + 1) of texts spoken one after another.

    Args:
        texts: a number is a pause in seconds.
        every: rows per phoneme.
        pause: rows after each text.
    """
    rows = []
    for text in texts:
        if not isinstance(text, str):
            rows += [BLANK] * round(text / HOP_S)
            continue
        for word in pronounce(text):
            for column in word.pronunciations[0]:
                rows += [column] + [BLANK] * (every - 1)
        rows += [BLANK] * pause
    levels = np.full((len(rows), BLANK + 1), _UNLIKELY, np.uint8)
    levels[np.arange(len(rows)), rows] = 0
    return levels


def loudness_of(levels, hop_s=0.01):
    """Return a loudness (L,) float32 that is high where something is spoken, dB."""
    spoken = np.repeat(levels[:, BLANK] > 0, round(HOP_S / hop_s))
    near = np.convolve(spoken, np.ones(round(0.1 / hop_s)), "same") > 0
    return np.where(near, -20.0, -70.0).astype(np.float32)
