"""What native libraries say on stderr: their chatter is dropped, all else comes through."""

import os
import subprocess
import sys

import pytest

from stccl_data.landmarks.chatter import without_chatter

CHATTER = (
    "WARNING: Logging before InitGoogle() is written to STDERR",
    "W0000 00:00:1795578798.985483   21224 face_landmarker_graph.cc:181] Sets acceleration to xnnpack by default.",
    "I0000 00:00:1795578798.985483   21224 gl_context.cc:357] GL version: 3.2",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
)
WORTH_HEARING = (
    "E0000 00:00:1795578798.985483   21224 gl_context.cc:357] eglGetDisplay() returned error 0x3000",
    "F0000 00:00:1795578798.985483   21224 status.cc:12] Check failed: file_size > 0",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    "What I said was not chatter",
)


def say(lines):
    os.write(2, "".join(f"{line}\n" for line in lines).encode())


def test_errors_come_through_in_order_and_chatter_does_not(capfd):
    with without_chatter():
        say([line for both in zip(CHATTER, WORTH_HEARING, strict=True) for line in both])
    say(["after"])
    assert capfd.readouterr().err.splitlines() == [*WORTH_HEARING, "after"]


def test_where_the_start_fails_every_word_of_it_comes_through(capfd):
    with pytest.raises(RuntimeError), without_chatter():
        say(CHATTER)
        raise RuntimeError
    assert capfd.readouterr().err.splitlines() == list(CHATTER)


def test_a_process_without_stderr_goes_on():
    code = "from stccl_data.landmarks.chatter import without_chatter\nwith without_chatter(): print('well')"
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "well\n")
