"""The beeps of the teleprompter (`stccl prompts`), as they are heard in a recording.

A beep has one of three pitches, that of the number of its row in the script modulo three. So two
beeps in a row tell whether the row was repeated, followed by the next one, or by the one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Hz of row 0, 1, 2, 3 (as 0) and so on; and seconds of a beep.
PITCHES = (1000, 1250, 1500)
BEEP_S = 0.15
#: Hops over which a tone is measured.
_WINDOW = 5
#: Share of the sound's power that a beep has; and its duration, which echoes prolong, seconds.
_SHARE, _SHORTEST_S, _LONGEST_S = 0.4, 0.11, 0.5


@dataclass(frozen=True, slots=True)
class Beep:
    """A beep. Times are seconds."""

    start: float
    end: float
    #: index in `PITCHES`
    pitch: int


def tone_shares(blocks: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return how much of a sound is a tone of each pitch.

    Args:
        blocks: (T, n) samples, n to a hop.
        rate: samples per second.

    Returns:
        (T, 3), the share of the power in the `_WINDOW` hops around each hop.
    """
    size = blocks.shape[1]
    power = _around(np.square(blocks).sum(axis=1)) * size * _WINDOW
    time = np.arange(blocks.size).reshape(blocks.shape) / rate
    shares = np.empty((len(blocks), len(PITCHES)), np.float32)
    for number, pitch in enumerate(PITCHES):
        phase = np.exp(-2j * np.pi * pitch * time).astype(np.complex64)
        tone = _around((blocks * phase).sum(axis=1))
        shares[:, number] = 2 * np.abs(tone) ** 2 / np.maximum(power, 1e-12)
    return shares


def _around(values: NDArray[Any]) -> NDArray[Any]:
    """Return the sums over the window around each value."""
    if not len(values):  # which np.convolve refuses
        return values
    sums: NDArray[Any] = np.convolve(values, np.ones(_WINDOW, np.float32))
    return sums[_WINDOW // 2 :][: len(values)]


def find_beeps(shares: NDArray[np.float32], hop_s: float) -> tuple[Beep, ...]:
    """Find the beeps in the order of time.

    Args:
        shares: of each hop, see `tone_shares`.
        hop_s: seconds of a hop.
    """
    pitch = np.where(shares.max(axis=1, initial=0) > _SHARE, shares.argmax(axis=1), -1)
    changes = np.flatnonzero(np.diff(pitch)) + 1
    edges = np.concatenate([[0], changes, [len(pitch)]])
    return tuple(
        Beep(first * hop_s, last * hop_s, int(pitch[first]))
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if first < last
        and pitch[first] >= 0
        and _SHORTEST_S <= (last - first) * hop_s <= _LONGEST_S
    )


def beep_before(beeps: Sequence[Beep], time: float, longest: float) -> Beep | None:
    """Return the last beep that begins before a time, at most `longest` seconds before."""
    return next((b for b in reversed(beeps) if time - longest <= b.start <= time), None)
