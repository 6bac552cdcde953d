"""Parts of `gpu.py` that compute: the card, its tests, a training step and its trace, FAN."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu_record import ROOT, Options, Record, mean_seconds
from torch.profiler import ProfilerActivity
from train_step import Task, Timing, matrix_rate, measure, prepare_step

from stccl_train.config import MetricConfig
from stccl_train.loss import STCCLLoss
from stccl_train.model.metric import CorrelationMetric

#: Frame pairs in the published pair file, twice that many images: an epoch of the published kind.
PUBLISHED_FRAME_PAIRS = 70_303
#: Images per second in the published training log; its card is unknown.
PUBLISHED_RATE = 322
#: What the project aims at, as shares of the measured bf16 matrix rate.
TARGETS = {"trained": 0.25, "frozen": 0.35}


def card(options: Options, record: Record) -> None:
    """The card, its driver, and what it reaches at matrix products and copies."""
    record.add("torch", torch.__version__)
    if options.device == "cuda":
        record.add("name", torch.cuda.get_device_name())
        query = [
            "nvidia-smi",
            "--query-gpu=driver_version,memory.total,power.limit",
            "--format=csv",
        ]
        record.add("driver", subprocess.run(query, capture_output=True, text=True).stdout.strip())
    rate = matrix_rate(options.device)
    record.add("matrix_tflops", rate / 1e12)
    big = torch.empty(
        1 << (24 if options.rehearse else 31), dtype=torch.uint8, device=options.device
    )
    other = torch.empty_like(big)
    seconds = mean_seconds(lambda: other.copy_(big), 10, options.device)
    record.add("copy_gb_per_s", 2 * big.numel() / seconds / 1e9)  # read and written


def tests(options: Options, record: Record) -> None:
    """The tests marked `gpu`."""
    path = record.path.with_suffix(".xml")
    command = [
        sys.executable, "-m", "pytest", "--noconftest", "-q", "-m", "gpu", "-p", "no:cacheprovider",
        f"--junitxml={path}", "tests/stccl_train/test_gpu.py",
    ]  # fmt: skip
    environment = {**os.environ, **({"STCCL_GPU_TESTS": "cpu"} if options.rehearse else {})}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    print(result.stdout[-3000:])
    lines = result.stdout.strip().splitlines()
    record.add("summary", lines[-1] if lines else result.stderr[-300:])
    record.add("passed", result.returncode == 0)


def step(options: Options, record: Record) -> None:
    """A training step, eager and compiled, beside a step shaped like the published one."""
    rate = matrix_rate(options.device)

    def show(name: str, timing: Timing, batch: int) -> None:
        share = timing.flop / timing.seconds / rate
        record.add(
            name,
            {
                "ms": 1000 * timing.seconds,
                "images_per_s": 2 * batch * 9 / timing.seconds,
                "peak_gb": timing.peak_mb / 1000,
                "share_of_matrix_rate": share,
            },
        )

    for state in ("trained", "frozen"):
        for compiled in (False, True):
            name = f"ours, backbone {state}"
            timing = measure(_task(name, options, compile=compiled))
            show(f"{name}{', compiled' if compiled else ''}", timing, 8)
        name = f"published shape, backbone {state}"
        show(name, measure(_task(name, options)), 8)
        ours, published = (
            record.figures[f"ours, backbone {state}, compiled"],
            record.figures[f"published shape, backbone {state}"],
        )
        record.add(
            f"{state}: against the published shape",
            {
                "times its images/s": ours["images_per_s"] / published["images_per_s"],
                "of its memory": ours["peak_gb"] / published["peak_gb"],
                "aimed share of matrix rate": TARGETS[state],
            },
        )
        if state == "trained":
            record.add(
                "an epoch of the published pairs, minutes",
                2 * PUBLISHED_FRAME_PAIRS / ours["images_per_s"] / 60,
            )
            record.add("times the published log", ours["images_per_s"] / PUBLISHED_RATE)
    echoed = measure(_task("ours, backbone trained", options, compile=True, draws=4))
    show("ours, backbone trained, compiled, four draws", echoed, 8)
    circular = measure(_task("ours, backbone trained", options, compile=True, padding="circular"))
    show("ours, backbone trained, compiled, circular padding", circular, 8)


def loss(options: Options, record: Record) -> None:
    """`STCCLLoss` with its gradient, eager and compiled, beside its backbone's passes alone."""
    backbone, size = ("tiny", 64) if options.rehearse else ("iresnet18", 224)
    batch, device = (1, "cpu") if options.rehearse else (8, "cuda")
    metric = CorrelationMetric(MetricConfig(backbone=backbone, size=size), freeze_backbone=False)
    crit = STCCLLoss(metric.to(device, memory_format=torch.channels_last))
    metric = crit.metric  # the loss's own, without gradients for its weights
    source, generated = torch.rand(2, batch, 9, 3, size, size, device=device) * 2 - 1
    generated.requires_grad_()

    def both() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            crit(source, generated).backward()

    def backbone_alone() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            with torch.no_grad():
                metric.features(source)
            sum(layer.float().mean() for (layer,) in metric.features(generated)).backward()

    for name in ("eager", "compiled"):
        for what, call in (("backbone alone", backbone_alone), ("loss", both)):
            record.add(f"{what}, {name}, ms", 1000 * mean_seconds(call, 10, device))
        if options.rehearse:
            break
        started = time.perf_counter()
        crit.compile()
        both()
        record.add("seconds of compilation", time.perf_counter() - started)


def batches(options: Options, record: Record) -> None:
    """Images per second by windows in a batch, eager."""
    for batch in (4, 16, 32, 64) if not options.rehearse else (1, 2):
        name = f"{batch} windows"
        task = _task("ours, backbone trained", options, batch=batch, steps=5)
        try:
            timing = measure(task)
        except torch.OutOfMemoryError:
            record.add(name, "out of memory")
            break
        record.add(
            name,
            {
                "images_per_s": 2 * batch * task.frames / timing.seconds,
                "peak_gb": timing.peak_mb / 1000,
            },
        )


def _task(step: str, options: Options, **changes: Any) -> Task:
    if options.rehearse:
        changes = {**changes, "compile": False, "batch": min(2, changes.get("batch", 2))}
        values = {"backbone": "tiny", "size": 64, "steps": 2}
    else:
        values = {"backbone": "iresnet50", "size": 224, "steps": 15, "batch": 8}
    shared = {"device": options.device, "frames": 9, "padding": "zeros", "compile": False}
    return Task(step=step, **{**shared, **values, **changes})


def profile(options: Options, record: Record) -> None:
    """Where the time of a compiled step goes, by kind of kernel."""
    for state in ("trained", "frozen"):
        run, _ = prepare_step(_task(f"ours, backbone {state}", options, compile=True))
        record.add(state, _profile(run, options, state))


def _profile(run: Callable[[], None], options: Options, name: str) -> dict[str, Any]:
    for _ in range(3):
        run()
    on_gpu = options.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    synchronise = torch.cuda.synchronize if on_gpu else lambda: None
    synchronise()
    rounds = 5
    started = time.perf_counter()
    with torch.profiler.profile(activities=activities) as trace:
        for _ in range(rounds):
            run()
        synchronise()
    wall = (time.perf_counter() - started) / rounds
    if options.traces is not None:
        folder = Path(options.traces)
        folder.mkdir(parents=True, exist_ok=True)
        trace.export_chrome_trace(str(folder / f"{name}.json.gz"))
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    calls = 0
    for event in trace.key_averages():
        seconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        on_device = event.device_type == torch.autograd.DeviceType.CUDA
        if on_gpu and (not on_device or event.is_user_annotation):
            continue
        kinds[_kind(event.key)] += seconds / rounds / 1e3
        kernels[event.key[:90]] += seconds / rounds / 1e3
        calls += event.count
    return {
        "ms of a step while profiled": 1000 * wall,
        "device busy": sum(kinds.values()) / 1000 / wall,
        "kernels in a step": calls / rounds,
        "ms by kind": dict(kinds.most_common()),
        "largest, ms": dict(kernels.most_common(25)),
    }


def _kind(kernel: str) -> str:
    name = kernel.lower()
    for kind, words in {
        "convolutions and products": ("conv", "gemm", "xmma", "cutlass", "wgrad", "dgrad", "mm_"),
        "fused by the compiler": ("triton",),
        "batch norm": ("batch_norm", "bn_", "batchnorm"),
        "copies": ("copy", "memcpy", "cat", "memset"),
        "optimiser": ("multi_tensor", "adam"),
        "reductions, softmax, sorting": ("reduce", "softmax", "sort", "topk", "scan"),
        "elementwise": ("elementwise",),
    }.items():
        if any(word in name for word in words):
            return kind
    return "other"


def fan(options: Options, record: Record) -> None:
    """FAN's network with random weights, in batches on the device and on the CPU."""
    from face_alignment.models import FAN

    network = FAN(4).eval()
    with torch.no_grad():
        for device, sizes in (
            ("cpu", (1,)),
            (options.device, (1,) if options.rehearse else (1, 16, 64)),
        ):
            network.to(device)
            for batch in sizes:
                x = torch.rand(batch, 3, 256, 256, device=device)
                seconds = mean_seconds(lambda x=x: network(x), 2 if device == "cpu" else 5, device)
                record.add(f"{device}, batches of {batch}, images/s", batch / seconds)
