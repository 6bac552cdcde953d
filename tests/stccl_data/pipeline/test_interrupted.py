"""`prepare` killed and interrupted: it resumes, and ends with the same shards."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.testing.runs import shard_digests, snapshot


def stccl(*arguments: object) -> "subprocess.Popen[str]":
    """Start the command in a process group of its own, as a terminal does."""
    main = [sys.executable, "-m", "stccl_cli"]
    command = [*main, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, process_group=0, preexec_fn=enable_ctrl_c)


def enable_ctrl_c() -> None:
    """Undo that a test suite in the background of a shell, and so its children, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_clips(out: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Wait until the process has extracted this many clips."""
    while len(list((out / "work").glob("clips/*/*.npz"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_killed_and_interrupted_run_resumes_to_the_same_shards(prepared, corpus, tmp_path):
    out = tmp_path / "out"
    options = ("--audio", "--workers", 2, "--split", prepared.config.split)
    command = ("prepare", corpus.folder, out, *options)
    process = stccl(*command)
    wait_for_clips(out, 2, process)
    process.kill()
    process.communicate()

    process = stccl(*command)
    wait_for_clips(out, 5, process)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches every process of the terminal
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert str(out) in stderr.strip().splitlines()[-1]
    assert "Traceback" not in stderr and stdout == ""
    kept = snapshot(out / "work" / "clips")
    assert 5 <= len([name for name in kept if name.endswith(".npz")]) < 12

    process = stccl(*command, "--json")
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["pairs"] == {"": 8}
    assert shard_digests(out) == shard_digests(prepared.out)
    after = snapshot(out / "work" / "clips")
    assert all(after[name] == kept[name] for name in kept if name.endswith(".npz")), "reused"
    assert not list(out.rglob("*.tmp"))
