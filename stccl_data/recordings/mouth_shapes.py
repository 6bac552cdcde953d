"""Which mouth shapes (visemes) a text has: phonemes that look alike on the lips share one."""

from collections.abc import Mapping

from stccl_data.recordings.pronunciation import COLUMN

#: Name of each shape, and the phonemes that have it. A diphthong counts as what it begins with.
MOUTH_SHAPES: dict[str, str] = {
    "closed lips": "P B M",
    "lip on teeth": "F V",
    "tongue on teeth": "TH DH",
    "tongue up": "T D N L",
    "teeth together": "S Z",
    "pouted": "CH JH SH ZH",
    "r": "R ER",
    "rounded": "W UW UH OW OY",
    "spread": "IY IH Y EY",
    "half open": "EH AE AH",
    "wide open": "AA AO AW AY",
    "tongue back": "K G NG HH",
}
_SHAPE = {COLUMN[phone]: name for name, phones in MOUTH_SHAPES.items() for phone in phones.split()}


def count_mouth_shapes(phonemes: Mapping[int, int]) -> Mapping[str, int]:
    """Return how often each shape occurs, the rarest first.

    Args:
        phonemes: how often each column of `COLUMN` occurs.
    """
    counts = dict.fromkeys(MOUTH_SHAPES, 0)
    for column, count in phonemes.items():
        counts[_SHAPE[column]] += count
    return dict(sorted(counts.items(), key=lambda item: item[1]))


def describe_mouth_shapes(shapes: Mapping[str, int]) -> str:
    """Return counts as a line for the user."""
    return "mouth shapes: " + ", ".join(f"{name} {count}" for name, count in shapes.items())
