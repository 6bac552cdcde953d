"""Nothing in a step may wait for the device: then Python cannot start work ahead of it.

A tensor made from Python numbers is such a wait on a GPU: torch fills it in the memory of the host,
copies it, and returns after the copy, which queues behind all earlier work. No GPU is needed to see
that one is made. test_gpu.py lets the driver look for waits of any kind.
"""

import traceback
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stccl_train.loss import STCCLLoss
from stccl_train.seeding import torch_generator
from tests.testing.landmarks import mouth_points
from tests.testing.metrics import tiny_metric


class PythonNumbers(TorchDispatchMode):
    """Collects the lines that make a tensor from Python numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if operation is torch.ops.aten.lift_fresh.default:
            stack = traceback.extract_stack()[:-1]
            ours = [line for line in stack if "stccl" in line.filename]
            self.lines.append(str(ours[-1]))
        return operation(*args, **(kwargs or {}))


def test_the_test_sees_a_tensor_made_from_python_numbers() -> None:
    with PythonNumbers() as seen:
        torch.arange(4)[[1, 2]] + torch.tensor([1, 2])
    assert len(seen.lines) == 2


@pytest.mark.parametrize("variant", ["vd", "cm"])
def test_a_training_step_makes_no_tensor_from_python_numbers(variant: str) -> None:
    metric = tiny_metric(variant=variant)
    frames = torch.randint(256, (2, 3, 3, 3, 64, 64), dtype=torch.uint8)
    points, places = mouth_points(3, 3), [torch_generator(0, number) for number in range(3)]
    with PythonNumbers() as seen:
        output = metric(*frames, places, points)
        output.loss.backward()
        metric.update_scale(output.disparity)
    assert seen.lines == []


def test_the_loss_makes_no_tensor_from_python_numbers() -> None:
    crit = STCCLLoss(tiny_metric(), check_range=False)
    source, generated = torch.rand(2, 3, 3, 3, 64, 80) * 2 - 1
    points = mouth_points(3, 3)
    generated.requires_grad_()
    with PythonNumbers() as seen:
        crit(source, generated, torch.Generator(), points).backward()
    assert seen.lines == []
