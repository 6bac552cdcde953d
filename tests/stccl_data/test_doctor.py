"""The doctor names what is missing, and the command that installs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stccl_data import doctor


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are checked on Linux only")
def test_one_command_installs_all_missing_libraries(monkeypatch):
    libraries = {
        "libc.so.6": ("libc6", "all"),
        "libnot-1.so": ("libnot1", "mediapipe"),
        "libnor-2.so": ("libnor2", "opencv"),
    }
    monkeypatch.setattr(doctor, "LIBRARIES", libraries)
    monkeypatch.setattr(doctor, "OPTIONAL_LIBRARIES", {})
    good, *missing = doctor._check_libraries()
    assert (good.name, good.state) == ("libc.so.6", "ok")
    assert [check.name for check in missing] == ["libnot-1.so", "libnor-2.so"]
    assert {check.advice for check in missing} == {"sudo apt-get install -y libnot1 libnor2"}
    assert "mediapipe" in missing[0].text and "libnot1" in missing[0].text


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are checked on Linux only")
def test_a_missing_library_of_another_backend_is_no_fault(monkeypatch):
    monkeypatch.setattr(
        doctor, "OPTIONAL_LIBRARIES", {"libnot-1.so": ("libnot1", "`--landmarks x`")}
    )
    check = list(doctor._check_libraries())[-1]
    assert (check.name, check.state) == ("libnot-1.so", "note")
    assert "--landmarks x" in check.text and "libnot1" in check.text


def test_opencv_wheels_of_different_versions_are_named(tmp_path):
    folder = tmp_path / "opencv_python_headless-4.9.0.80.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: opencv-python-headless\nVersion: 4.9.0.80\n"
    )
    check = run_check(tmp_path, "_check_opencv")
    assert check.startswith("bad") and "opencv-python-headless 4.9.0.80" in check
    assert "pip install --force-reinstall --no-deps" in check


def test_a_package_that_crashes_its_process_is_named(tmp_path):
    crash_on_import(tmp_path, "mediapipe", "SIGKILL")
    (check,) = run_check(tmp_path, "_check_packages").splitlines()
    assert check.startswith("bad mediapipe") and "SIGKILL" in check
    assert check.endswith("pip install --force-reinstall mediapipe")


def test_a_landmarker_that_crashes_its_process_is_named(tmp_path):
    crash_on_import(tmp_path, "ai_edge_litert", "SIGSEGV")
    check = run_check(tmp_path, "_check_landmarker")
    assert check.startswith("bad") and "SIGSEGV" in check


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    assert doctor._check_disk(tmp_path).state == "ok"
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**18)
    assert doctor._check_disk(tmp_path).state == "bad"


def test_a_missing_folder_is_named(tmp_path):
    check = doctor._check_disk(tmp_path / "nowhere")
    assert check.state == "bad" and str(tmp_path / "nowhere") in check.text


def crash_on_import(folder: Path, package: str, signal: str) -> None:
    """Put a package into `folder` that kills its process on import."""
    code = f"import os, signal\nos.kill(os.getpid(), signal.{signal})\n"
    (folder / f"{package}.py").write_text(code)


def run_check(path: Path, function: str) -> str:
    """Run a check of the doctor with `path` before the installed packages; one line per result."""
    code = (
        f"from stccl_data import doctor; result = doctor.{function}()\n"
        "checks = [result] if isinstance(result, doctor.Check) else result\n"
        "print(*(f'{check.state} {check.text} {check.advice}' for check in checks), sep='\\n')"
    )
    environment = {**os.environ, "PYTHONPATH": str(path)}
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return process.stdout
