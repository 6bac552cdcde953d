"""What a run leaves for people: lines of metrics.jsonl, and TensorBoard events where it is installed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stccl_data.files.atomic import write_text

METRICS = "metrics.jsonl"


class Record:
    """Lines are the same for the same run, interrupted or not: nothing in them depends on the clock."""

    def __init__(self, run: Path, step: int, tensorboard: bool) -> None:
        """step: lines of later steps were written by an attempt that was cut off after its last checkpoint; they go."""
        self._path = run / METRICS
        write_text(
            self._path,
            "".join(line + "\n" for line in _lines(self._path) if json.loads(line)["step"] <= step),
        )
        self._events = _event_writer(run / "tensorboard", step) if tensorboard else None

    def write(self, step: int, epoch: int, values: Mapping[str, float], section: str) -> None:
        """A line of values; `section` (train, val) tells what of."""
        line = {
            "step": step,
            "epoch": epoch,
            "section": section,
            **{name: float(f"{v:.7g}") for name, v in values.items()},
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.show(step, values, section)

    def show(self, step: int, values: Mapping[str, float], section: str) -> None:
        """Values for TensorBoard alone, such as speed."""
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{section}/{name}", value, step)

    def close(self) -> None:
        """Write out what is held back."""
        if self._events is not None:
            self._events.close()


def _lines(path: Path) -> list[str]:
    """The lines that are whole; a kill may have left a part of one."""
    whole = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        try:
            if not isinstance(json.loads(line)["step"], int):
                continue
        except (ValueError, KeyError, TypeError):
            continue
        whole.append(line)
    return whole


def _event_writer(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
