"""Fixtures that all tests share: a rendered corpus, a dataset prepared from it, the real clips."""

import codecs
import hashlib
import importlib
import importlib.metadata
import os
import pickle
import pkgutil
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest
from filelock import FileLock

import stccl_data
from stccl_data.demo import DemoCorpus, render_corpus
from stccl_data.features import phonemes
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import Summary, prepare
from tests.testing import digests as _digests
from tests.testing import media, processes
from tests.testing.signals import write_signal_dataset

#: Real clips that may not be copied into the project; tests that need them skip without them.
REAL = Path(__file__).parents[2] / "shared" / "data"

cv2.setNumThreads(1)

# Hugging Face `datasets` reads local files in the tests; it need not ask the Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests first, so that none is left to one process when the others have ended."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], Any]], Any]:
    """Build something in a folder once, however many processes the tests run in.

    ``once(name, build)`` returns what ``build(folder)`` returned, which has to be picklable. The
    folder is shared by all processes and may not be written to afterwards.
    """
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent

    def build_once(name: str, build: Callable[[Path], T]) -> T:
        folder, result_file = root / f"once-{name}", root / f"once-{name}.pickle"
        with FileLock(root / f"once-{name}.lock"):
            if not result_file.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                result_file.write_bytes(pickle.dumps(build(folder)))
        result: T = pickle.loads(result_file.read_bytes())
        return result

    return build_once


@pytest.fixture(scope="session", autouse=True)
def phonemes_computed_once(once: Callable[..., Any]) -> Iterator[None]:
    """Run the acoustic model once for each sound, in whatever test and process it is heard again.

    A run without crops spends three quarters of its time in it, on the same 12 clips in 60 tests.
    """
    compute = phonemes._log_probabilities

    def remembered(sound: np.ndarray) -> np.ndarray:
        name = hashlib.sha256(sound.tobytes()).hexdigest()[:24]
        try:
            result: np.ndarray = once(f"phonemes-{name}", lambda folder: compute(sound))
        except PermissionError:  # of the user of `nobodys`
            return compute(sound)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phonemes, "_log_probabilities", remembered)
        yield


@pytest.fixture(scope="session")
def corpus(once: Callable[..., Any]) -> DemoCorpus:
    """Two speakers, three emotions, two sentences: 12 clips of about 26 frames, named as in MEAD.

    Read only.
    """

    def render(folder: Path) -> DemoCorpus:
        emotions = ("neutral", "happy", "angry")
        return render_corpus(folder / "raw", "mead", 2, emotions, 2, size=192, fps=10, workers=2)

    result: DemoCorpus = once("corpus", render)
    return result


@dataclass(frozen=True)
class Prepared:
    """A finished run of `prepare`."""

    out: Path
    config: PrepareConfig
    summary: Summary


@pytest.fixture(scope="session")
def prepared(corpus: DemoCorpus, once: Callable[..., Any]) -> Prepared:
    """The corpus, prepared by two workers with its sound. Read only; see `prepared_copy`."""

    def build(folder: Path) -> Prepared:
        config = PrepareConfig(audio=True, workers=2, split="train=0.5,test=0.5")
        return Prepared(folder / "out", config, prepare(corpus.folder, folder / "out", config))

    result: Prepared = once("prepared", build)
    return result


@pytest.fixture(scope="session")
def speaking(once: Callable[..., Any]) -> Path:
    """A dataset of drawn faces whose lips speak, one sentence of each speaker, at 64 pixels.

    Train and test splits; each pair's exact alignment. Drawn in seconds. Read only.
    """

    def draw(folder: Path) -> Path:
        write_signal_dataset(folder / "out", "lips", sentences=1)
        return folder / "out"

    result: Path = once("speaking", draw)
    return result


@pytest.fixture
def prepared_copy(prepared: Prepared, tmp_path: Path) -> Path:
    """A copy of `prepared`, ``work`` included, that may be written to."""
    return Path(shutil.copytree(prepared.out, tmp_path / "out"))


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    """See `tests.testing.digests`."""
    return _digests.digests


@pytest.fixture(scope="session")
def workers_of() -> Callable[[int], list[int]]:
    """See `tests.testing.processes`."""
    return processes.workers_of


@dataclass(frozen=True)
class Studio:
    """The makers of `tests.testing.media`."""

    record: Callable[..., Path] = media.record
    tone: Callable[..., np.ndarray] = media.tone


@pytest.fixture(scope="session")
def studio() -> Studio:
    """See `tests.testing.media`."""
    return Studio()


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real clips."""
    if not REAL.is_dir():
        pytest.skip(f"no real clips at {REAL}")
    return REAL


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder, and the rights, of a user whom permissions bind."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        # Python itself may lie where this user cannot read: import now what is imported late.
        for encoding in ("utf-8-sig", "utf-16", "cp437", "unicode-escape"):
            codecs.lookup(encoding)
        importlib.metadata.version("stccl")
        for module in pkgutil.walk_packages(stccl_data.__path__, "stccl_data."):
            if module.name.split(".")[-1] not in ("fan", "ray"):
                importlib.import_module(module.name)
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
            importlib.invalidate_caches()  # folders that could not be listed count as empty
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(folder)
