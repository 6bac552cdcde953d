"""What a part of `gpu.py` may use, and where its figures go."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """What a part may use."""

    #: A prepared dataset, or None.
    data: str | None
    #: A folder of 1080p clips, or None.
    videos: str | None
    #: Receives the profiler's traces, or None.
    traces: str | None
    #: Run on the CPU with small networks.
    rehearse: bool

    @property
    def device(self) -> str:
        return "cpu" if self.rehearse else "cuda"


@dataclass
class Record:
    """The figures of one part: written to disk with each new one, so that a limit loses none."""

    path: Path
    figures: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: Any) -> None:
        self.figures[name] = value
        self.path.write_text(json.dumps(self.figures))
        print(f"  {name}: {_short(value)}", flush=True)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def mean_seconds(call: Callable[[], object], rounds: int, device: str) -> float:
    """Return the mean seconds of a call, after one to warm up."""

    def synchronise() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    call()
    synchronise()
    started = time.perf_counter()
    for _ in range(rounds):
        call()
    synchronise()
    return (time.perf_counter() - started) / rounds
