"""Full disks: a run warns, or stops with advice, and resumes when there is space."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset.verify import verify
from stccl_data.errors import Reason
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.status import read_status
from tests.testing.digests import digests
from tests.testing.progress import RecordedCalls

QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
OPTIONS = [
    "--crops", "none", "--align", "audio", "--audio", "--split", "train=1", "--speakers", "M003",
]  # fmt: skip
ADVICE = Reason.DISK_FULL.advice


def test_a_nearly_full_disk_stops_the_run_and_keeps_what_is_done(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("stccl_data.pipeline.run.free_bytes", lambda folder: 5 * 2**20)
    with pytest.raises(PrepareError, match=ADVICE):
        prepare(corpus.folder, tmp_path, QUICK)
    monkeypatch.undo()
    assert read_status(tmp_path).clips == {"": 1}
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}


def test_a_disk_that_is_too_small_is_announced_before_the_work_begins(
    corpus, tmp_path, monkeypatch
):
    progress = RecordedCalls()
    monkeypatch.setattr("stccl_data.pipeline.prepare.free_bytes", lambda folder: 2**20)
    prepare(corpus.folder, tmp_path, PrepareConfig(executor="inline", limit=1), progress)
    assert any(str(tmp_path) in note and "1.0 MB" in note for note in progress.notes)


#: The command with a limit on the size of a file, like `ulimit -f`.
SMALL_FILES = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from stccl_cli.main import main
main()
"""


@pytest.mark.parametrize("limit", [2_000, 100_000])
def test_a_file_size_limit_stops_the_run_and_it_resumes(corpus, tmp_path, limit):
    """The nearest thing to a full disk that every user can have."""
    out = tmp_path / "out"
    command = ["prepare", str(corpus.folder), str(out), *OPTIONS, "--executor", "inline"]
    stopped = subprocess.run(
        [sys.executable, "-c", SMALL_FILES, str(limit), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 1, stopped
    assert ADVICE in stopped.stderr.strip().splitlines()[-1]
    assert "Traceback" not in stopped.stderr
    assert not (out / "shards.json").exists()
    resumed = CliRunner().invoke(stccl, command)
    assert resumed.exit_code == 0, resumed.output
    assert verify(out) == []


#: Runs the command on a small file system, and again after making it larger.
FULL_DISK = """
mount -t tmpfs -o size=$1 none "$2" || exit 77
shift; out="$1"; shift
"$@" 2>"$out.first"; echo "first $?"
mount -o remount,size=100m "$out"
"$@" 2>"$out.second"; echo "second $?"
cp -r "$out/shards" "$out.shards"
"""


def test_a_disk_that_fills_up_stops_the_run_and_it_resumes(corpus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    main = [sys.executable, "-m", "stccl_cli"]
    command = [*main, "prepare", str(corpus.folder), str(out), *OPTIONS, "--workers", "1"]
    try:
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", FULL_DISK, "sh", "400k", str(out), *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare")
    if result.returncode in (1, 77) and "first" not in result.stdout:
        pytest.skip("no permission to mount")
    first = Path(f"{out}.first").read_text()
    assert "first 1" in result.stdout, first
    assert ADVICE in first.strip().splitlines()[-1]
    assert "No space left on device" in first or "disk is full" in first
    assert "Traceback" not in first
    assert "second 0" in result.stdout, Path(f"{out}.second").read_text()
    undisturbed = tmp_path / "undisturbed"
    prepare(corpus.folder, undisturbed, replace(QUICK, audio=True, speakers=("M003",)))
    assert digests(Path(f"{out}.shards")) == digests(undisturbed / "shards")
