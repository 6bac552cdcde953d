"""The scale of the loss: measured on real pairs, stored in the run, the same for any metric."""

import shutil
from collections import defaultdict
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
from stccl_train.model.export import CARD_FILE, save_metric
from stccl_train.model.metric import CorrelationMetric


def fresh(seed: int) -> CorrelationMetric:
    """A metric as different from another as two runs can be."""
    torch.manual_seed(seed)
    metric = CorrelationMetric(MetricConfig(backbone="tiny", frames=3, size=64), False)
    metric.scale.fill_(0.05)
    return metric


@pytest.fixture(scope="module")
def speakers(speaking: Path) -> dict[str, Batch]:
    """Twelve aligned windows of each speaker; the one of the test split was not calibrated on."""
    dataset, shape = open_dataset(speaking), WindowShape(3, 0.12)
    windows = defaultdict(list)
    for split in dataset.splits:
        for window in evaluation_windows(dataset, split, shape, 4):
            windows[window.speaker].append(window)
    return {speaker: collate(own, 64) for speaker, own in windows.items()}


@pytest.fixture(scope="module")
def pairs(speakers: dict[str, Batch]) -> Batch:
    """Windows of one speaker."""
    return next(iter(speakers.values()))


@pytest.fixture(scope="module")
def crits(speaking: Path) -> list[STCCLLoss]:
    dataset = open_dataset(speaking)
    return [STCCLLoss(m, calibration=calibrate(m, dataset)) for m in (fresh(0), fresh(1))]


def floats(frames: torch.Tensor) -> torch.Tensor:
    return frames.float() / 127.5 - 1


def pull(crit: STCCLLoss, pairs: Batch, frames: int, located: bool, contrast: float = 1.0) -> float:
    """Mean length of the loss's gradient on aligned frames, divided by that of a mean L1."""
    sides = contrast * floats(pairs.source), contrast * floats(pairs.target), pairs.source_points
    source, target, points = (x.reshape(-1, frames, *x.shape[2:]) for x in sides)
    target = target.detach().requires_grad_()
    crit(source, target, torch.Generator().manual_seed(0), points if located else None).backward()
    assert target.grad is not None
    lengths = target.grad.flatten(1).norm(dim=1) * len(target) * target[0].numel() ** 0.5
    return lengths.log().mean().exp().item()


@pytest.mark.parametrize("located", [True, False])
@pytest.mark.parametrize("frames", [1, 3])
def test_one_weight_pulls_alike_for_two_metrics_and_all_speakers(
    crits: list[STCCLLoss], speakers: dict[str, Batch], frames: int, located: bool
) -> None:
    pulls = [pull(crit, own, frames, located) for crit in crits for own in speakers.values()]
    assert min(pulls) > 1 / 1.3 and max(pulls) < 1.3


@pytest.mark.parametrize("frames", [1, 3])
def test_a_face_of_less_contrast_is_pulled_as_hard(
    crits: list[STCCLLoss], pairs: Batch, frames: int
) -> None:
    """Tokens are compared by direction: the value is the same, and its gradient is longer."""
    bold, pale = (pull(crits[0], pairs, frames, True, contrast) for contrast in (1.0, 0.5))
    assert 1 / 1.3 < pale / bold < 1.3


def test_the_level_of_aligned_pairs_becomes_the_stated_value(pairs: Batch) -> None:
    metric = fresh(0)
    parts = weighted_parts(metric, {}, (1, 1, 1, 1))
    levels = {part.name: 0.6 for part in parts}
    real = RealPairs(itself=levels, aligned=levels, shifted=levels, slope=4.0)
    setting = setting_name(3, True, FORM)
    calibration = Calibration(split="val", windows=4, settings={setting: real})
    stretch, unit = calibration.scale(parts, setting)
    assert 1 - stretch * (1 - 0.6) == pytest.approx(ALIGNED)
    assert unit == pytest.approx(1 / 4)

    sides = floats(pairs.source), floats(pairs.target)
    options = {"source_points": pairs.source_points, "return_parts": True}
    bare = STCCLLoss(metric)(*sides, **options)
    scaled = STCCLLoss(metric, 0.3, calibration=calibration)(*sides, **options)
    assert 1 - scaled.value.item() == pytest.approx(stretch * (1 - bare.value.item()), rel=1e-3)
    assert scaled.loss.item() == pytest.approx(0.3 * unit * bare.loss.item(), rel=1e-4)


def test_a_calibration_of_an_earlier_version_is_not_used(tmp_path: Path) -> None:
    """They stored it without the name of the form, then with the gradient of the bare value."""
    metric = fresh(0)
    save_metric(tmp_path, metric)
    levels = {part.name: 0.6 for part in weighted_parts(metric, {}, (1, 1, 1, 1))}
    real = RealPairs(itself=levels, aligned=levels, shifted=levels, slope=4.0)
    setting = setting_name(3, True, FORM)
    calibration = Calibration(split="val", windows=4, settings={setting: real})
    write_calibration(tmp_path, calibration)
    assert read_calibration(tmp_path) == calibration
    write_calibration(tmp_path, replace(calibration, settings={"mouth, several frames": real}))
    assert read_calibration(tmp_path) is None
    write_calibration(tmp_path, calibration)
    card = tmp_path / CARD_FILE
    card.write_text(card.read_text().replace('"slope"', '"pull"'))
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
