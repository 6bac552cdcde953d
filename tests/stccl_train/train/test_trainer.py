"""A whole training run: what it leaves, and what stops it."""

import json
import math

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train.config import load_config
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.checkpoint import load_checkpoint
from stccl_train.train.errors import TrainingError
from stccl_train.train.trainer import fit
from tests.testing import datasets as small
from tests.testing.training import assert_same_run, last_checkpoint, log_of, micro

# what a run leaves


def test_a_run_leaves_config_log_checkpoints_and_metric(reference):
    run = reference.run
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "metrics.jsonl", "checkpoints", "metric.safetensors", "metric.json"
    }  # fmt: skip
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.pt", "best.pt", "lock"}
    assert (reference.steps, reference.made) == (8, 8)
    assert load_config(file=run / "config.yaml") == micro()


def test_the_log_has_a_line_per_step_and_per_validation(reference):
    train, val = log_of(reference.run, "train"), log_of(reference.run, "val")
    assert [line["step"] for line in train] == list(range(1, 9))
    assert [line["step"] for line in val] == [4, 8]
    assert {"loss", "lr", "norm", "scc_vd.positive", "tcc_vd.1.recall"} <= train[0].keys()


def test_nothing_in_the_log_depends_on_the_clock(reference):
    names = {name for line in log_of(reference.run) for name in line}
    assert not [name for name in names if "second" in name or "images" in name]


def test_the_exported_metric_is_the_best_one(reference):
    best = load_checkpoint(reference.run / "checkpoints" / "best.pt")
    losses = {line["step"]: line["loss"] for line in log_of(reference.run, "val")}
    assert best.step == reference.best_step == min(losses, key=losses.get)
    assert math.isclose(reference.best, min(losses.values()), rel_tol=1e-6)
    weights = load_metric(reference.run).state_dict()
    assert all(torch.equal(value, best.model[name]) for name, value in weights.items())


def test_the_card_of_the_metric_describes_its_training(reference):
    card = json.loads((reference.run / "metric.json").read_text())["card"]
    assert card["step"] == reference.best_step
    assert card["data"]["speakers"] == ["mead/M003", "mead/W009"]
    assert card["config"]["batch"] == 2


def test_training_changes_a_backbone_without_published_weights(reference):
    torch.manual_seed(0)
    fresh = CorrelationMetric(micro().metric, False).state_dict()
    trained = last_checkpoint(reference.run).model
    backbone = [name for name in fresh if name.startswith("backbone")]
    assert any(not torch.equal(fresh[name], trained[name]) for name in backbone)


def test_training_keeps_published_weights(out, tmp_path):
    weights = tmp_path / "weights.pt"
    torch.manual_seed(5)
    published = CorrelationMetric(micro().metric, True).backbone.state_dict()
    torch.save(published, weights)
    fit(out, tmp_path / "run", micro("epochs=1", f"backbone_weights={weights}"))
    trained = last_checkpoint(tmp_path / "run").model
    assert all(torch.equal(trained[f"backbone.{name}"], v) for name, v in published.items())


def test_missing_published_weights_are_an_error(out, tmp_path):
    with pytest.raises(ValueError, match=r"none\.pt"):
        fit(out, tmp_path / "run", micro(f"backbone_weights={tmp_path / 'none.pt'}"))


def test_the_same_seed_gives_the_same_run(out, tmp_path, reference):
    fit(out, tmp_path, micro())
    assert_same_run(tmp_path, reference.run)


def test_another_seed_gives_another_run(out, tmp_path, reference):
    fit(out, tmp_path, micro("seed=1", "epochs=1"))
    assert log_of(tmp_path)[0]["loss"] != log_of(reference.run)[0]["loss"]


def test_bf16_gives_a_finite_loss(out, tmp_path):
    result = fit(out, tmp_path, micro("epochs=1", "precision=bf16"))
    assert math.isfinite(result.loss)
    assert last_checkpoint(tmp_path).model["scale"].isfinite().all()


def test_tensorboard_events_are_written_if_set(out, tmp_path):
    fit(out, tmp_path, micro("epochs=1", "tensorboard=true"))
    assert list((tmp_path / "tensorboard").glob("events.*"))


# what stops a run


def test_an_exploding_loss_stops_the_run_and_names_the_windows(out, tmp_path):
    settings = "lr=1e30", "warmup=0", "save_every=1", "explode=1.01", "clip=1e30", "epochs=5"
    with pytest.raises(TrainingError, match=r"mead/(M003|W009)/front/s00"):
        fit(out, tmp_path, micro(*settings))
    weights = load_metric(tmp_path).state_dict()  # of a step before
    assert all(value.isfinite().all() for name, value in weights.items() if name != "scale")


def test_a_loss_that_is_not_finite_names_only_the_window_that_gave_it(out, tmp_path, monkeypatch):
    forward = CorrelationMetric.forward
    calls = []

    def broken(self, *arguments):
        output = forward(self, *arguments)
        calls.append(1)
        if len(calls) < 2:
            return output
        windows = output.windows.clone()
        windows[1] = math.nan
        return output._replace(loss=output.loss * math.nan, windows=windows)

    monkeypatch.setattr(CorrelationMetric, "forward", broken)
    with pytest.raises(TrainingError, match="step 2 is nan") as caught:
        fit(out, tmp_path, micro())
    assert str(caught.value).count("\n  mead/") == 1


def test_a_run_inside_the_dataset_is_rejected(out):
    before = sorted(out.rglob("*"))
    for run in (out, out / "run"):
        with pytest.raises(TrainingError):
            fit(out, run, micro())
    assert sorted(out.rglob("*")) == before


def test_a_dataset_without_a_train_split_is_rejected(tmp_path):
    out = small.make_dataset(tmp_path / "out").out
    shards = json.loads((out / "shards.json").read_text())
    shards["shards"] = [shard for shard in shards["shards"] if shard["split"] == "val"]
    (out / "shards.json").write_text(json.dumps(shards))
    lines = (out / "index.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["split"] == "val"]
    (out / "index.jsonl").write_text("\n".join(kept))
    with pytest.raises(TrainingError, match="train"):
        fit(out, tmp_path / "run", micro())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["tpu", "cuda:99"])
def test_a_missing_device_is_rejected(out, tmp_path, device):
    with pytest.raises(UsageError, match=device):
        fit(out, tmp_path / "run", micro(f"device={device}"))
