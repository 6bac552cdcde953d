"""Align two clips by their mouths alone, from faces that are already tracked."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals


class TrackedFace(Protocol):
    """A `Track`, or an `UtteranceClip` of a dataset."""

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) presentation times in seconds."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(N,) whether the frame shows a face."""

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """(N, K, 2) pixels of the source frame, NaN without a face."""


def align_mouths(source: TrackedFace, target: TrackedFace) -> NDArray[np.int32]:
    """Find the target frame whose mouth corresponds to each source frame.

    The clips need not say the same sentence: the result is the most similar monotone path.

    Returns:
        (n_source,) int32, non-decreasing.

    Raises:
        ClipError: a clip shows too little of a mouth, or one is far longer than the other.
    """
    return align(_signals(source), _signals(target), AlignConfig(mode="visual")).frame_map


def _signals(clip: TrackedFace) -> Signals:
    times = np.asarray(clip.times, np.float64)
    return Signals(mouth=mouth_features(clip.landmarks, times, clip.valid), frame_times=times)
