"""An interrupted and resumed run equals an uninterrupted one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.errors import CheckpointError, TrainingError
from stccl_train.train.trainer import fit
from tests.testing import datasets as small
from tests.testing.training import AtStep, assert_same_run, last_checkpoint, log_of, micro

ROOT = Path(__file__).parents[3]


def interrupt_at(step):
    return AtStep(step, lambda: os.kill(os.getpid(), signal.SIGINT))


def test_a_finished_run_is_left_alone(out, reference):
    log = (reference.run / "metrics.jsonl").read_bytes()
    again = fit(out, reference.run)
    assert (again.made, again.steps, again.best) == (0, 8, reference.best)
    assert (reference.run / "metrics.jsonl").read_bytes() == log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_and_the_run_resumes(out, tmp_path, reference, number):
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        fit(out, tmp_path, micro(), AtStep(5, lambda: os.kill(os.getpid(), number)))
    assert signal.getsignal(number) is handler
    # the signal arrives between two steps, and is noticed at the end of the second
    assert last_checkpoint(tmp_path).step in (5, 6)
    progress = AtStep()
    fit(out, tmp_path, None, progress)
    assert progress.done in (5, 6)
    assert_same_run(tmp_path, reference.run)


def test_a_run_resumes_after_sigkill(out, tmp_path, reference):
    """The last checkpoint is of step 6; step 7 is logged, then the process dies in step 8."""
    code = f"""
import os, signal
from stccl_train.train.trainer import fit
from tests.testing.training import AtStep, micro
progress = AtStep(8, lambda: os.kill(os.getpid(), signal.SIGKILL))
fit({str(out)!r}, {str(tmp_path)!r}, micro(), progress)
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert [line["step"] for line in log_of(tmp_path, "train")] == list(range(1, 8))
    assert last_checkpoint(tmp_path).step == 6
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "ep')  # as if killed while writing
    fit(out, tmp_path, micro())
    assert_same_run(tmp_path, reference.run)


def test_sums_of_an_unfinished_line_survive_an_interruption(out, tmp_path):
    config = micro("log_every=4", "accumulate=2", "windows.per_epoch=16", "epochs=1")
    fit(out, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        fit(out, tmp_path / "run", config, interrupt_at(2))
    fit(out, tmp_path / "run", config)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_run_resumes_without_the_published_weights_it_started_from(out, tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save(CorrelationMetric(micro().metric, True).backbone.state_dict(), weights)
    with pytest.raises(KeyboardInterrupt):
        config = micro("epochs=1", f"backbone_weights={weights}")
        fit(out, tmp_path / "run", config, interrupt_at(1))
    weights.unlink()
    assert fit(out, tmp_path / "run").made > 0


def test_a_run_that_is_being_trained_is_rejected_with_its_process(out, tmp_path, reference):
    def train_again():
        with pytest.raises(TrainingError, match=str(os.getpid())):
            fit(out, tmp_path, micro())

    fit(out, tmp_path, micro(), AtStep(3, train_again))
    assert_same_run(tmp_path, reference.run)


def test_temporary_files_of_killed_writers_are_removed(out, tmp_path):
    leftover = tmp_path / "checkpoints" / ".best.pt.f_3381tz.tmp"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    fit(out, tmp_path, micro("epochs=1"))
    assert not leftover.exists()


def test_a_run_does_not_resume_with_another_config(out, reference):
    with pytest.raises(CheckpointError, match=r"epochs, metric\.tau"):
        fit(out, reference.run, micro("epochs=3", "metric.tau=0.2"))


def test_a_finished_run_is_extended_by_more_epochs(out, tmp_path):
    fit(out, tmp_path, micro("epochs=1"))
    longer = fit(out, tmp_path, micro("epochs=2"))
    assert (longer.made, longer.steps) == (4, 8)
    assert fit(out, tmp_path).made == 0  # the run knows its new length


def test_a_run_does_not_resume_with_fewer_epochs_than_it_has(out, reference):
    with pytest.raises(CheckpointError, match="epochs"):
        fit(out, reference.run, micro("epochs=1"))


def test_a_run_starts_from_the_metric_of_another(out, tmp_path, reference):
    started = fit(out, tmp_path, micro("epochs=1", "lr=1e-12", f"init={reference.run}"))
    weights, before = (load_metric(run).state_dict() for run in (started.run, reference.run))
    for name in weights.keys() - {"scale"}:
        assert torch.allclose(weights[name], before[name], atol=1e-6)


def test_a_run_does_not_start_from_a_metric_of_another_form(out, tmp_path, reference):
    with pytest.raises(UsageError, match=str(reference.run)):
        fit(out, tmp_path, micro(f"init={reference.run}", "metric.variant=cm"))


def test_a_run_does_not_resume_on_other_data(tmp_path, reference):
    other = small.make_dataset(tmp_path / "other", audio=True).out
    with pytest.raises(CheckpointError, match=str(other)):
        fit(other, reference.run, micro())


def test_a_corrupt_checkpoint_is_an_error_that_names_it(out, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        fit(out, tmp_path, micro())
