"""Folders of empty files: a scan reads names, never media."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

Grow = Callable[[Iterable[str]], Path]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Return a function that creates empty files in RAW and returns RAW."""

    def make(names: Iterable[str]) -> Path:
        raw = tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        for name in names:
            (raw / name).parent.mkdir(parents=True, exist_ok=True)
            (raw / name).write_bytes(b"x")
        return raw

    return make
