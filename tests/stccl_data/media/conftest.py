"""Fixtures of the media tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stccl_data.errors import ClipError
from stccl_data.media.video import read_frames
from tests.testing.media import record, tone
from tests.testing.numbered import numbered_frames


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of 25 numbered frames with a tone of 440 Hz, as MP4. Read only."""
    return record(tmp_path_factory.mktemp("media") / "clip.mp4", numbered_frames(25), tone(1.0))


@pytest.fixture(scope="session")
def noise() -> Callable[[int], list[np.ndarray]]:
    """Return n frames of noise, which compress badly, so that any cut hits a frame."""

    def make(n: int) -> list[np.ndarray]:
        return [
            np.random.default_rng(i).integers(0, 256, (64, 96, 3)).astype(np.uint8)
            for i in range(n)
        ]

    return make


@pytest.fixture(scope="session")
def refused() -> Callable[..., ClipError]:
    """Check that reading a file raises a ClipError of one line that names the file; return it."""

    def check(
        path: str | Path, read: Callable[..., object] = lambda path: list(read_frames(path))
    ) -> ClipError:
        with pytest.raises(ClipError) as error:
            read(path)
        assert str(path) in error.value.detail and "\n" not in error.value.detail
        return error.value

    return check
