"""Trees of empty files: a scan reads names, never media."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

Grow = Callable[[Iterable[str]], Path]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """Make empty files of these names under RAW, which is returned."""

    def make(names: Iterable[str]) -> Path:
        raw = tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        for name in names:
            (raw / name).parent.mkdir(parents=True, exist_ok=True)
            (raw / name).touch()
        return raw

    return make


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of one's own, as a user whom permissions bind: root gives up its rights for the test."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.chmod(0o700)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
