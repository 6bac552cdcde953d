"""A metric without this package: its programs say what it says, and its card says how."""

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
from stccl_train.portable.program import PortableMetric
from stccl_train.portable.write import ExportedMetric, export_metric
from tests.testing.metrics import tiny_metric


def test_the_program_is_the_loss_with_its_random_numbers_given() -> None:
    metric = tiny_metric()
    metric.scale.fill_(0.05)
    frames = [torch.rand(1, 3, 3, 64, 64, generator=seeded(seed)) * 2 - 1 for seed in (1, 2)]
    points = torch.rand(1, 3, 68, 2, generator=seeded(3)) * 20 + 30
    result = STCCLLoss(metric)(*frames, seeded(0), points, return_parts=True)
    program, drawn = PortableMetric(metric, Scale()), seeded(0)
    sides = [inner for _ in range(3) for inner in (30, 14)]  # fine maps of 3 kinds, less a border
    random = torch.cat([torch.rand(1, side**2, generator=drawn) for side in sides], dim=1)
    assert random.shape[1] == program.numbers
    value, loss = program(*frames, random, region_boxes(points, 64)[:, 0])
    torch.testing.assert_close(value[0], result.value)
    torch.testing.assert_close(loss[0], result.loss)


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
@pytest.mark.parametrize("number", [0, 1])
def test_the_programs_of_the_card_run_without_this_package(
    exported: ExportedMetric, number: int
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (exported.folder / "README.md").read_text(), re.S)
    block = "import sys\nsys.modules['stccl_train'] = sys.modules['stccl_data'] = None\n"
    block += blocks[number] + "print(value.shape, 'stccl_train.model' in sys.modules)\n"
    if number == 0:
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
