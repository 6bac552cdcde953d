"""Turn phoneme times into the motion of a mouth.

Each phoneme has a target shape (its viseme); the mouth moves smoothly between the targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from stccl_data.demo.voice import PAUSE, Phoneme

#: Seconds before the sentence in which the mouth opens.
_ONSET = 0.08
#: Seconds after the sentence in which the mouth closes.
_RELEASE = 0.12


class Viseme(NamedTuple):
    """A mouth shape."""

    #: 0 closed .. 1 wide open
    opening: float
    #: -1 rounded .. 1 stretched
    spread: float


#: espeak's mnemonics for American English. A diphthong moves from its first shape to its second.
VISEMES: dict[str, tuple[Viseme, ...]] = {
    symbol: shapes
    for symbols, shapes in {
        "p b m": (Viseme(0.0, 0.0),),
        "f v": (Viseme(0.07, 0.1),),
        "t d n l t# t2 n- l- ?": (Viseme(0.2, 0.1),),
        "s z z# z/2": (Viseme(0.14, 0.25),),
        "S Z tS dZ": (Viseme(0.2, -0.5),),
        "k g N h x": (Viseme(0.3, 0.0),),
        "T D": (Viseme(0.2, 0.1),),
        "r r- R": (Viseme(0.25, -0.4),),
        "w": (Viseme(0.12, -0.9),),
        "j ;": (Viseme(0.25, 0.4),),
        "i: i i2 I I2 I# 'I": (Viseme(0.34, 0.55),),
        "e e: E E#": (Viseme(0.58, 0.35),),
        "a aa &": (Viseme(0.85, 0.3),),
        "A: A A@ 0": (Viseme(1.0, 0.0),),
        "V @ @2 @5 a#": (Viseme(0.6, 0.0),),
        "3 3: 3r @r @L": (Viseme(0.4, -0.25),),
        "O O: O@ o@ 0# O2": (Viseme(0.72, -0.5),),
        "U U@": (Viseme(0.3, -0.7),),
        "u: u u2": (Viseme(0.22, -1.0),),
        "eI": (Viseme(0.62, 0.4), Viseme(0.34, 0.55)),
        "aI aI@ aI3": (Viseme(0.95, 0.15), Viseme(0.36, 0.5)),
        "aU aU@": (Viseme(0.95, 0.1), Viseme(0.3, -0.7)),
        "oU": (Viseme(0.6, -0.55), Viseme(0.25, -0.95)),
        "OI": (Viseme(0.65, -0.6), Viseme(0.34, 0.45)),
        "e@ i@ i@3": (Viseme(0.55, 0.35), Viseme(0.35, -0.1)),
    }.items()
    for symbol in symbols.split()
}
_CLOSED = Viseme(0.0, 0.0)
#: For a phoneme that is not in the table: neither closed nor wide open.
_UNKNOWN = (Viseme(0.3, 0.0),)


@dataclass(frozen=True, slots=True)
class MouthTrack:
    """The shape of the mouth over time."""

    #: (N,) float64, 0 closed .. 1 wide open
    opening: np.ndarray
    #: (N,) float64, -1 rounded .. 1 stretched
    spread: np.ndarray


def mouth_track(phonemes: Sequence[Phoneme], times: np.ndarray) -> MouthTrack:
    """Compute the motion of the mouth while `phonemes` are spoken.

    Targets lie inside their phoneme and a monotone cubic joins them, so that a short sound is
    shaped by its neighbours but never overshoots, and the lips are closed through the middle of
    every p, b and m. Before and after the sentence the mouth is closed.

    Args:
        phonemes: in order, at least one.
        times: (N,) seconds on the clock of the phonemes.
    """
    knots: list[tuple[float, Viseme]] = [(phonemes[0].start - _ONSET, _CLOSED)]
    for phoneme in phonemes:
        length = phoneme.end - phoneme.start
        knots += [(phoneme.start + share * length, shape) for share, shape in _targets(phoneme)]
    knots.append((phonemes[-1].end + _RELEASE, _CLOSED))
    knot_times = np.array([time for time, _ in knots])
    shapes = np.array([shape for _, shape in knots])
    inside = np.clip(times, knot_times[0], knot_times[-1])
    values = PchipInterpolator(knot_times, shapes)(inside)
    return MouthTrack(opening=np.clip(values[:, 0], 0.0, 1.0), spread=values[:, 1])


def _targets(phoneme: Phoneme) -> list[tuple[float, Viseme]]:
    """Return the target shapes of a phoneme, each at a fraction of its length."""
    if phoneme.symbol == PAUSE:
        shapes: tuple[Viseme, ...] = (_CLOSED,)
    else:
        shapes = VISEMES.get(phoneme.symbol, _UNKNOWN)
    if shapes[0].opening == 0.0:
        # Closed over most of its length, not at one instant. The breath of a p comes after the
        # lips part.
        start, end = (0.1, 0.65) if phoneme.symbol == "p" else (0.15, 0.85)
        return [(start, shapes[0]), (end, shapes[0])]
    if len(shapes) == 2:
        return [(0.3, shapes[0]), (0.85, shapes[1])]
    return [(0.5, shapes[0])]
