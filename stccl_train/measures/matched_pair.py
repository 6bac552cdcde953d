"""Two measured clips and which of their frames belong together."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stccl_train.eval.shift import shift_partners
from stccl_train.measures.measured_clip import MeasuredClip

#: Frame rates that differ by less than this share are taken for equal.
_SAME_RATE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class MatchedPair:
    """A source clip, a clip that was generated from it, and the frames that belong together."""

    source: MeasuredClip
    generated: MeasuredClip
    #: (n_source,) int32, frame of the generated clip for each frame of the source, -1 for none.
    frame_map: NDArray[np.int32]
    #: A real clip of the actor in the wanted emotion; None if none was given.
    reference: MeasuredClip | None = None
    #: Other real clips of the actor.
    actor: tuple[MeasuredClip, ...] = ()
    #: The files whose sound the generated clip should be in sync with: the first that has some.
    sounds: tuple[str, ...] = ()
    #: Seconds by which the generated clip was shifted against source and sound, see `shifted`.
    shift: float = 0.0

    def shifted(self, seconds: float) -> "MatchedPair":
        """Return the pair with the generated clip shifted; later, if ``seconds`` is positive."""
        moved = shift_partners(self.frame_map, self.generated.track.times, seconds)
        return replace(self, frame_map=moved, shift=seconds)

    @property
    def strides(self) -> tuple[int, int] | None:
        """Every how many frames of the source and of the generated clip are equally long apart.

        (1, 1) at equal frame rates, (2, 1) if the source has twice as many; None if no rate is a
        multiple of the other.
        """
        ratio = self.generated.step / self.source.step
        source, generated = max(1, round(ratio)), max(1, round(1 / ratio))
        if abs(ratio * generated / source - 1) > _SAME_RATE:
            return None
        return source, generated

    @property
    def frames(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The frames that are compared, (n,) of each side: those with a face in both."""
        source = np.flatnonzero(self.frame_map >= 0)
        generated = self.frame_map[source].astype(np.intp)
        seen = self.source.has_face[source] & self.generated.has_face[generated]
        return source[seen], generated[seen]
