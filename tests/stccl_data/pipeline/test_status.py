"""What `stccl status` and `--dry-run` say: of a run that is going on, of one that has ended, of one that is only thought of."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from socket import gethostname

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.plan import plan_run
from stccl_data.pipeline.prepare import PrepareError, prepare
from stccl_data.pipeline.state import ClipState, Store, record_clips
from stccl_data.pipeline.status import read_status
from stccl_data.progress import SilentProgress

QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
OPTIONS = ["--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1"]


def tree(folder: Path) -> dict[str, int]:
    """SQLite leaves its shared memory beside a database that was looked at."""
    files = (
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    )
    return {str(path): path.stat().st_mtime_ns for path in files}


class Looking(SilentProgress):
    """Looks at the status after the fifth clip."""

    def __init__(self, out: Path) -> None:
        self.out, self.steps, self.seen = out, 0, None

    def step(self, reason=None, values=None) -> None:
        self.steps += 1
        if self.steps == 5:
            found = []
            thread = threading.Thread(target=lambda: found.append(read_status(self.out)))
            thread.start()
            thread.join()
            self.seen = found[0]


def test_a_run_that_goes_on_is_seen_with_its_process_stage_and_clips(corpus, tmp_path):
    looking = Looking(tmp_path)
    prepare(corpus.folder, tmp_path, QUICK, looking)
    (run,) = looking.seen.runs
    assert run.process == f"{os.getpid()} on {gethostname()}" and run.job is None
    assert [(stage.name, stage.total) for stage in run.stages] == [("extract", 12)]
    assert sum(looking.seen.clips.values()) in (4, 5)
    (run,) = read_status(tmp_path).runs
    assert run.process is None
    assert [(s.name, s.total, s.done) for s in run.stages] == [
        ("extract", 12, 12), ("align", 4, 4), ("content", 2, 2), ("shards", 4, 4),
    ]  # fmt: skip
    status = read_status(tmp_path)
    assert status.clips == {"": 12} and status.clip_seconds > 0


def test_nobody_is_named_after_a_process_that_was_killed(tmp_path):
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
    ("who", "free"),
    [("{pid} on {host}", False), ("999999999 on {host}", True), ("1 on elsewhere", False)],
)
def test_a_file_system_without_locks_goes_by_what_is_written_down(tmp_path, monkeypatch, who, free):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "work").mkdir()
        (tmp_path / "work" / "lock").write_text(who.format(pid=other.pid, host=gethostname()))

        def no_locks(*_):
            raise OSError(37, "No locks available")

        monkeypatch.setattr("fcntl.flock", no_locks)
        if free:
            with Store(tmp_path).locked():
                pass
        else:
            with (
                pytest.raises(Exception, match="is being prepared by process"),
                Store(tmp_path).locked(),
            ):
                pass
    finally:
        other.kill()
        other.wait()


def test_people_and_machines_read_the_status(corpus, tmp_path):
    assert CliRunner().invoke(stccl, ["status", str(tmp_path)]).exit_code == 1
    prepare(corpus.folder, tmp_path, QUICK)
    said = CliRunner().invoke(stccl, ["status", str(tmp_path)])
    assert (
        said.exit_code == 0
        and "nobody is at work" in said.stdout
        and "extract   12 of 12" in said.stdout
    )
    assert json.loads(CliRunner().invoke(stccl, ["status", str(tmp_path), "--json"]).stdout)[
        "clips"
    ] == {"": 12}


def test_a_state_that_is_damaged_is_said_and_found_again_without_it(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    for path in (tmp_path / "work").glob("state.sqlite*"):
        path.unlink()
    (tmp_path / "work" / "state.sqlite").write_bytes(b"no database " * 1000)
    advice = "delete it, and what is extracted is found again"
    for command in (
        ["status", str(tmp_path)],
        ["prepare", str(corpus.folder), str(tmp_path), *OPTIONS, "--dry-run"],
    ):
        said = CliRunner().invoke(stccl, command)
        assert said.exit_code == 1 and advice in said.stderr
    with pytest.raises(PrepareError, match=advice):
        prepare(corpus.folder, tmp_path, QUICK)
    (tmp_path / "work" / "state.sqlite").unlink()
    assert prepare(corpus.folder, tmp_path, QUICK).made == 0


# --- a run that is only thought of -------------------------------------------------------------------------------------------


def test_a_plan_of_the_first_run_writes_nothing(corpus, tmp_path):
    plan = plan_run(corpus.folder, tmp_path / "out", QUICK)
    assert plan.stages == {"extract": (12, 12), "align": (4, 4), "content": (2, 2)}
    assert (plan.extract, plan.failed, plan.changed) == ({"new": 12}, 0, {})
    assert not (tmp_path / "out").exists() and plan.free > 0


def test_a_plan_says_what_a_changed_option_makes_anew(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    before = tree(tmp_path)
    assert not any(left for _, left in plan_run(corpus.folder, tmp_path, QUICK).stages.values())
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, audio=True))
    assert (
        plan.changed == {"audio": (False, True)}
        and plan.extract == {"changed": 12}
        and plan.core_hours > 0
    )
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, reference="any"))
    assert plan.stages == {"extract": (12, 0), "align": (4, 4), "content": (2, 2)}
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, align="reference"))
    assert plan.stages == {"extract": (12, 0), "align": (4, 4), "content": (2, 0)}
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, shard_mb=1, workers=3, timeout=5))
    assert plan.stages == {"extract": (12, 0), "align": (4, 0), "content": (2, 0)}
    assert plan.changed == {"shard_mb": (128, 1)}, "who does the work changes nothing"
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, job="1/2"))
    assert plan.stages["extract"] == (6, 0)
    assert tree(tmp_path) == before, "nothing was written"


def test_a_plan_is_what_the_run_then_does(corpus, tmp_path):
    class Watch(SilentProgress):
        stages: dict = {}  # noqa: RUF012

        def stage(self, name, total, already=0):
            self.stages[name] = (total, total - already)

    prepare(corpus.folder, tmp_path, replace(QUICK, limit=7))
    plan = plan_run(corpus.folder, tmp_path, QUICK)
    prepare(corpus.folder, tmp_path, QUICK, Watch())
    assert plan.stages == {name: Watch.stages[name] for name in ("extract", "align", "content")}


def test_failures_are_planned_again_only_for_the_reasons_named(corpus, tmp_path):
    raw = Path(shutil.copytree(corpus.folder, tmp_path / "raw"))
    (raw / corpus.clips[0].path).write_bytes(bytes(1000))
    prepare(raw, tmp_path / "out", QUICK)
    for retry, again in (
        ((), 0),
        (("timed_out",), 0),
        (("decode_error", "crashed"), 1),
        (("all",), 1),
    ):
        plan = plan_run(raw, tmp_path / "out", replace(QUICK, retry_failed=retry))
        assert plan.stages["extract"] == (12, again) and plan.failed == 1 - again
        assert plan.extract == ({"again": 1} if again else {})
    with pytest.raises(ValueError, match="bad_luck is no reason"):
        replace(QUICK, retry_failed=("bad_luck",))


def test_the_command_prints_the_plan_and_takes_reasons(corpus, tmp_path):
    arguments = ["prepare", str(corpus.folder), str(tmp_path / "out"), *OPTIONS, "--dry-run"]
    said = CliRunner().invoke(stccl, arguments)
    assert (
        said.exit_code == 0
        and "extract 12 of 12 clips" in said.stdout
        and "Nothing was written" in said.stdout
    )
    assert json.loads(CliRunner().invoke(stccl, [*arguments, "--json"]).stdout)["extract"] == {
        "new": 12
    }
    assert CliRunner().invoke(stccl, [*arguments, "--retry-failed"]).exit_code == 0
    assert (
        CliRunner().invoke(stccl, [*arguments, "--retry-failed=crashed,timed_out"]).exit_code == 0
    )
    said = CliRunner().invoke(stccl, [*arguments, "--retry-failed="])
    assert said.exit_code == 2 and "nothing is named" in said.stderr
    said = CliRunner().invoke(stccl, [*arguments, "--retry-failed=bad_luck"])
    assert said.exit_code == 2 and "bad_luck is no reason" in said.stderr


# --- the disk ----------------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_nearly_full_stops_the_run_while_there_is_room_to_say_so(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr("stccl_data.pipeline.run.free_bytes", lambda folder: 5 * 2**20)
    with pytest.raises(PrepareError, match=r"full but for 5 MB\): free some space and run again"):
        prepare(corpus.folder, tmp_path, QUICK)
    monkeypatch.undo()
    assert read_status(tmp_path).clips == {"": 1}, "what was done is kept"
    assert prepare(corpus.folder, tmp_path, QUICK).pairs == {"": 8}


def test_a_disk_that_will_not_do_is_said_beforehand(corpus, tmp_path, monkeypatch):
    class Told(SilentProgress):
        notes: list = []  # noqa: RUF012

        def note(self, text):
            self.notes.append(text)

    monkeypatch.setattr("stccl_data.pipeline.prepare.free_bytes", lambda folder: 2**20)
    prepare(corpus.folder, tmp_path, PrepareConfig(executor="inline", limit=1), Told())
    assert any("1.0 MB are free on its disk" in note for note in Told.notes)


def test_a_run_that_has_ended_may_be_looked_at_by_those_who_may_not_write_there(nobodys):
    """Of whom WAL, which wants to write beside the database, would let nobody look."""
    store = Store(nobodys)
    with store.locked(), store.state() as state:
        record_clips(
            state, [ClipState("a", "1"), ClipState("b", "2", "no_face", "b.mp4 shows no face")]
        )
    for path in (*nobodys.rglob("*"), nobodys):
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = read_status(nobodys)
    assert found.clips == {"": 1, "no_face": 1} and found.runs[0].process is None
