"""Saving and loading a metric."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from stccl_train.config import MetricConfig
from stccl_train.model.export import MetricError, load_metric, save_metric, trained_on
from stccl_train.model.metric import CorrelationMetric

CONFIG = MetricConfig(backbone="tiny", variant="both", frames=4, size=64)


@pytest.fixture
def metric() -> CorrelationMetric:
    torch.manual_seed(0)
    return CorrelationMetric(CONFIG, freeze_backbone=False)


def test_a_loaded_metric_gives_the_same_loss(metric: CorrelationMetric, tmp_path: Path) -> None:
    frames = torch.rand(2, 2, 4, 3, 64, 64) * 2 - 1
    metric.update_scale(metric(*frames).disparity)
    metric.eval()
    save_metric(tmp_path / "run", metric)
    loaded = load_metric(tmp_path / "run")
    assert not loaded.training and loaded.config == metric.config
    losses = [m(*frames, torch.Generator().manual_seed(1)).loss for m in (metric, loaded)]
    assert torch.equal(*losses)


def test_the_card_is_stored_beside_the_config(metric: CorrelationMetric, tmp_path: Path) -> None:
    save_metric(tmp_path, metric, {"data": {"speakers": ["mead/M003"]}})
    record = json.loads((tmp_path / "metric.json").read_text())
    assert record["config"]["backbone"] == "tiny"
    assert record["card"] == {"data": {"speakers": ["mead/M003"]}}
    assert trained_on(tmp_path).speakers == {"mead/M003"}
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["metric.json", "metric.safetensors"]


def test_speakers_are_empty_if_the_card_does_not_list_them(
    metric: CorrelationMetric, tmp_path: Path
) -> None:
    assert not trained_on(tmp_path).speakers
    save_metric(tmp_path, metric)
    assert not trained_on(tmp_path).speakers


@pytest.mark.parametrize("name", ["metric.json", "metric.safetensors"])
def test_a_missing_file_is_named(metric: CorrelationMetric, tmp_path: Path, name: str) -> None:
    save_metric(tmp_path, metric)
    (tmp_path / name).unlink()
    with pytest.raises(MetricError, match=f"{name} is missing"):
        load_metric(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"config": dataclasses.asdict(CONFIG) | {"colour": 1}},
        {"config": dataclasses.asdict(CONFIG) | {"frames": 5}},
        {"config": None},
    ],
    ids=["newer version", "unknown key", "other shapes", "no config"],
)
def test_an_unusable_card_is_an_error_that_names_the_folder(
    metric: CorrelationMetric, tmp_path: Path, change: dict[str, object]
) -> None:
    save_metric(tmp_path, metric)
    card = json.loads((tmp_path / "metric.json").read_text())
    (tmp_path / "metric.json").write_text(json.dumps(card | change))
    with pytest.raises(MetricError, match=str(tmp_path)):
        load_metric(tmp_path)


def test_a_card_without_a_key_names_the_key(metric: CorrelationMetric, tmp_path: Path) -> None:
    save_metric(tmp_path, metric)
    card = json.loads((tmp_path / "metric.json").read_text())
    del card["freeze_backbone"]
    (tmp_path / "metric.json").write_text(json.dumps(card))
    with pytest.raises(MetricError, match="freeze_backbone"):
        load_metric(tmp_path)


def test_weights_that_are_not_finite_are_an_error(
    metric: CorrelationMetric, tmp_path: Path
) -> None:
    metric.get_parameter("heads.scc_vd.0.outer.bias").data[3] = math.nan
    save_metric(tmp_path, metric)
    with pytest.raises(MetricError, match=r"metric\.safetensors.*heads\.scc_vd\.0\.outer\.bias"):
        load_metric(tmp_path)


def test_truncated_weights_are_an_error(metric: CorrelationMetric, tmp_path: Path) -> None:
    save_metric(tmp_path, metric)
    (tmp_path / "metric.safetensors").write_bytes(b"cut")
    with pytest.raises(MetricError, match=str(tmp_path)):
        load_metric(tmp_path)
