"""The log of a run: lines of metrics.jsonl, and TensorBoard events if it is installed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stccl_data.files.atomic import write_text

METRICS = "metrics.jsonl"


class MetricsLog:
    """Appends to the log of a run.

    Nothing in metrics.jsonl depends on the clock, so an interrupted and resumed run writes the same
    lines as an uninterrupted one.

    Args:
        run: folder of the run.
        step: step of the checkpoint that the run resumes from. Lines of later steps, which an
            attempt that was cut off wrote, are removed.
        tensorboard: whether to write TensorBoard events too.
    """

    def __init__(self, run: Path, step: int, tensorboard: bool) -> None:
        self._path = run / METRICS
        lines = [line for line in _complete_lines(self._path) if json.loads(line)["step"] <= step]
        write_text(self._path, "".join(line + "\n" for line in lines))
        self._events = _event_writer(run / "tensorboard", step) if tensorboard else None

    def write(self, step: int, epoch: int, values: Mapping[str, float], section: str) -> None:
        """Write a line, and the same values as events. `section`: train or val."""
        line = {
            "step": step,
            "epoch": epoch,
            "section": section,
            **{name: float(f"{v:.7g}") for name, v in values.items()},
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.write_events(step, values, section)

    def write_events(self, step: int, values: Mapping[str, float], section: str) -> None:
        """Write values that depend on the clock, such as speed: TensorBoard only."""
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(f"{section}/{name}", value, step)

    def close(self) -> None:
        """Flush buffered events."""
        if self._events is not None:
            self._events.close()


def _complete_lines(path: Path) -> list[str]:
    """Read the valid lines; a kill may have truncated one."""
    complete = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else []:
        try:
            if not isinstance(json.loads(line)["step"], int):
                continue
        except (ValueError, KeyError, TypeError):
            continue
        complete.append(line)
    return complete


def _event_writer(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None if tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
