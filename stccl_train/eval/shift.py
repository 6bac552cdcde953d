"""The shift of the verdict: the same two clips, whose frames no longer belong together."""

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import half_frame, nearest_frame

#: The shift that the verdict is about, seconds: two to four sounds later.
VERDICT_SHIFT = 0.4


def shift_partners(frame_map: NDArray[np.int32], times: NDArray[np.float64]) -> NDArray[np.int32]:
    """Move each partner frame `VERDICT_SHIFT` later, or earlier at the end of the clip.

    Args:
        frame_map: (n_source,) target frames, -1 for none.
        times: (n_target,) presentation times, seconds.

    Returns:
        (n_source,) target frames, -1 for none.
    """
    partner = times[frame_map]
    later, earlier = partner + VERDICT_SHIFT, partner - VERDICT_SHIFT
    half = half_frame(times)
    moved = np.where(later < times[-1] + half, later, earlier)
    outside = (frame_map < 0) | (moved < times[0] - half)
    return np.where(outside, -1, nearest_frame(times, moved)).astype(np.int32)
