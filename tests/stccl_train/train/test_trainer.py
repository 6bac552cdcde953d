"""Training as a whole: what it leaves, that it goes on after any end, and that many processes make one run."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_train.config import load_config
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.checkpoint import CheckpointError, load_checkpoint
from stccl_train.train.distributed import Ranks, averaged, joined_ranks  # noqa: F401  (joined_ranks: for the processes)
from stccl_train.train.trainer import TrainingError, fit, learning_rate, validate
from tests.testing import datasets as small

#: 4 steps an epoch, 2 windows of 3 frames of 48 pixels a step.
MICRO = (
    "metric.size=48", "metric.frames=3", "windows.per_epoch=8", "batch=2", "epochs=2", "warmup=1", "log_every=1", "save_every=3",
    "device=cpu", "validate_windows=1", "windows.readers=2",
)  # fmt: skip
ALONE = Ranks(0, 1, torch.device("cpu"))


def micro(*settings):
    return load_config("tiny", settings=[*MICRO, *settings])


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("fit") / "out").out


@pytest.fixture(scope="module")
def whole(out, tmp_path_factory):
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("run")
    return fit(out, run, micro())


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same_run(one: Path, other: Path) -> bool:
    a, b = (load_checkpoint(run / "checkpoints" / "last.pt") for run in (one, other))
    same = a.model.keys() == b.model.keys() and all(
        torch.equal(a.model[name], b.model[name]) for name in a.model
    )
    return same and (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()


class Hand:
    """Does something after a certain step."""

    def __init__(self, step, act):
        self._step, self._act = step, act

    def begin(self, steps, done):
        self.steps, self.done = steps, done

    def step(self, step, epoch, shown):
        if step == self._step:
            self._act()

    def note(self, text):
        pass


def test_a_run_leaves_its_config_its_lines_its_checkpoints_and_the_metric(whole):
    run = whole.run
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "metrics.jsonl", "checkpoints", "metric.safetensors", "metric.json"
    }  # fmt: skip
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.pt", "best.pt", "lock"}
    assert (whole.steps, whole.made) == (8, 8) and load_config(file=run / "config.yaml") == micro()
    written = lines(run)
    assert [line["step"] for line in written if line["section"] == "train"] == list(range(1, 9))
    assert [line["step"] for line in written if line["section"] == "val"] == [4, 8]
    assert {"loss", "lr", "norm", "scc_vd.positive", "tcc_vd.1.recall"} <= written[0].keys()
    assert not any(
        "second" in name or "images" in name for line in written for name in line
    )  # the clock is not in it


def test_the_metric_that_is_exported_is_the_best_one(whole):
    best = load_checkpoint(whole.run / "checkpoints" / "best.pt")
    val = {line["step"]: line["loss"] for line in lines(whole.run) if line["section"] == "val"}
    assert best.step == whole.best_step == min(val, key=val.get) and math.isclose(
        whole.best, min(val.values()), rel_tol=1e-6
    )
    metric = load_metric(whole.run)
    assert all(torch.equal(value, best.model[name]) for name, value in metric.state_dict().items())
    card = json.loads((whole.run / "metric.json").read_text())["card"]
    assert (
        card["step"] == best.step
        and card["data"]["speakers"] == ["mead/M003", "mead/W009"]
        and card["config"]["batch"] == 2
    )


def test_training_changes_the_weights_and_not_the_frozen_ones(out, tmp_path, whole):
    torch.manual_seed(0)
    fresh = CorrelationMetric(micro().metric, False).state_dict()
    trained = load_checkpoint(whole.run / "checkpoints" / "last.pt").model
    assert any(
        not torch.equal(fresh[name], trained[name]) for name in fresh if name.startswith("backbone")
    )
    weights = tmp_path / "weights.pt"
    torch.manual_seed(5)
    torch.save(CorrelationMetric(micro().metric, True).backbone.state_dict(), weights)
    fit(out, tmp_path / "run", micro("epochs=1", f"backbone_weights={weights}"))
    frozen, given = (
        load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt").model,
        torch.load(weights, weights_only=True),
    )
    assert all(torch.equal(frozen[f"backbone.{name}"], value) for name, value in given.items())
    with pytest.raises(ValueError, match=r"none\.pt: there is no such file"):
        fit(out, tmp_path / "other", micro(f"backbone_weights={tmp_path / 'none.pt'}"))


def test_a_run_goes_on_where_the_weights_that_it_began_from_are_gone(out, tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save(CorrelationMetric(micro().metric, True).backbone.state_dict(), weights)
    config = micro("epochs=1", f"backbone_weights={weights}")
    with pytest.raises(KeyboardInterrupt):
        fit(out, tmp_path / "run", config, Hand(1, lambda: os.kill(os.getpid(), signal.SIGINT)))
    weights.unlink()
    assert fit(out, tmp_path / "run").made > 0 and fit(out, tmp_path / "run").made == 0


def test_a_second_training_of_a_run_is_refused_with_the_pid_of_the_first(out, tmp_path, whole):
    run = tmp_path / "run"

    def again():
        with pytest.raises(
            TrainingError,
            match=f"{run} is being trained by process {os.getpid()} on .*; wait for it, or end it",
        ):
            fit(out, run, micro())

    fit(out, run, micro(), Hand(3, again))
    assert same_run(run, whole.run)


def test_what_killed_writers_left_goes(out, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    leftover = tmp_path / "checkpoints" / ".best.pt.f_3381tz.tmp"
    leftover.write_bytes(b"half")
    fit(out, tmp_path, micro("epochs=1"))
    assert not leftover.exists()


def test_a_dataset_is_no_place_for_a_run(out):
    before = sorted(out.rglob("*"))
    for run in (out, out / "run"):
        with pytest.raises(TrainingError, match="lies in the dataset"):
            fit(out, run, micro())
    assert sorted(out.rglob("*")) == before


def test_the_same_seed_gives_the_same_run_and_another_seed_another(out, tmp_path, whole):
    fit(out, tmp_path / "same", micro())
    assert same_run(tmp_path / "same", whole.run)
    fit(out, tmp_path / "other", micro("seed=1", "epochs=1"))
    assert lines(tmp_path / "other")[0]["loss"] != lines(whole.run)[0]["loss"]


def test_a_finished_run_has_nothing_left_to_do(out, whole):
    before = (whole.run / "metrics.jsonl").read_bytes()
    again = fit(out, whole.run)
    assert (again.made, again.steps, again.best) == (0, 8, whole.best) and (
        whole.run / "metrics.jsonl"
    ).read_bytes() == before


# interruptions


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_saves_after_the_step_and_the_run_goes_on_as_if_nothing_had_been(
    out, tmp_path, whole, number
):
    run = tmp_path / "run"
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step [56] of 8"):
        fit(out, run, micro(), Hand(5, lambda: os.kill(os.getpid(), number)))
    assert signal.getsignal(number) is before
    # a rank that is asked during a step tells the others at the end of the next
    assert load_checkpoint(run / "checkpoints" / "last.pt").step in (5, 6)
    hand = Hand(0, None)
    fit(out, run, None, hand)
    assert hand.done in (5, 6) and same_run(run, whole.run)


def test_after_kill_9_the_run_goes_on_as_if_nothing_had_been(out, tmp_path, whole):
    """The last checkpoint is of step 6; step 7 wrote its line and then the process died."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from test_trainer import Hand, fit, micro
fit({str(out)!r}, {str(tmp_path / "run")!r}, micro(), Hand(8, lambda: os.kill(os.getpid(), signal.SIGKILL)))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [line["step"] for line in lines(tmp_path / "run") if line["section"] == "train"] == list(
        range(1, 8)
    )
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.pt").step == 6
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "ep')  # a kill within a write
    fit(out, tmp_path / "run", micro())
    assert same_run(tmp_path / "run", whole.run)


def test_sums_of_a_line_that_was_not_yet_due_survive_an_interruption(out, tmp_path):
    config = micro("log_every=4", "accumulate=2", "windows.per_epoch=16", "epochs=1")
    fit(out, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        fit(out, tmp_path / "run", config, Hand(2, lambda: os.kill(os.getpid(), signal.SIGINT)))
    fit(out, tmp_path / "run", config)
    assert same_run(tmp_path / "run", tmp_path / "whole")


def test_a_run_goes_on_only_as_it_was_begun(out, tmp_path, whole):
    with pytest.raises(
        CheckpointError,
        match=r"was begun with other values of epochs, metric\.tau; give those again",
    ):
        fit(out, whole.run, micro("epochs=3", "metric.tau=0.2"))
    other = small.make_dataset(tmp_path / "other", audio=True).out
    with pytest.raises(CheckpointError, match="was begun on other data than"):
        fit(other, whole.run, micro())
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.pt").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"last\.pt is no checkpoint that can be read"):
        fit(out, run, micro())


# what must stop


def test_a_loss_that_explodes_stops_with_the_windows_and_keeps_the_last_checkpoint(out, tmp_path):
    with pytest.raises(
        TrainingError, match=r"the (loss|gradient) of step \d+ .*\n  mead/.*s00\d: mead/"
    ) as caught:
        fit(
            out,
            tmp_path,
            micro("lr=1e30", "warmup=0", "save_every=1", "explode=1.01", "clip=1e30", "epochs=5"),
        )
    assert "Its windows:" in str(caught.value)
    assert all(
        value.isfinite().all()
        for name, value in load_metric(tmp_path).state_dict().items()
        if name != "scale"
    )


def test_a_loss_that_is_no_number_names_the_window_that_gave_it(out, tmp_path, monkeypatch):
    forward = CorrelationMetric.forward
    calls = []

    def poisoned(self, *arguments):
        found = forward(self, *arguments)
        calls.append(1)
        if len(calls) == 2:
            parts = found.windows.clone()
            parts[1] = math.nan
            return found._replace(loss=found.loss * math.nan, windows=parts)
        return found

    monkeypatch.setattr(CorrelationMetric, "forward", poisoned)
    with pytest.raises(TrainingError, match="the loss of step 2 is nan") as caught:
        fit(out, tmp_path, micro())
    assert str(caught.value).count("\n  mead/") == 1


def test_data_without_a_train_split_is_refused(out, tmp_path):
    listed = json.loads((out / "shards.json").read_text())
    copy = small.make_dataset(tmp_path / "out").out
    listed["shards"] = [shard for shard in listed["shards"] if shard["split"] == "val"]
    (copy / "shards.json").write_text(json.dumps(listed))
    index = [
        line
        for line in (copy / "index.jsonl").read_text().splitlines()
        if json.loads(line)["split"] == "val"
    ]
    (copy / "index.jsonl").write_text("\n".join(index))
    with pytest.raises(TrainingError, match="has no train split"):
        fit(copy, tmp_path / "run", micro())
    with pytest.raises(ValueError, match=r"device 'cuda:7'|device 'tpu'"):
        fit(
            out,
            tmp_path / "run",
            micro("device=tpu" if torch.cuda.device_count() > 7 else "device=cuda:7"),
        )


# figures


def test_the_validation_loss_is_a_mean_over_its_own_windows_however_they_are_batched(out):
    config = micro("validate_windows=2")
    torch.manual_seed(3)
    metric = CorrelationMetric(config.metric, False)
    dataset = open_dataset(out)
    found = [validate(metric, dataset, replace(config, batch=batch), ALONE) for batch in (1, 3, 50)]
    assert found[0].keys() == found[1].keys() and metric.training
    for values in found[1:]:
        assert math.isclose(values["loss"], found[0]["loss"], rel_tol=1e-5)
        assert math.isclose(
            values["tcc_vd.recall"], found[0]["tcc_vd.recall"], rel_tol=1e-5, abs_tol=1e-7
        )


def test_the_learning_rate_rises_along_a_line_and_falls_along_a_cosine():
    config = micro("warmup=2", "lr=0.5", "last_lr=0.1")
    rates = [learning_rate(step, 40, 4, config) for step in range(40)]
    assert rates[:8] == pytest.approx([0.5 * k / 8 for k in range(1, 9)]) and rates[8] == 0.5
    assert all(a > b for a, b in pairwise(rates[8:])) and rates[-1] == pytest.approx(0.05)
    assert learning_rate(0, 1, 1, micro("warmup=0")) == micro().lr


def test_bf16_leaves_a_loss_that_is_a_number_and_tensorboard_its_curve(out, tmp_path):
    trained = fit(out, tmp_path, micro("epochs=1", "precision=bf16", "tensorboard=true"))
    assert list((tmp_path / "tensorboard").glob("events.*"))
    assert (
        math.isfinite(trained.loss)
        and load_checkpoint(tmp_path / "checkpoints" / "last.pt").model["scale"].isfinite().all()
    )


# many processes


def ranks(code: str, world: int, folder: Path) -> None:
    """Run `code` in so many processes, as torchrun would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    together = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                **address,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world),
            },
            stderr=(folder / f"rank{rank}.log").open("w"),
        )
        for rank in range(world)
    ]
    try:
        codes = [process.wait(timeout=120) for process in together]
    finally:
        for process in together:
            process.kill()
    assert codes == [0] * world, "\n".join(
        (folder / f"rank{rank}.log").read_text()[-2000:] for rank in range(world)
    )


#: The running scale of the adaptive weights follows every batch, so it is one step ahead where a step has two.
TWICE = ("metric.adaptive=false", "windows.per_epoch=12", "epochs=1")


def test_two_ranks_train_as_one_does_with_the_batch_doubled(out, tmp_path):
    """In one process the doubled batch is two whose gradients are added, or one of twice the windows."""
    code = f"""
import sys, torch
sys.path.insert(0, {str(Path(__file__).parent)!r})
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from test_trainer import TWICE, fit, joined_ranks, micro, ranks_gradient
with joined_ranks("cpu") as here:
    fit({str(out)!r}, {str(tmp_path / "two")!r}, micro(*TWICE))
    ranks_gradient({str(tmp_path)!r}, here)
"""
    ranks(code, 2, tmp_path)
    one = fit(out, tmp_path / "one", micro(*TWICE, "accumulate=2"))
    assert one.steps == 3
    two_lines, one_lines = lines(tmp_path / "two"), lines(tmp_path / "one")
    assert [(line["step"], line["section"]) for line in two_lines] == [
        (line["step"], line["section"]) for line in one_lines
    ]
    for a, b in zip(two_lines, one_lines, strict=True):
        assert a.keys() == b.keys()
        numbers = [
            name for name in a if name != "section" and "recall" not in name
        ]  # a rank flips with the last bit
        assert [a[name] for name in numbers] == pytest.approx(
            [b[name] for name in numbers], rel=1e-3, abs=1e-4
        )
    a, b = (load_checkpoint(tmp_path / name / "checkpoints" / "last.pt") for name in ("one", "two"))
    assert len(b.rng) == 2 and (a.batch, a.readers) == (b.batch, b.readers)
    for name, value in a.model.items():
        if name != "scale":
            torch.testing.assert_close(value, b.model[name], rtol=1e-3, atol=1e-4)

    # the same windows at once: adaptive weights and their running scale included
    shared = torch.load(tmp_path / "gradient.pt", weights_only=True)
    metric, batch, places = problem()
    found = metric(batch[:, 0], batch[:, 1], places)
    found.loss.backward()
    for name, parameter in metric.named_parameters():
        torch.testing.assert_close(parameter.grad, shared[name], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(metric.scale, shared["scale"])
    with pytest.raises(
        CheckpointError,
        match="was begun by 2 processes with 4 windows a step from 2 readers, and would go on by 1",
    ):
        fit(out, tmp_path / "two", micro(*TWICE))


def problem():
    """A metric, four windows (4, 2, T, 3, H, W) and a generator for each."""
    torch.manual_seed(0)
    metric = CorrelationMetric(micro().metric, False)
    metric.scale.fill_(0.05)
    batch = torch.rand(4, 2, 3, 3, 48, 48) * 2 - 1
    return metric, batch, [torch.Generator().manual_seed(number) for number in range(4)]


def ranks_gradient(folder: str, here: Ranks) -> None:
    """In each rank: half of the windows; rank 0 leaves the gradients that both have."""
    metric, batch, places = problem()
    mine = slice(2 * here.rank, 2 * here.rank + 2)
    model = averaged(metric, here)
    model(batch[mine, 0], batch[mine, 1], places[mine]).loss.backward()
    if here.first:
        grads = {name: parameter.grad for name, parameter in metric.named_parameters()}
        torch.save({**grads, "scale": metric.scale}, Path(folder) / "gradient.pt")
