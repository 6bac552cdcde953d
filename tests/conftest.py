"""What all tests share: one rendered corpus, one dataset prepared from it, and a way to make media files."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from stccl_data.demo import DemoCorpus, render_corpus
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import Summary, prepare

#: Real clips that may not be copied into the project; tests that look at them skip where they are not.
REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DemoCorpus:
    """Two speakers, three emotions, two sentences: 12 clips of about 40 frames, as MEAD names them. Not to be written to."""
    folder = tmp_path_factory.mktemp("demo") / "raw"
    return render_corpus(
        folder, "mead", 2, ("neutral", "happy", "angry"), 2, size=192, fps=15, workers=2
    )


@dataclass(frozen=True)
class Prepared:
    out: Path
    config: PrepareConfig
    summary: Summary


@pytest.fixture(scope="session")
def prepared(corpus: DemoCorpus, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The corpus prepared once, by two workers, its sound kept. Not to be written to: copy it (`work` and all) to go on from it."""
    out = tmp_path_factory.mktemp("prepared") / "out"
    config = PrepareConfig(audio=True, workers=2, split="train=0.5,test=0.5")
    return Prepared(out, config, prepare(corpus.folder, out, config))


@pytest.fixture
def prepared_copy(prepared: Prepared, tmp_path: Path) -> Path:
    """A copy of `prepared` to go on from."""
    return Path(shutil.copytree(prepared.out, tmp_path / "out"))


@pytest.fixture(scope="session")
def digests() -> Callable[[Path], dict[str, str]]:
    """Path below OUT -> SHA-256 of all that makes the dataset; not of `work` and `logs`, which are of the runs, and not of how it
    was made."""

    def of(out: Path) -> dict[str, str]:
        own = (
            path
            for path in sorted(out.rglob("*"))
            if path.relative_to(out).parts[0] not in ("work", "logs", "provenance.json")
        )
        return {
            str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in own
            if path.is_file()
        }

    return of


@pytest.fixture(scope="session")
def workers_of() -> Callable[[int], list[int]]:
    """Process -> the worker processes that it has spawned."""

    def of(pid: int) -> list[int]:
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                command = (status.parent / "cmdline").read_bytes()
                if (
                    b"spawn_main" in command
                    and int(status.read_text().rpartition(")")[2].split()[1]) == pid
                ):
                    found.append(int(status.parent.name))
        return found

    return of


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Run the ffmpeg that imageio-ffmpeg ships: `ffmpeg("-i", a, b)`."""
    binary = imageio_ffmpeg.get_ffmpeg_exe()

    def run(*arguments: Any) -> None:
        command = [
            binary,
            "-hide_banner",
            "-loglevel",
            "error",
            "-nostdin",
            "-y",
            *map(str, arguments),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    """(S,) float32, a sine of amplitude 0.5."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def record(
    path: Path,
    frames: Any = (),
    sound: np.ndarray | None = None,
    *,
    fps: int | Fraction = 25,
    times: Any = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 16_000,
    audio_codec: str = "aac",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    aspect: Fraction | None = None,
    full_range: bool = False,
) -> Path:
    """Write `frames` ((H, W, 3) uint8 RGB each) and `sound` ((S,) or (C, S) float32) as the file `path`.

    times: milliseconds of each frame, where they are not one `fps`-th of a second apart. full_range: JPEG levels.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{path}", "w", options=container or {}) as out:
        video: Any = None
        if len(frames):
            video = out.add_stream(
                codec,
                rate=fps,
                options={"crf": "12"} | (options or {}) if codec == "libx264" else options or {},
            )
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = pix_fmt
            if codec == "mpeg2video" or codec == "mpeg4":
                video.bit_rate = 4_000_000
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            if full_range:
                video.codec_context.color_range = 2
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
        audio: Any = None
        if sound is not None:
            channels = np.atleast_2d(sound).astype(np.float32)
            audio = out.add_stream(
                audio_codec, rate=rate, layout="stereo" if len(channels) == 2 else "mono"
            )
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if full_range:
                frame = frame.reformat(format=pix_fmt, dst_color_range=2)
            if times is not None:
                frame.pts, frame.time_base = int(times[i]), Fraction(1, 1000)
            out.mux(video.encode(frame))
        if video is not None:
            out.mux(video.encode())
        if audio is not None:
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(channels), format="fltp", layout=audio.layout.name
            )
            block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
            resampler = av.AudioResampler(
                audio.format, audio.layout, rate, frame_size=audio.codec_context.frame_size or None
            )
            for piece in (*resampler.resample(block), *resampler.resample(None)):
                out.mux(audio.encode(piece))
            out.mux(audio.encode())
    return path


@dataclass(frozen=True)
class Studio:
    """The makers of media files, for tests of other files: `studio.record(...)`, `studio.tone(...)`."""

    record: Callable[..., Path] = record
    tone: Callable[..., np.ndarray] = tone


@pytest.fixture(scope="session")
def studio() -> Studio:
    return Studio()


@pytest.fixture(scope="session")
def real() -> Iterator[Path]:
    """The folder of real clips."""
    if not REAL.is_dir():
        pytest.skip(f"no real clips at {REAL}")
    yield REAL


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder, and the rights, of a user whom permissions bind."""
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
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(folder)
