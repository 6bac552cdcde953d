"""What an emotion does to the demo's face and voice."""

from typing import NamedTuple


class Expression(NamedTuple):
    """A facial expression: signed strengths of about -1 .. 1, all 0 for a face at rest.

    Corners, brows and lids are positive upwards.
    """

    #: mouth corners
    corners: float = 0.0
    #: mouth width
    stretch: float = 0.0
    inner_brow: float = 0.0
    outer_brow: float = 0.0
    #: brows drawn together
    knit: float = 0.0
    #: positive for wide eyes, negative for narrow eyes
    lids: float = 0.0
    #: upper lip and nose wings raised
    sneer: float = 0.0
    #: one mouth corner raised alone
    skew: float = 0.0

    def scaled(self, strength: float) -> "Expression":
        """Multiply all strengths by `strength`."""
        return Expression(*(strength * value for value in self))


class Manner(NamedTuple):
    """How an emotion sounds: factors on the voice of the speaker."""

    rate: float = 1.0
    pitch: float = 1.0
    pitch_range: float = 1.0
    volume: float = 1.0
    #: factor on the opening of the mouth
    opening: float = 1.0


EXPRESSIONS: dict[str, Expression] = {
    "neutral": Expression(),
    "calm": Expression(corners=0.2, inner_brow=0.1, lids=-0.2),
    "happy": Expression(corners=1.0, stretch=0.8, outer_brow=0.2, lids=-0.35),
    "sad": Expression(
        corners=-0.6, stretch=-0.2, inner_brow=0.8, outer_brow=-0.4, knit=0.3, lids=-0.35
    ),
    "angry": Expression(
        corners=-0.35, stretch=0.1, inner_brow=-1.0, outer_brow=0.1, knit=0.8, lids=-0.2, sneer=0.25
    ),
    "fear": Expression(
        corners=-0.3, stretch=0.5, inner_brow=1.0, outer_brow=0.5, knit=0.5, lids=0.8
    ),
    "disgusted": Expression(
        corners=-0.35,
        stretch=-0.1,
        inner_brow=-0.6,
        outer_brow=-0.2,
        knit=0.5,
        lids=-0.5,
        sneer=1.0,
    ),
    "surprised": Expression(inner_brow=1.0, outer_brow=1.0, lids=1.0, stretch=-0.2),
    "contempt": Expression(outer_brow=0.15, lids=-0.3, sneer=0.15, skew=1.0),
}

MANNERS: dict[str, Manner] = {
    "neutral": Manner(),
    "calm": Manner(rate=0.9, pitch=0.94, pitch_range=0.8, volume=0.9, opening=0.95),
    "happy": Manner(rate=1.1, pitch=1.2, pitch_range=1.4, volume=1.1, opening=1.1),
    "sad": Manner(rate=0.8, pitch=0.88, pitch_range=0.6, volume=0.75, opening=0.8),
    "angry": Manner(rate=1.15, pitch=1.1, pitch_range=1.5, volume=1.3, opening=1.2),
    "fear": Manner(rate=1.22, pitch=1.3, pitch_range=1.1, volume=0.9, opening=0.95),
    "disgusted": Manner(rate=0.87, pitch=0.92, pitch_range=1.1, volume=1.0, opening=0.95),
    "surprised": Manner(rate=1.05, pitch=1.35, pitch_range=1.6, volume=1.15, opening=1.2),
    "contempt": Manner(rate=0.92, pitch=0.96, pitch_range=0.9, volume=0.95, opening=0.9),
}
