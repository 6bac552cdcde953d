"""`stccl prepare --dry-run`: what a run would do, without doing it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.plan import plan_run
from stccl_data.pipeline.prepare import prepare
from tests.testing.progress import RecordedCalls

QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
OPTIONS = ["--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1"]


def modification_times(folder: Path) -> dict[str, int]:
    """Path -> modification time of every file, without what SQLite leaves beside a database."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): path.stat().st_mtime_ns
        for path in files
        if not path.name.endswith(("-shm", "-wal"))
    }


def test_the_plan_of_a_first_run_covers_everything_and_writes_nothing(corpus, tmp_path):
    plan = plan_run(corpus.folder, tmp_path / "out", QUICK)
    assert plan.stages == {"extract": (12, 12), "align": (4, 4), "content": (2, 2)}
    assert (plan.extract, plan.failed, plan.changed) == ({"new": 12}, 0, {})
    assert not (tmp_path / "out").exists() and plan.free > 0


def test_a_plan_shows_what_a_changed_option_remakes(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, QUICK)
    before = modification_times(tmp_path)
    assert not any(left for _, left in plan_run(corpus.folder, tmp_path, QUICK).stages.values())
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, audio=True))
    assert plan.changed == {"audio": (False, True)}
    assert plan.extract == {"changed": 12} and plan.core_hours > 0
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, reference="any"))
    assert plan.stages == {"extract": (12, 0), "align": (4, 4), "content": (2, 2)}
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, align="reference"))
    assert plan.stages == {"extract": (12, 0), "align": (4, 4), "content": (2, 0)}
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, shard_mb=1, workers=3, timeout=5))
    assert plan.stages == {"extract": (12, 0), "align": (4, 0), "content": (2, 0)}
    assert plan.changed == {"shard_mb": (128, 1)}, "workers do not affect the result"
    plan = plan_run(corpus.folder, tmp_path, replace(QUICK, job="1/2"))
    assert plan.stages["extract"] == (6, 0)
    assert modification_times(tmp_path) == before, "nothing was written"


def test_the_run_does_what_the_plan_shows(corpus, tmp_path):
    prepare(corpus.folder, tmp_path, replace(QUICK, limit=7))
    plan = plan_run(corpus.folder, tmp_path, QUICK)
    progress = RecordedCalls()
    prepare(corpus.folder, tmp_path, QUICK, progress)
    done = {name: (total, total - done) for name, (total, done) in progress.stages.items()}
    assert plan.stages == {name: done[name] for name in ("extract", "align", "content")}


@pytest.fixture(scope="module")
def damaged(corpus, once) -> Path:
    """RAW with one damaged clip and, in `out`, a run over it. Read only."""

    def build(folder: Path) -> Path:
        raw = Path(shutil.copytree(corpus.folder, folder / "raw"))
        (raw / corpus.clips[0].path).write_bytes(bytes(1000))
        prepare(raw, folder / "out", QUICK)
        return folder

    return once("damaged", build)


@pytest.mark.parametrize(
    ("retry_failed", "retried"),
    [((), 0), (("timed_out",), 0), (("decode_error", "crashed"), 1), (("all",), 1)],
)
def test_failed_clips_are_retried_only_for_the_given_reasons(damaged, retry_failed, retried):
    config = replace(QUICK, retry_failed=retry_failed)
    plan = plan_run(damaged / "raw", damaged / "out", config)
    assert plan.stages["extract"] == (12, retried) and plan.failed == 1 - retried
    assert plan.extract == ({"again": 1} if retried else {})


def test_an_unknown_reason_to_retry_is_refused():
    with pytest.raises(ValueError, match="bad_luck"):
        replace(QUICK, retry_failed=("bad_luck",))


def test_the_command_prints_the_plan(corpus, tmp_path):
    arguments = ["prepare", str(corpus.folder), str(tmp_path / "out"), *OPTIONS, "--dry-run"]
    result = CliRunner().invoke(stccl, arguments)
    assert result.exit_code == 0 and "extract 12 of 12 clips" in result.stdout
    result = CliRunner().invoke(stccl, [*arguments, "--json"])
    assert json.loads(result.stdout)["extract"] == {"new": 12}


@pytest.mark.parametrize(
    ("option", "exit_code"),
    [
        ("--retry-failed", 0),
        ("--retry-failed=crashed,timed_out", 0),
        ("--retry-failed=", 2),
        ("--retry-failed=bad_luck", 2),
    ],
)
def test_the_command_takes_reasons_to_retry(corpus, tmp_path, option, exit_code):
    arguments = ["prepare", str(corpus.folder), str(tmp_path / "out"), *OPTIONS, "--dry-run"]
    assert CliRunner().invoke(stccl, [*arguments, option]).exit_code == exit_code
