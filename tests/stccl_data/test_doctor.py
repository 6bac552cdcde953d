"""The doctor names what is missing, and the command that brings it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stccl_data import doctor


def test_missing_libraries_are_named_with_one_command_for_all(monkeypatch):
    if sys.platform != "linux":
        pytest.skip("libraries are looked for on Linux alone")
    libraries = {
        "libc.so.6": ("libc6", "all"),
        "libnot-1.so": ("libnot1", "mediapipe"),
        "libnor-2.so": ("libnor2", "opencv"),
    }
    monkeypatch.setattr(doctor, "LIBRARIES", libraries)
    good, *missing = doctor._libraries()
    assert (good.name, good.state) == ("libc.so.6", "ok")
    assert [check.name for check in missing] == ["libnot-1.so", "libnor-2.so"]
    assert {check.advice for check in missing} == {"sudo apt-get install -y libnot1 libnor2"}
    assert missing[0].text == "is missing; mediapipe needs it, and Debian has it in libnot1"


def test_wheels_of_opencv_that_differ_are_named(tmp_path):
    folder = tmp_path / "opencv_python_headless-4.9.0.80.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opencv-python-headless\nVersion: 4.9.0.80\n"
    )
    check = in_another_process(tmp_path, "_opencv")
    assert check.startswith("bad") and "opencv-python-headless 4.9.0.80" in check
    assert "pip install --force-reinstall --no-deps" in check


def test_a_package_that_takes_its_process_down_is_named(tmp_path):
    (tmp_path / "mediapipe.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    check = in_another_process(tmp_path, "_imports")
    assert check.splitlines() == [
        "bad mediapipe cannot be imported (the process was ended by SIGKILL) pip install --force-reinstall mediapipe"
    ]


def test_a_landmarker_that_dies_is_a_line(tmp_path):
    (tmp_path / "mediapipe.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    assert in_another_process(tmp_path, "_landmarker").startswith(
        "bad does not open: the process was ended by SIGSEGV"
    )


def test_a_full_disk_and_a_folder_that_is_not_there_are_told(tmp_path, monkeypatch):
    assert doctor._disk(tmp_path).state == "ok"
    monkeypatch.setattr(doctor, "LEAST_FREE", 10**18)
    assert doctor._disk(tmp_path).advice.startswith("make room")
    assert doctor._disk(tmp_path / "nowhere").text.endswith("No such file or directory")


def in_another_process(path: Path, function: str) -> str:
    """What the doctor's `function` finds where `path` comes before the installed packages."""
    code = (
        f"from stccl_data import doctor; found = doctor.{function}(); "
        "print(*(f'{c.state} {c.text} {c.advice}' for c in ([found] if isinstance(found, doctor.Check) else found)), sep='\\n')"
    )
    environment = {**os.environ, "PYTHONPATH": str(path)}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return ended.stdout
