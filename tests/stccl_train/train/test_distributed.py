"""Two ranks train as one process with the batch doubled."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stccl_train.train.errors import CheckpointError
from stccl_train.train.trainer import fit
from tests.testing.training import gradient_problem, last_checkpoint, log_of, micro

ROOT = Path(__file__).parents[3]

SETTINGS = ("windows.per_epoch=12", "epochs=1")


def run_ranks(code: str, world: int, logs: Path) -> None:
    """Run `code` in several processes, as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**shared, "RANK": str(r), "LOCAL_RANK": str(r), "WORLD_SIZE": str(world)},
            cwd=ROOT,
            stderr=(logs / f"rank{r}.log").open("w"),
        )
        for r in range(world)
    ]
    try:
        codes = [process.wait(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    stderr = "\n".join((logs / f"rank{r}.log").read_text()[-2000:] for r in range(world))
    assert codes == [0] * world, stderr


@pytest.fixture(scope="module")
def two_ranks(out, tmp_path_factory):
    """A folder with `run`, trained by two ranks, and `gradient.pt`, their averaged gradients.

    For the gradients each rank takes half of the windows of `gradient_problem`.
    """
    folder = tmp_path_factory.mktemp("ranks")
    code = f"""
import torch
from stccl_train.train.distributed import average_gradients, open_ranks
from stccl_train.train.trainer import fit
from tests.testing.training import gradient_problem, micro
with open_ranks("cpu") as ranks:
    fit({str(out)!r}, {str(folder / "run")!r}, micro(*{SETTINGS!r}))
    metric, windows, places = gradient_problem()
    half = slice(2 * ranks.rank, 2 * ranks.rank + 2)
    model = average_gradients(metric, ranks)
    output = model(windows[half, 0], windows[half, 1], places[half])
    output.loss.backward()
    metric.update_scale(output.disparity)
    if ranks.is_main:
        gradients = {{name: parameter.grad for name, parameter in metric.named_parameters()}}
        torch.save({{**gradients, "scale": metric.scale}}, {str(folder / "gradient.pt")!r})
"""
    run_ranks(code, 2, folder)
    return folder


def test_two_ranks_train_as_one_process_that_accumulates_two_batches(out, two_ranks, tmp_path):
    result = fit(out, tmp_path, micro(*SETTINGS, "accumulate=2"))
    assert result.steps == 3
    for two, one in zip(log_of(two_ranks / "run"), log_of(tmp_path), strict=True):
        assert two.keys() == one.keys()
        assert (two["step"], two["section"]) == (one["step"], one["section"])
        # a recall flips with the last bit of a similarity
        names = [name for name in two if name != "section" and "recall" not in name]
        assert [two[name] for name in names] == pytest.approx(
            [one[name] for name in names], rel=1e-3, abs=1e-4
        )
    one, two = last_checkpoint(tmp_path), last_checkpoint(two_ranks / "run")
    assert len(two.rng) == 2 and (one.batch, one.readers) == (two.batch, two.readers)
    for name, value in one.model.items():
        torch.testing.assert_close(value, two.model[name], rtol=1e-3, atol=1e-4)


def test_two_ranks_have_the_gradient_of_one_batch_of_twice_the_windows(two_ranks):
    averaged = torch.load(two_ranks / "gradient.pt", weights_only=True)
    metric, windows, places = gradient_problem()
    output = metric(windows[:, 0], windows[:, 1], places)
    output.loss.backward()
    metric.update_scale(output.disparity)
    for name, parameter in metric.named_parameters():
        torch.testing.assert_close(parameter.grad, averaged[name], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(metric.scale, averaged["scale"])  # of the adaptive weights


def test_a_run_of_two_ranks_does_not_resume_with_one(out, two_ranks):
    with pytest.raises(CheckpointError, match="2 processes"):
        fit(out, two_ranks / "run", micro(*SETTINGS))
