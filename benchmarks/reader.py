"""Measure how fast windows are read and decoded, and how long a training step waits for them.

usage: python benchmarks/reader.py OUT [--preset default|paper|tiny] [--seconds 5] [--steps 20]

OUT is a prepared dataset; `make demo` leaves one in demo/prepared. Windows have the length and size
of the preset. The rate of decoding and resizing alone is the upper limit of any reader. Figures are
printed, never asserted.
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
    args = parser.parse_args()
    cv2.setNumThreads(1)
    cores = len(os.sched_getaffinity(0))
    dataset, config = open_dataset(args.out), load_config(args.preset)
    frames, size = config.metric.frames, config.metric.size
    print(f"{dataset}: windows of 2 x {frames} frames, {size} pixels; {cores} cores")
    rate = decoding_rate(dataset, config, args.seconds)
    print(f"decoding alone          {rate:8.1f} windows/s on one core")
    for access in ("index", "stream"):
        for workers in sorted({0, 1, min(4, cores)}):
            settings = [
                f"windows.access={access}",
                f"windows.workers={workers}",
                f"windows.readers={max(1, workers)}",
            ]
            config = load_config(args.preset, settings=settings)
            rate, started = reading_rate(dataset, config, args.seconds)
            if started == workers:  # enough shards for this many
                per_worker = f", {rate / workers:.1f} per worker" if workers else " in the process"
                print(f"{access:<6} with {workers} workers   {rate:8.1f} windows/s{per_worker}")
    measure_waiting(args.out, args.preset, args.steps)


def plan(dataset: Dataset, config: TrainConfig) -> ReaderPlan:
    """Plan the reader as a training with this config does."""
    metric = config.metric
    return plan_reader(
        dataset,
        SPLIT,
        config.windows,
        shape=WindowShape(metric.frames, metric.interval),
        size=metric.size,
        batch=config.batch,
    )


def decoding_rate(dataset: Dataset, config: TrainConfig, seconds: float) -> float:
    """Return the windows per second of `collate` alone, on windows already in memory."""
    stream = WindowStreams(dataset, SPLIT, config.windows, plan(dataset, config)).windows(0, 0)
    windows = [next(stream) for _ in range(16)]
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        collate([windows[count % len(windows)]], config.metric.size)
        count += 1
    return count / (time.perf_counter() - start)


def reading_rate(dataset: Dataset, config: TrainConfig, seconds: float) -> tuple[float, int]:
    """Return the windows per second of the reader, and the number of its workers."""
    reader_plan = plan(dataset, config)
    reader = open_reader(dataset, SPLIT, config.windows, reader_plan)
    for _ in range(4):  # start the workers and fill the buffers
        next(reader)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(reader)
        count += reader_plan.batch
    return count / (time.perf_counter() - start), reader_plan.workers


class StepLog:
    """A `Progress` that keeps the figures of each training step."""

    def __init__(self) -> None:
        self.waiting: list[float] = []  # share of the step
        self.images: list[float] = []  # per second

    def stage(self, name: str, total: int, done: int = 0) -> None: ...

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        assert values is not None
        self.waiting.append(values["waiting"])
        self.images.append(values["images/s"])

    def note(self, text: str) -> None:
        print(text)


def measure_waiting(out: Path, preset: str, steps: int) -> None:
    """Train for some steps on the available device, and print how long they waited for windows."""
    windows = steps * load_config(preset).batch
    settings = ["epochs=1", f"windows.per_epoch={windows}", "tensorboard=false"]
    log = StepLog()
    with tempfile.TemporaryDirectory() as run:
        fit(out, Path(run), load_config(preset, settings=settings), log)
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"the CPU ({torch.get_num_threads()} threads)"
    )
    settled = log.waiting[len(log.waiting) // 4 :]  # the first steps fill the buffers
    share = sum(settled) / len(settled)
    images = sorted(log.images)[len(log.images) // 2]
    print(
        f"training {preset} on {device}: {100 * share:.1f} % of a step waiting, "
        f"{images:.0f} images/s"
    )


if __name__ == "__main__":
    main()
