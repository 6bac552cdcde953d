"""`stccl status`: the progress of a run that is in progress or has ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from socket import gethostname

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.state import ClipState, Store, StoreBusyError, record_clips
from stccl_data.pipeline.status import NotStartedError, Status, read_status
from stccl_data.progress import SilentProgress

QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
OPTIONS = ["--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1"]


class StatusReader(SilentProgress):
    """Reads the status after the fifth clip, as another process would."""

    def __init__(self, out: Path) -> None:
        self.out, self.steps = out, 0
        self.status: Status | None = None

    def step(self, reason=None, values=None) -> None:
        self.steps += 1
        if self.steps == 5:
            thread = threading.Thread(target=self._read)
            thread.start()
            thread.join()

    def _read(self) -> None:
        self.status = read_status(self.out)


def test_a_run_in_progress_shows_its_process_stage_and_clips(corpus, tmp_path):
    reader = StatusReader(tmp_path)
    prepare(corpus.folder, tmp_path, QUICK, reader)
    assert reader.status is not None
    (run,) = reader.status.runs
    assert run.process == f"{os.getpid()} on {gethostname()}" and run.job is None
    assert [(stage.name, stage.total) for stage in run.stages] == [("extract", 12)]
    assert sum(reader.status.clips.values()) in (4, 5)


def test_a_finished_run_shows_all_stages_and_no_process(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    status = read_status(tmp_path)
    (run,) = status.runs
    assert run.process is None
    assert [(stage.name, stage.total, stage.done) for stage in run.stages] == [
        ("extract", 12, 12), ("align", 4, 4), ("content", 2, 2), ("shards", 4, 4),
    ]  # fmt: skip
    assert status.clips == {"": 12}
    assert status.clip_seconds is not None and status.clip_seconds > 0


def test_the_log_of_a_run_has_its_stages(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    (log,) = (tmp_path / "logs").glob("prepare-*.log")
    lines = log.read_text().splitlines()
    assert any("extract: 12 of 12" in line for line in lines)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(NotStartedError, match=str(tmp_path)):
        read_status(tmp_path)
    assert CliRunner().invoke(stccl, ["status", str(tmp_path)]).exit_code == 1


def test_a_killed_process_is_not_shown(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from stccl_data.pipeline.state import Store
with Store(Path({str(tmp_path)!r})).locked() as _, Store(Path({str(tmp_path)!r})).state():
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "work" / "lock").read_text(), "the lock looks held"
    assert read_status(tmp_path).runs[0].process is None
    with Store(tmp_path).locked():
        assert read_status(tmp_path).runs[0].process == f"{os.getpid()} on {gethostname()}"


@pytest.mark.parametrize(
    ("owner", "free"),
    [("{pid} on {host}", False), ("999999999 on {host}", True), ("1 on elsewhere", False)],
)
def test_without_file_locks_the_recorded_owner_decides(tmp_path, monkeypatch, owner, free):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "lock").write_text(owner.format(pid=other.pid, host=gethostname()))

        def no_locks(*_):
            raise OSError(37, "No locks available")

        monkeypatch.setattr("fcntl.flock", no_locks)
        if free:
            with Store(tmp_path).locked():
                pass
        else:
            with pytest.raises(StoreBusyError), Store(tmp_path).locked():
                pass
    finally:
        other.kill()
        other.wait()


def test_the_command_prints_text_and_json(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    result = CliRunner().invoke(stccl, ["status", str(tmp_path)])
    assert result.exit_code == 0 and "12 of 12" in result.stdout
    result = CliRunner().invoke(stccl, ["status", str(tmp_path), "--json"])
    assert json.loads(result.stdout)["clips"] == {"": 12}


def test_a_corrupt_state_is_named_and_can_be_deleted(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    database = tmp_path / "work" / "state.sqlite"
    for path in (tmp_path / "work").glob("state.sqlite*"):
        path.unlink()
    database.write_bytes(b"no database " * 1000)
    for command in (
        ["status", str(tmp_path)],
        ["prepare", str(corpus.folder), str(tmp_path), *OPTIONS, "--dry-run"],
    ):
        result = CliRunner().invoke(stccl, command)
        assert result.exit_code == 1 and str(database) in result.stderr
    with pytest.raises(PrepareError, match=str(database)):
        prepare(corpus.folder, tmp_path, QUICK)
    database.unlink()
    assert prepare(corpus.folder, tmp_path, QUICK).made == 0


def test_the_status_can_be_read_without_write_permission(nobodys):
    """WAL needs to write beside the database."""
    store = Store(nobodys)
    with store.locked(), store.state() as state:
        record_clips(state, [ClipState("a", "1"), ClipState("b", "2", "no_face", "b.mp4: no face")])
    for path in (*nobodys.rglob("*"), nobodys):
        path.chmod(0o555 if path.is_dir() else 0o444)
    status = read_status(nobodys)
    assert status.clips == {"": 1, "no_face": 1} and status.runs[0].process is None
