"""Tiny training runs: their config, their log, and a progress that acts in the middle of one."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from stccl_data.errors import Reason
from stccl_train.config import TrainConfig, load_config
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.checkpoint import Checkpoint, load_checkpoint

#: 2 epochs of 4 steps, 2 windows of 3 frames of 48 pixels each.
MICRO = (
    "metric.size=48", "metric.frames=3", "windows.per_epoch=8", "windows.readers=2", "batch=2",
    "epochs=2", "warmup=1", "log_every=1", "save_every=3", "device=cpu", "validate_windows=1",
)  # fmt: skip


def micro(*settings: str) -> TrainConfig:
    """Return the config of a run that takes a second."""
    return load_config("tiny", settings=[*MICRO, *settings])


class AtStep:
    """A progress that does something after a step, and remembers where the run started."""

    def __init__(self, step: int = 0, act: Callable[[], object] = lambda: None) -> None:
        self._step, self._act = step, act
        self.done = self._current = 0

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.done = self._current = done

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        self._current += 1
        if self._current == self._step:
            self._act()

    def note(self, text: str) -> None:
        pass


def log_of(run: Path, section: str | None = None) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl, of all sections or one."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if section in (None, line["section"])]


def last_checkpoint(run: Path) -> Checkpoint:
    return load_checkpoint(run / "checkpoints" / "last.pt")


def assert_same_run(run: Path, other: Path) -> None:
    """Assert that two runs have the same weights and the same log, bit for bit."""
    model, other_model = last_checkpoint(run).model, last_checkpoint(other).model
    assert model.keys() == other_model.keys()
    for name in model:
        assert torch.equal(model[name], other_model[name]), name
    assert (run / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()


def gradient_problem() -> tuple[CorrelationMetric, torch.Tensor, list[torch.Generator]]:
    """A metric, four windows (4, 2, T, 3, H, W) and a generator for each."""
    torch.manual_seed(0)
    metric = CorrelationMetric(micro().metric, False)
    metric.scale.fill_(0.05)
    windows = torch.rand(4, 2, 3, 3, 48, 48) * 2 - 1
    return metric, windows, [torch.Generator().manual_seed(number) for number in range(4)]
