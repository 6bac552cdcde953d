"""A metric without this package: its programs say what it says, and its card says how."""

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_train import STCCLLoss
from stccl_train.config import MetricConfig
from stccl_train.loss.scale import Scale
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import region_boxes
from stccl_train.portable.card import model_card
from stccl_train.portable.program import PortableMetric
from stccl_train.portable.write import (
    ExportedMetric,
    _without_torch_notes,
    example_inputs,
    export_metric,
)
from tests.testing.metrics import tiny_metric


def test_the_program_is_the_loss_with_its_random_numbers_given() -> None:
    metric = tiny_metric()
    metric.scale.fill_(0.05)
    frames = [torch.rand(1, 3, 3, 64, 64, generator=seeded(seed)) * 2 - 1 for seed in (1, 2)]
    points = torch.rand(1, 3, 68, 2, generator=seeded(3)) * 20 + 22
    result = STCCLLoss(metric)(*frames, seeded(0), points, return_parts=True)
    program = PortableMetric(metric, Scale())
    random = random_numbers(program, seeded(0))
    value, loss = program(*frames, random, region_boxes(points, 64)[:, 0])
    torch.testing.assert_close(value[0], result.value)
    torch.testing.assert_close(loss[0], result.loss)


@pytest.mark.filterwarnings("ignore:source_points knows no face")
@pytest.mark.parametrize("without_face", [[1], [0, 1, 2]])
def test_frames_and_mouth_of_the_card_are_those_of_the_loss(
    tmp_path: Path, without_face: list[int]
) -> None:
    metric = tiny_metric()
    metric.scale.fill_(0.05)
    program = PortableMetric(metric, Scale())
    card = functions_of_card(program, tmp_path)
    # Not square, and a little out of range.
    frames = [torch.rand(1, 3, 3, 90, 120, generator=seeded(i)) * 2.1 - 1.05 for i in (1, 2)]
    points = torch.rand(1, 3, 68, 2, generator=seeded(3)) * 30 + 40
    points[:, without_face] = torch.nan
    mouth = card["mouth_box"](points, 90, 120)
    in_square = points - torch.tensor([15.0, 0.0])
    torch.testing.assert_close(mouth, region_boxes(in_square, 90)[:, 0])

    random = random_numbers(program, seeded(0))
    value, loss = program(*(card["fit"](side) for side in frames), random, mouth)
    expected = STCCLLoss(metric)(*frames, seeded(0), points, return_parts=True)
    torch.testing.assert_close(value[0], expected.value)
    assert loss > 0


def test_a_mouth_in_pixels_is_noticed() -> None:
    program = PortableMetric(tiny_metric(), Scale())
    source, generated, random, mouth = example_inputs(program, windows=2)
    mouth[1] *= 64
    for result in program(source, generated, random, mouth):
        assert result.isfinite().tolist() == [True, False]


def random_numbers(program: PortableMetric, drawn: torch.Generator) -> torch.Tensor:
    """Return the numbers of one window of `tiny_metric` that the loss draws, in its order."""
    sides = [inner for _ in range(3) for inner in (30, 14)]  # fine maps of 3 kinds, less a border
    random = torch.cat([torch.rand(1, side**2, generator=drawn) for side in sides], dim=1)
    assert random.shape[1] == program.numbers
    return random


def functions_of_card(program: PortableMetric, run: Path) -> dict[str, Any]:
    """Return what the first program of a card defines."""
    text = model_card(run, program, {}, {"metric.pt2": 0.0, "metric.onnx": 0.0})
    names: dict[str, Any] = {}
    exec(python_blocks(text)[0], names)
    return names


def python_blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.S)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def exported(once: Callable[..., Any]) -> ExportedMetric:
    """The smallest metric there is, one layer of it exported."""

    def export(folder: Path) -> ExportedMetric:
        torch.manual_seed(0)
        config = MetricConfig(backbone="tiny", terms=("scc",), motion=False, frames=2, size=48)
        metric = CorrelationMetric(config, freeze_backbone=False)
        metric.scale.fill_(0.05)
        save_metric(folder / "run", metric)
        return export_metric(folder / "run", folder / "exported", layers=(0, 0, 1, 0))

    result: ExportedMetric = once("exported-metric", export)
    return result


@pytest.mark.slow
def test_both_programs_say_what_the_metric_says(exported: ExportedMetric) -> None:
    assert max(exported.differences.values()) < 1e-4
    assert {path.name for path in exported.folder.iterdir()} == set(exported.files)


@pytest.mark.slow
@pytest.mark.parametrize("use", ["loss", "score"])
def test_the_programs_of_the_card_run_without_this_package(
    exported: ExportedMetric, use: str
) -> None:
    functions, loss, score = python_blocks((exported.folder / "README.md").read_text())
    block = "import sys\nsys.modules['stccl_train'] = sys.modules['stccl_data'] = None\n"
    block += {"loss": functions + loss, "score": score}[use]
    block += "print(value.shape, 'stccl_train.model' in sys.modules)\n"
    if use == "loss":
        block += "assert generated.grad.abs().sum() > 0\n"
    command = [sys.executable, "-c", block]
    result = subprocess.run(
        command, cwd=exported.folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "False" in result.stdout and "2" in result.stdout


def test_a_folder_with_files_is_not_written_to(tmp_path: Path) -> None:
    save_metric(tmp_path, tiny_metric())
    result = CliRunner().invoke(stccl, ["export-metric", str(tmp_path), str(tmp_path)])
    assert result.exit_code == 2 and "not empty" in result.output


def test_an_interrupted_export_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_metric(tmp_path / "run", tiny_metric())
    folder = tmp_path / "exported"
    (folder / ".unfinished").mkdir(parents=True)  # left by a killed one
    (folder / ".unfinished" / "metric.pt2").write_bytes(b"half")

    def interrupt(*_: object) -> None:
        assert (folder / ".unfinished" / "metric.safetensors").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("stccl_train.portable.write._export", interrupt)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            export_metric(tmp_path / "run", folder)
        assert not list(folder.iterdir())


def test_only_the_note_about_torchvision_is_silenced(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    with _without_torch_notes():
        logger.warning("torchvision is not installed. Skipping %s", "torchvision::nms")
        logger.warning("Failed to register")
    assert caplog.messages == ["Failed to register"]
