"""What native libraries log on stderr: noise is dropped, errors come through."""

import os
import subprocess
import sys

import pytest

from stccl_data.landmarks.native_log import hide_native_log

NOISE = (
    "WARNING: Logging before InitGoogle() is written to STDERR",
    "W0000 00:00:1795578798.985483   21224 face_landmarker_graph.cc:181] "
    "Sets acceleration to xnnpack by default.",
    "I0000 00:00:1795578798.985483   21224 gl_context.cc:357] GL version: 3.2",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
)
ERRORS = (
    "E0000 00:00:1795578798.985483   21224 gl_context.cc:357] "
    "eglGetDisplay() returned error 0x3000",
    "F0000 00:00:1795578798.985483   21224 status.cc:12] Check failed: file_size > 0",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "Any other line",
)


def write_lines(lines):
    """Write to file descriptor 2, as native code does."""
    os.write(2, "".join(f"{line}\n" for line in lines).encode())


def test_errors_come_through_in_order_without_the_noise(capfd):
    with hide_native_log():
        write_lines([line for pair in zip(NOISE, ERRORS, strict=True) for line in pair])
    write_lines(["after"])
    assert capfd.readouterr().err.splitlines() == [*ERRORS, "after"]


def test_every_line_comes_through_if_the_block_raises(capfd):
    with pytest.raises(RuntimeError), hide_native_log():
        write_lines(NOISE)
        raise RuntimeError
    assert capfd.readouterr().err.splitlines() == list(NOISE)


def test_a_process_without_stderr_works():
    code = (
        "from stccl_data.landmarks.native_log import hide_native_log\n"
        "with hide_native_log(): print('well')"
    )
    result = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "well\n")
