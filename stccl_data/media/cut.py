"""A cut: the part of a long recording that is one clip."""

import math
from dataclasses import dataclass

#: Seconds by which a frame may be before the start or the end of a cut and count as at it: tables
#: round to milliseconds.
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a recording, in seconds since its first frame (of sound alone: its first sample).

    A frame belongs to the cut that its presentation time is in, so that cuts that follow one
    another share none and lose none.
    """

    start: float = 0.0
    #: excluded; infinite for the end of the recording
    end: float = math.inf

    @property
    def first(self) -> float:
        """Times from this one on are not before the cut."""
        return self.start - _ROUNDING

    @property
    def last(self) -> float:
        """Times before this one are not after the cut."""
        return self.end - _ROUNDING
