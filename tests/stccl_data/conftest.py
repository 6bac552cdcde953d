"""Fixtures of the tests that read video and track faces."""

from pathlib import Path

import numpy as np
import pytest

from stccl_data.demo import DemoCorpus
from stccl_data.landmarks import Landmarker, open_landmarker
from stccl_data.media.video import read_frames


@pytest.fixture(scope="session")
def landmarker() -> Landmarker:
    """The default landmark backend."""
    return open_landmarker()


@pytest.fixture(scope="session")
def video(corpus: DemoCorpus) -> Path:
    """The first clip of the demo corpus, 192 x 192 pixels at 10 frames per second."""
    return corpus.folder / corpus.clips[0].path


@pytest.fixture(scope="session")
def frames(video: Path) -> list[np.ndarray]:
    """The first 20 frames of `video`."""
    return [frame.image for frame in read_frames(video)][:20]
