"""Time a training step beside a step shaped like the published one.

usage: python benchmarks/train_step.py [--device cuda] [--backbone iresnet50] [--size 224]
           [--batch 8] [--frames 9] [--steps 20] [--padding zeros|circular] [--compile]
           [--draws 1]

Defaults: iresnet50 at 224 pixels in batches of 8 on a GPU; the tiny backbone at 96 pixels in
batches of 2 on a CPU. Each step is timed in its own process, so that its peak memory is its own.

The published shape: float32, source and target through the backbone one after the other, a
transformer over all slots of a layer (8 L spatial tokens; N T (T-1) / 2 temporal ones), and each
token compared with every other of its window. Both steps use the same backbone; `--padding
circular` times ours as it is trained without published weights. Frames are random: their content
does not matter here.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stccl_train.config import MetricConfig
from stccl_train.model.backbone import PADDINGS, make_backbone
from stccl_train.model.contrastive_loss import compare, info_nce
from stccl_train.model.metric import CorrelationMetric, as_floats
from stccl_train.model.token_kinds import CENTRES, LOCATIONS
from stccl_train.model.tokens import (
    draw_places,
    patches,
    spatial_disparity,
    temporal_disparity,
    trajectories,
    unit,
)

STEPS = (
    "ours, backbone frozen",
    "ours, backbone trained",
    "published shape, backbone frozen",
    "published shape, backbone trained",
)


@dataclass(frozen=True)
class Task:
    """What to time, on what."""

    #: One of `STEPS`.
    step: str
    device: str
    backbone: str
    #: Pixels.
    size: int
    #: Windows.
    batch: int
    #: Of a window.
    frames: int
    #: Timed steps.
    steps: int
    padding: str
    compile: bool
    #: Draws of places for one pass of the backbone; ours alone.
    draws: int = 1


@dataclass(frozen=True)
class Timing:
    """The result of timing one kind of step."""

    #: Of a step, median.
    seconds: float
    #: Memory of the GPU; on a CPU, of the process.
    peak_mb: float
    #: Floating-point operations of the model in a step.
    flop: float


class PublishedShape(nn.Module):
    """The amount and order of the published step's work, not its code."""

    def __init__(self, backbone: str, freeze: bool) -> None:
        super().__init__()
        self.freeze = freeze
        self.backbone = make_backbone(backbone, "zeros").requires_grad_(not freeze)
        self.spatial = nn.ModuleList(self._transformer(c) for c in self.backbone.channels)
        self.temporal = nn.ModuleList(self._transformer(c) for c in self.backbone.channels)

    @staticmethod
    def _transformer(channels: int) -> nn.Module:
        layer = nn.TransformerEncoderLayer(channels, 4, 2 * channels, dropout=0.0, batch_first=True)
        return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        sides = []
        for frames in (source, target):
            with torch.set_grad_enabled(not self.freeze):
                sides.append(
                    [f.unflatten(0, frames.shape[:2]) for f in self.backbone(frames.flatten(0, 1))]
                )
        total = source.new_zeros(())
        for layer, (a, b) in enumerate(zip(*sides, strict=True)):
            batch, _, _, h, w = a.shape
            centres = draw_places(batch, CENTRES[layer], h, w).to(a.device)
            locations = draw_places(batch, LOCATIONS[layer], h, w).to(a.device)
            spatial = [spatial_disparity(patches(f, centres)).values.flatten(0, 1) for f in (a, b)]
            temporal = [
                temporal_disparity(trajectories(f, locations)).values.flatten(1, 2) for f in (a, b)
            ]
            for heads, sides_of in ((self.spatial, spatial), (self.temporal, temporal)):
                z, k = (unit(heads[layer](tokens))[:, None] for tokens in sides_of)
                total = total + info_nce(compare(z, k, across_time=False), 0.07).mean()
        return total


def prepare_step(task: Task) -> tuple[Callable[[], None], float]:
    """Return a function that takes one training step, and the operations of the model in it."""
    torch.manual_seed(0)
    device = torch.device(task.device)
    on_gpu = device.type == "cuda"
    freeze = task.step.endswith("frozen")
    ours = task.step.startswith("ours")
    if ours:
        config = MetricConfig(
            backbone=task.backbone, size=task.size, frames=task.frames, padding=task.padding
        )
        model: nn.Module = CorrelationMetric(config, freeze).to(
            device, memory_format=torch.channels_last
        )
    else:
        model = PublishedShape(task.backbone, freeze).to(device)
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=on_gpu or None
    )
    shape = (2, task.batch, task.frames, 3, task.size, task.size)
    frames = torch.randint(256, shape, dtype=torch.uint8, device=device)
    if not ours:
        frames = as_floats(frames)
    generators = [torch.Generator(device) for _ in range(task.batch)]  # of the windows' places

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=ours and on_gpu):
            output = model(*frames, generators, draws=task.draws) if ours else model(*frames)
        loss = output.loss if ours else output
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    with FlopCounterMode(display=False) as counter:
        step()
    if task.compile and ours:  # counted before: the counter does not see into compiled code
        model.compile()
    return step, float(counter.get_total_flops())


def measure(task: Task) -> Timing:
    """Run one kind of step three times to warm up, then time it."""
    on_gpu = task.device.startswith("cuda")
    step, flop = prepare_step(task)

    def synchronise() -> None:
        if on_gpu:
            torch.cuda.synchronize()

    for _ in range(3):
        step()
    synchronise()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    durations = []
    for _ in range(task.steps):
        start = time.perf_counter()
        step()
        synchronise()
        durations.append(time.perf_counter() - start)
    peak = (
        torch.cuda.max_memory_allocated()
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    seconds = sorted(durations)[len(durations) // 2]
    return Timing(seconds, peak / 1e6, flop)


def matrix_rate(device: str) -> float:
    """Measure the operations per second of a large matrix product, the best a device can do.

    In bfloat16 on a GPU, in float32 on a CPU.
    """
    n = 8192 if device.startswith("cuda") else 1024
    a = torch.randn(
        n, n, device=device, dtype=torch.bfloat16 if device.startswith("cuda") else torch.float32
    )
    for _ in range(3):
        a @ a
    rounds = 20 if device.startswith("cuda") else 3
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(rounds):
        a @ a
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return 2 * n**3 * rounds / (time.perf_counter() - start)


def in_new_process(function: Callable[[Task], Timing], task: Task) -> Timing:
    """Run a function in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (task,))


def main() -> None:
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if on_gpu else "cpu")
    parser.add_argument("--backbone", default="iresnet50" if on_gpu else "tiny")
    parser.add_argument("--size", type=int, default=224 if on_gpu else 96)
    parser.add_argument("--batch", type=int, default=8 if on_gpu else 2)
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--steps", type=int, default=20 if on_gpu else 5)
    parser.add_argument("--padding", default="zeros", choices=PADDINGS)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--draws", type=int, default=1)
    options = vars(parser.parse_args())
    images = 2 * options["batch"] * options["frames"]
    rate = matrix_rate(options["device"])
    print(
        f"{options['device']}: {options['backbone']}, {options['size']} pixels, "
        f"{options['batch']} windows of {options['frames']} frames, twice; "
        f"{options['padding']} padding; torch {torch.__version__}"
    )
    print(f"a large matrix product: {rate / 1e12:.2f} TFLOP/s")
    headings = ("ms/step", "images/s", "peak MB", "GFLOP", "TFLOP/s", "of rate")
    print(f"{'':<36}" + "".join(f"{heading:>10}" for heading in headings))
    timings: dict[str, Timing] = {}
    for step in STEPS:
        timings[step] = t = in_new_process(measure, Task(step=step, **options))
        speed = t.flop / t.seconds
        print(
            f"{step:<36}{1000 * t.seconds:>10.0f}{images / t.seconds:>10.1f}{t.peak_mb:>10.0f}"
            f"{t.flop / 1e9:>10.1f}{speed / 1e12:>10.3f}{100 * speed / rate:>9.1f}%"
        )
    for state in ("frozen", "trained"):
        ours = timings[f"ours, backbone {state}"]
        published = timings[f"published shape, backbone {state}"]
        print(
            f"backbone {state}: {published.seconds / ours.seconds:.2f} times the images/s of the "
            f"published shape, {ours.peak_mb / published.peak_mb:.2f} times its peak memory"
        )


if __name__ == "__main__":
    sys.exit(main())
