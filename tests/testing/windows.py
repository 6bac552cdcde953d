"""Windows drawn from the small dataset of `tests.testing.datasets`."""

from typing import Any

import numpy as np

from stccl_data.dataset import Dataset
from stccl_train.config import WindowConfig
from stccl_train.data.reader_plan import ReaderPlan, plan_reader
from stccl_train.data.windows import Window, WindowShape, draw_windows

KEY = "mead/M003/front/s001"
SHAPE = WindowShape(3)
#: Nothing is augmented.
PLAIN = WindowConfig(flip=0, colour=0)
#: Also accepts neutral with happy, the pair that the small dataset rejects.
ALL = WindowConfig(flip=0, colour=0, gates={"max_longest_repeat": 99})


def draw(
    dataset: Dataset, count: int = 40, config: WindowConfig = PLAIN, seed: int = 0
) -> list[Window]:
    """Draw windows of one utterance, KEY."""
    return list(draw_windows(dataset[KEY], count, config, SHAPE, np.random.default_rng(seed)))


def plan(dataset: Dataset, config: WindowConfig = PLAIN, **changes: Any) -> ReaderPlan:
    """Plan batches of two windows of 64 pixels from the train split."""
    defaults = {"shape": SHAPE, "size": 64, "batch": 2}
    return plan_reader(dataset, "train", config, **{**defaults, **changes})
