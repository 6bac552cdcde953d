"""How many decoded windows a second a worker reads, and which share of a training step is spent waiting for them.

usage: python benchmarks/reader.py OUT [--preset default|paper|tiny] [--seconds 5] [--steps 20]

OUT is a prepared dataset (`make demo` leaves one in demo/prepared). Windows are of the preset's length and size. Figures are
printed, never asserted. Beside the reader's rate stands that of decoding and resizing alone, which no reader can exceed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import torch

from stccl_data.dataset import Dataset, open_dataset
from stccl_data.errors import Reason
from stccl_train.config import TrainConfig, load_config
from stccl_train.data.collate import collate
from stccl_train.data.reader import open_reader
from stccl_train.data.reader_plan import ReaderPlan, plan_reader
from stccl_train.data.streams import WindowStreams
from stccl_train.data.windows import WindowShape
from stccl_train.train.trainer import fit

SPLIT = "train"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    dataset, config = open_dataset(asked.out), load_config(asked.preset)
    frames, size = config.metric.frames, config.metric.size
    print(
        f"{dataset}: windows of 2 x {frames} frames, {size} pixels; {len(os.sched_getaffinity(0))} cores"
    )
    print(
        f"decoding alone          {decoding(dataset, config, asked.seconds):8.1f} windows/s on one core"
    )
    for access in ("index", "stream"):
        for workers in sorted({0, 1, min(4, len(os.sched_getaffinity(0)))}):
            settings = [
                f"windows.access={access}",
                f"windows.workers={workers}",
                f"windows.readers={max(1, workers)}",
            ]
            rate, started = reading(
                dataset, load_config(asked.preset, settings=settings), asked.seconds
            )
            if started == workers:  # there are shards enough
                each = f", {rate / workers:.1f} a worker" if workers else " in the process itself"
                print(f"{access:<6} with {workers} workers   {rate:8.1f} windows/s{each}")
    waits(asked.out, asked.preset, asked.steps)


def planned(dataset: Dataset, config: TrainConfig) -> ReaderPlan:
    """How the config reads the dataset."""
    metric = config.metric
    return plan_reader(
        dataset,
        SPLIT,
        config.windows,
        shape=WindowShape(metric.frames, metric.stride),
        size=metric.size,
        batch=config.batch,
    )


def decoding(dataset: Dataset, config: TrainConfig, seconds: float) -> float:
    """Windows a second of `collate`, on windows that were read before."""
    stream = WindowStreams(dataset, SPLIT, config.windows, planned(dataset, config)).windows(0, 0)
    windows = [next(stream) for _ in range(16)]
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        collate([windows[count % len(windows)]], config.metric.size)
        count += 1
    return count / (time.perf_counter() - began)


def reading(dataset: Dataset, config: TrainConfig, seconds: float) -> tuple[float, int]:
    """Windows a second that arrive, after the first batches; and the workers that there were."""
    plan = planned(dataset, config)
    reader = open_reader(dataset, SPLIT, config.windows, plan)
    for _ in range(4):
        next(reader)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        next(reader)
        count += plan.batch
    return count / (time.perf_counter() - began), plan.workers


class Watch:
    """Adds up the share of each step that was spent waiting."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.images: list[float] = []

    def stage(self, name: str, total: int, done: int = 0) -> None: ...

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        assert values is not None
        self.shares.append(values["waiting"])
        self.images.append(values["images/s"])

    def note(self, text: str) -> None:
        print(text)


def waits(out: Path, preset: str, steps: int) -> None:
    """Train for some steps on whatever device there is."""
    batch = load_config(preset).batch
    config = load_config(
        preset, settings=["epochs=1", f"windows.per_epoch={steps * batch}", "tensorboard=false"]
    )
    watch = Watch()
    with tempfile.TemporaryDirectory() as run:
        fit(out, Path(run), config, watch)
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"the CPU ({torch.get_num_threads()} threads)"
    )
    settled = len(watch.shares) // 4  # the first steps fill the buffers
    share = sum(watch.shares[settled:]) / len(watch.shares[settled:])
    pace = sorted(watch.images)[len(watch.images) // 2]
    print(
        f"training {preset} on {device}: {100 * share:.1f} % of a step waiting, {pace:.0f} images/s"
    )


if __name__ == "__main__":
    main()
