"""The scale of the loss: measured on real pairs, stored in the run, the same for any metric."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_train import STCCLLoss
from stccl_train.config import EvaluateConfig, MetricConfig
from stccl_train.data.collate import Batch, collate
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.windows import WindowShape
from stccl_train.eval.evaluate import evaluate
from stccl_train.loss.calibrate import calibrate
from stccl_train.loss.parts import FORM, weighted_parts
from stccl_train.loss.scale import (
    ALIGNED,
    Calibration,
    RealPairs,
    read_calibration,
    setting_name,
    write_calibration,
)
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric


def fresh(seed: int) -> CorrelationMetric:
    """A metric as different from another as two runs can be."""
    torch.manual_seed(seed)
    metric = CorrelationMetric(MetricConfig(backbone="tiny", frames=3, size=64), False)
    metric.scale.fill_(0.05)
    return metric


@pytest.fixture(scope="module")
def pairs(speaking: Path) -> Batch:
    """Two aligned windows of each speaker; the one of the test split was not calibrated on."""
    dataset, shape = open_dataset(speaking), WindowShape(3, 0.12)
    windows = [w for split in dataset.splits for w in evaluation_windows(dataset, split, shape, 1)]
    by_speaker = {w.speaker: [o for o in windows if o.speaker == w.speaker][:2] for w in windows}
    return collate([window for two in by_speaker.values() for window in two], 64)


@pytest.fixture(scope="module")
def crits(speaking: Path) -> list[STCCLLoss]:
    dataset = open_dataset(speaking)
    return [STCCLLoss(m, calibration=calibrate(m, dataset)) for m in (fresh(0), fresh(1))]


def floats(frames: torch.Tensor) -> torch.Tensor:
    return frames.float() / 127.5 - 1


def pull(crit: STCCLLoss, pairs: Batch, frames: int, located: bool) -> float:
    """Length of the loss's gradient on aligned frames, divided by that of a mean L1."""
    sides = floats(pairs.source), floats(pairs.target), pairs.source_points
    source, target, points = (x.reshape(-1, frames, *x.shape[2:]) for x in sides)
    target = target.detach().requires_grad_()
    crit(source, target, torch.Generator().manual_seed(0), points if located else None).backward()
    assert target.grad is not None
    return target.grad.norm().item() * target.numel() ** 0.5


@pytest.mark.parametrize("located", [True, False])
@pytest.mark.parametrize("frames", [1, 3])
def test_one_weight_pulls_alike_for_two_metrics(
    crits: list[STCCLLoss], pairs: Batch, frames: int, located: bool
) -> None:
    one, other = (pull(crit, pairs, frames, located) for crit in crits)
    assert max(one, other) < 1.3 * min(one, other)
    bare = [pull(STCCLLoss(crit.metric), pairs, frames, located) for crit in crits]
    assert 0.4 < one < 2.5 and min(bare) > 2.5


def test_the_level_of_aligned_pairs_becomes_the_stated_value(pairs: Batch) -> None:
    metric = fresh(0)
    parts = weighted_parts(metric, {}, (1, 1, 1, 1))
    levels = {part.name: 0.6 for part in parts}
    real = RealPairs(itself=levels, aligned=levels, shifted=levels, pull=4.0)
    setting = setting_name(3, True, FORM)
    calibration = Calibration(split="val", windows=4, settings={setting: real})
    stretch, unit = calibration.scale(parts, setting)
    assert 1 - stretch * (1 - 0.6) == pytest.approx(ALIGNED)
    assert unit * stretch == pytest.approx(1 / 4)

    sides = floats(pairs.source), floats(pairs.target)
    options = {"source_points": pairs.source_points, "return_parts": True}
    bare = STCCLLoss(metric)(*sides, **options)
    scaled = STCCLLoss(metric, 0.3, calibration=calibration)(*sides, **options)
    assert 1 - scaled.value.item() == pytest.approx(stretch * (1 - bare.value.item()), rel=1e-3)
    assert scaled.loss.item() == pytest.approx(0.3 * unit * scaled.value.item(), rel=1e-4)


def test_a_calibration_of_the_contrast_alone_is_not_used(tmp_path: Path) -> None:
    """Earlier versions stored it without the name of the form."""
    metric = fresh(0)
    save_metric(tmp_path, metric)
    levels = {part.name: 0.6 for part in weighted_parts(metric, {}, (1, 1, 1, 1))}
    real = RealPairs(itself=levels, aligned=levels, shifted=levels, pull=4.0)
    setting = setting_name(3, True, FORM)
    calibration = Calibration(split="val", windows=4, settings={setting: real})
    write_calibration(tmp_path, calibration)
    assert read_calibration(tmp_path) == calibration
    write_calibration(tmp_path, replace(calibration, settings={"mouth, several frames": real}))
    assert read_calibration(tmp_path) is None
    with pytest.warns(UserWarning, match="stccl eval"):
        assert STCCLLoss.from_run(tmp_path).calibration is None


def test_evaluation_calibrates_a_run_that_is_not(speaking: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_metric(run, fresh(0))
    assert read_calibration(run) is None
    evaluate(run, speaking, EvaluateConfig(per_pair=1, draws=1, untrained=1, utterances=1))
    calibration = read_calibration(run)
    assert calibration is not None and calibration.split == "train"
    assert STCCLLoss.from_run(run).calibration == calibration
    save_metric(run, fresh(1))  # another metric has another scale
    assert read_calibration(run) is None
    shutil.rmtree(run)
