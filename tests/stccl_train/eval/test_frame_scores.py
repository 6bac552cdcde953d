"""Which windows score the frames of a clip."""

import numpy as np
import pytest

from stccl_train.data.windows import WindowShape
from stccl_train.eval.frame_scores import _spread_windows

SHAPE = WindowShape(7, 0.12)


@pytest.mark.parametrize("overlap", [1, 3])
@pytest.mark.parametrize("missing", [[], [50], [20, 21, 70]])
def test_windows_contain_every_frame_that_can_be_in_one(overlap: int, missing: list[int]) -> None:
    times, usable = np.arange(106) / 25, np.ones(106, bool)
    usable[missing] = False
    possible = [window for window in SHAPE.windows(times) if usable[window].all()]
    windows = _spread_windows(SHAPE, times, usable, overlap)
    assert np.array_equal(np.unique(windows), np.unique(possible))
    assert len({window.tobytes() for window in windows}) == len(windows)
    assert len(windows) < (0.3 if overlap == 1 else 0.7) * len(possible)


def test_a_clip_that_is_too_short_has_no_window() -> None:
    assert _spread_windows(SHAPE, np.arange(5) / 25, np.ones(5, bool), 3) == []
