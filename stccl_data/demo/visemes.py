"""From phoneme times to the motion of a mouth: each sound asks for a shape, and the mouth travels smoothly between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator

from stccl_data.demo.voice import PAUSE, Phoneme

_ONSET, _RELEASE = (
    0.08,
    0.12,
)  # seconds in which the closed mouth opens before, and closes after, the sentence


class Viseme(NamedTuple):
    """A mouth shape: `opening` 0 closed .. 1 wide open, `spread` -1 rounded .. 1 stretched."""

    opening: float
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
_UNKNOWN = (
    Viseme(0.3, 0.0),
)  # a sound that the table does not have; an unlisted vowel or consonant is neither shut nor wide


@dataclass(frozen=True, slots=True)
class MouthTrack:
    """The mouth at each asked time. `opening`: (N,) 0 closed .. 1 wide open; `spread`: (N,) -1 rounded .. 1 stretched."""

    opening: np.ndarray
    spread: np.ndarray


def mouth_track(phonemes: Sequence[Phoneme], times: np.ndarray) -> MouthTrack:
    """The mouth's motion while `phonemes` are said, at `times` ((N,) seconds on the phonemes' clock).

    Targets lie inside their phoneme and a monotone cubic joins them, so that a short sound is shaped by its neighbours but never
    overshoots, and the lips are shut through the middle of every p, b and m. Before and after the sentence the mouth is shut.
    """
    knots: list[tuple[float, Viseme]] = [(phonemes[0].start - _ONSET, Viseme(0.0, 0.0))]
    for phoneme in phonemes:
        length = phoneme.end - phoneme.start
        shapes = (
            (Viseme(0.0, 0.0),)
            if phoneme.symbol == PAUSE
            else VISEMES.get(phoneme.symbol, _UNKNOWN)
        )
        if (
            shapes[0].opening == 0.0
        ):  # shut over most of its length, not at one instant; a p's breath comes after its lips part
            shut = (0.1, 0.65) if phoneme.symbol == "p" else (0.15, 0.85)
            knots += [(phoneme.start + share * length, shapes[0]) for share in shut]
        elif len(shapes) == 2:
            knots += [
                (phoneme.start + 0.3 * length, shapes[0]),
                (phoneme.start + 0.85 * length, shapes[1]),
            ]
        else:
            knots.append((phoneme.start + 0.5 * length, shapes[0]))
    knots.append((phonemes[-1].end + _RELEASE, Viseme(0.0, 0.0)))
    at = np.array([time for time, _ in knots])
    shape = np.array([viseme for _, viseme in knots])
    inside = np.clip(times, at[0], at[-1])
    values = PchipInterpolator(at, shape)(inside)
    return MouthTrack(opening=np.clip(values[:, 0], 0.0, 1.0), spread=values[:, 1])
