"""The shift of the verdict: the same two clips, whose frames no longer belong together."""

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import half_frame, nearest_frame

#: The shift that the verdict is about, seconds: two to four sounds later.
VERDICT_SHIFT = 0.4


def shift_partners(
    frame_map: NDArray[np.int32], times: NDArray[np.float64], seconds: float = VERDICT_SHIFT
) -> NDArray[np.int32]:
    """Move each partner frame in time; the other way if the clip has no frame there.

    Args:
        frame_map: (n_source,) target frames, -1 for none.
        times: (n_target,) presentation times, seconds.
        seconds: how far; later, if positive.

    Returns:
        (n_source,) target frames, -1 for none.
    """
    partner = times[frame_map]
    half = half_frame(times)

    def exists(time: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray((time >= times[0] - half) & (time < times[-1] + half))

    moved = np.where(exists(partner + seconds), partner + seconds, partner - seconds)
    outside = (frame_map < 0) | ~exists(moved)
    return np.where(outside, -1, nearest_frame(times, moved)).astype(np.int32)
