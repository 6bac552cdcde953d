"""Prove the GPU stage on a GPU, in under eight minutes.

usage: python benchmarks/gpu.py [--data PREPARED] [--videos FOLDER] [--report gpu.json]
           [--only card,step] [--rehearse]

Each part runs in a process of its own under a time limit of its own; none stops the next, and what
a part measured before its limit is kept. PREPARED is a dataset with face crops of 224 pixels
(`make demo` leaves one in demo/prepared); VIDEOS holds 1080p clips for `prepare`. Parts whose input
is missing are skipped with the reason. `--rehearse` runs every part on the CPU with small networks,
so that a machine with a GPU is not the first to run this script; its figures mean nothing.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: Frame pairs in the published pair file, twice that many images: an epoch of the published kind.
PUBLISHED_FRAME_PAIRS = 70_303
#: Images per second in the published training log; its card is unknown.
PUBLISHED_RATE = 322
#: Of IResNet-50 at 224 pixels, forward.
IRESNET50_GMAC = 25.2
#: What the project aims at, as shares of the measured bf16 matrix rate.
TARGETS = {"trained": 0.25, "frozen": 0.35}


@dataclass(frozen=True)
class Options:
    """What a part may use."""

    #: A prepared dataset, or None.
    data: str | None
    #: A folder of 1080p clips, or None.
    videos: str | None
    #: Run on the CPU with small networks.
    rehearse: bool

    @property
    def device(self) -> str:
        return "cpu" if self.rehearse else "cuda"


@dataclass(frozen=True)
class Part:
    """A part of the proof."""

    name: str
    #: Seconds after which it is ended.
    limit: float
    run: Callable[["Options", "Record"], None]


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


def card(options: Options, record: Record) -> None:
    """The card, its driver, and what it reaches at matrix products and copies."""
    import torch
    from train_step import matrix_rate

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
    seconds = _seconds(lambda: other.copy_(big), 10, options.device)
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
    from train_step import Timing, matrix_rate, measure

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


def batches(options: Options, record: Record) -> None:
    """Images per second by windows in a batch."""
    import torch
    from train_step import measure

    for compiled in (False, True):
        for batch in (4, 16, 32, 64) if not options.rehearse else (1, 2):
            name = f"{batch} windows{', compiled' if compiled else ''}"
            task = _task("ours, backbone trained", options, batch=batch, steps=5, compile=compiled)
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
            torch.compiler.reset()


def _task(step: str, options: Options, **changes: Any) -> Any:
    from train_step import Task

    if options.rehearse:
        changes = {**changes, "compile": False, "batch": min(2, changes.get("batch", 2))}
        values = {"backbone": "tiny", "size": 64, "steps": 2}
    else:
        values = {"backbone": "iresnet50", "size": 224, "steps": 15, "batch": 8}
    shared = {"device": options.device, "frames": 9, "padding": "zeros", "compile": False}
    return Task(step=step, **{**shared, **values, **changes})


def profile(options: Options, record: Record) -> None:
    """Where the time of a compiled step with a trained backbone goes, by kind of kernel."""
    import torch
    from torch.profiler import ProfilerActivity
    from train_step import prepare_step

    run, _ = prepare_step(_task("ours, backbone trained", options, compile=True))
    for _ in range(3):
        run()
    on_gpu = options.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    synchronise = torch.cuda.synchronize if on_gpu else lambda: None
    synchronise()
    started = time.perf_counter()
    with torch.profiler.profile(activities=activities) as trace:
        for _ in range(5):
            run()
        synchronise()
    wall = (time.perf_counter() - started) / 5
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    for event in trace.key_averages():
        seconds = (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 5e6
        if on_gpu and event.device_type != torch.autograd.DeviceType.CUDA:
            continue
        kinds[_kind(event.key)] += seconds
        kernels[event.key[:90]] += seconds
    record.add("ms of a step while profiled", 1000 * wall)
    record.add("ms by kind", {kind: 1000 * s for kind, s in kinds.most_common()})
    record.add("device busy", sum(kinds.values()) / wall)
    record.add("largest, ms", {name: 1000 * s for name, s in kernels.most_common(15)})


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


def reader(options: Options, record: Record) -> None:
    """JPEG decoding on CPU threads and on the GPU, and the share of a step spent waiting."""
    from concurrent.futures import ThreadPoolExecutor

    import cv2
    from reader import StepLog

    from stccl_data.dataset import open_dataset
    from stccl_data.media.jpeg import decode_jpeg
    from stccl_train.config import load_config
    from stccl_train.data.streams import WindowStreams
    from stccl_train.train.trainer import fit

    assert options.data is not None
    cv2.setNumThreads(1)
    config = load_config("default")
    from reader import plan

    dataset = open_dataset(options.data)
    stream = WindowStreams(dataset, "train", config.windows, plan(dataset, config)).windows(0, 0)
    jpegs = [jpeg for _ in range(32) for jpeg in next(stream).source.jpegs]
    for threads in (1, 4, 16):
        with ThreadPoolExecutor(threads) as pool:
            seconds = _seconds(lambda pool=pool: list(pool.map(decode_jpeg, jpegs)), 3, "cpu")
        record.add(f"decoded by {threads} threads, images/s", len(jpegs) / seconds)
    try:
        import torch
        from torchvision.io import decode_jpeg as decode

        data = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs]
        seconds = _seconds(lambda: decode(data, device=options.device), 3, options.device)
        record.add("decoded by nvjpeg, images/s", len(jpegs) / seconds)
    except Exception as error:  # whatever the build lacks, the CPU's figures stand
        record.add("decoded by nvjpeg, images/s", f"{type(error).__name__}: {error}"[:200])
    settings = ["epochs=1", "windows.per_epoch=480", "tensorboard=false", "compile=true"]
    if options.rehearse:
        settings = ["epochs=1", "windows.per_epoch=16", "tensorboard=false", "device=cpu"]
    log = StepLog()
    with tempfile.TemporaryDirectory() as run:
        preset = "tiny" if options.rehearse else "default"
        fit(options.data, Path(run), load_config(preset, settings=settings), log)
    settled = slice(len(log.waiting) // 2, None)  # compiled, and the buffers are full
    record.add(
        "waiting for data, share of a step", sum(log.waiting[settled]) / len(log.waiting[settled])
    )
    record.add("images/s of the run", sorted(log.images[settled])[len(log.images[settled]) // 2])


def training(options: Options, record: Record) -> None:
    """Train the default preset, kill it once, resume, and evaluate it on held-out speakers."""
    assert options.data is not None
    folder = Path(tempfile.mkdtemp())
    run = folder / "run"
    settings = ["epochs=10", "windows.per_epoch=640", "save_every=50", "tensorboard=false"]
    if options.rehearse:
        settings = ["epochs=2", "windows.per_epoch=16", "save_every=1", "device=cpu"]
    command = [sys.executable, "-m", "stccl_cli.main", "train", options.data, str(run)]
    command += ["--preset", "tiny" if options.rehearse else "default"]
    command += [part for setting in settings for part in ("--set", setting)]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    checkpoint = run / "checkpoints" / "last.pt"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.2)
    time.sleep(0 if options.rehearse else 5)
    killed = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    record.add("killed after its first checkpoint", killed)
    resumed = subprocess.run([*command[:5], str(run)], cwd=ROOT)
    record.add("resumed to its end", resumed.returncode == 0)
    record.add("seconds of training", time.monotonic() - started)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["section"] == "train"]
    record.add("loss, first and last", [losses[0], losses[-1]])
    record.add("steps", lines[-1]["step"])
    started = time.monotonic()
    command = [sys.executable, "-m", "stccl_cli.main", "eval", str(run), options.data]
    command += ["--json", "--device", options.device]
    if options.rehearse:
        command += ["--utterances", "1", "--per-pair", "1", "--draws", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    record.add("seconds of evaluation", time.monotonic() - started)
    evaluation = json.loads(result.stdout)
    record.add("verdict", evaluation["verdict"])
    shutil.rmtree(folder)


def fan(options: Options, record: Record) -> None:
    """FAN's network with random weights, in batches on the device and on the CPU."""
    import torch
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
                seconds = _seconds(lambda x=x: network(x), 2 if device == "cpu" else 5, device)
                record.add(f"{device}, batches of {batch}, images/s", batch / seconds)


def prepare(options: Options, record: Record) -> None:
    """`stccl prepare` on 1080p clips with 1, 4 and 16 workers."""
    assert options.videos is not None
    clips = sorted(Path(options.videos).rglob("*.mp4"))
    for workers in (1, 4, 16) if not options.rehearse else (1,):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "stccl_cli.main", "prepare", options.videos, out]
            command += ["--workers", str(workers), "--align", "visual"]
            started = time.monotonic()
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            seconds = time.monotonic() - started
            stats = Path(out) / "stats.json"
            if not stats.exists():
                record.add(f"{workers} workers", result.stderr[-300:])
                return
            frames = _frames(Path(out))
        record.add(f"{workers} workers, frames/s", frames / seconds)
    record.add("clips", len(clips))


def _frames(out: Path) -> int:
    from stccl_data.dataset.tables import read_clips

    return sum(row["n_frames"] or 0 for row in read_clips(out))


def _seconds(call: Callable[[], object], rounds: int, device: str) -> float:
    """Return the mean seconds of a call, after one to warm up."""
    import torch

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


PARTS = (
    Part("card", 30, card),
    Part("tests", 80, tests),
    Part("step", 110, step),
    Part("profile", 40, profile),
    Part("batches", 60, batches),
    Part("reader", 40, reader),
    Part("training", 100, training),
    Part("fan", 20, fan),
    Part("prepare", 60, prepare),
)
#: Parts that need an input, and the option that gives it.
NEEDS = {"reader": "data", "training": "data", "prepare": "videos"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--report", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", default=",".join(part.name for part in PARTS))
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    options = Options(
        *(str(path.resolve()) if path else None for path in (args.data, args.videos)),
        rehearse=args.rehearse,
    )
    parts = {part.name: part for part in PARTS}
    if args.part:
        parts[args.part].run(options, Record(args.figures))
        return 0
    results: dict[str, Any] = {"options": asdict(options), "date": time.strftime("%Y-%m-%d")}
    for name in args.only.split(","):
        results[name] = run_part(parts[name], options)
        args.report.write_text(json.dumps(results, indent=1))
    print(f"{args.report}: written")
    return 0


def run_part(part: Part, options: Options) -> dict[str, Any]:
    """Run a part in its own process; return its figures and how it ended."""
    needed = NEEDS.get(part.name)
    if needed and getattr(options, needed) is None:
        print(f"{part.name}: skipped, --{needed} is missing")
        return {"outcome": f"skipped: --{needed} is missing"}
    print(f"{part.name}: {(part.run.__doc__ or '').strip()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, __file__, "--part", part.name, "--figures", str(figures)]
        command += ["--rehearse"] if options.rehearse else []
        for name in ("data", "videos"):
            if (value := getattr(options, name)) is not None:
                command += [f"--{name}", value]
        started = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": _python_path()}
        process = subprocess.Popen(command, start_new_session=True, env=environment)
        try:
            code = process.wait(part.limit * (10 if options.rehearse else 1))
            outcome = "done" if code == 0 else f"failed with exit status {code}"
        except subprocess.TimeoutExpired:
            outcome = f"ended at its limit of {part.limit:g} s"
        finally:
            _end(process)
        seconds = time.monotonic() - started
        print(f"  {outcome} after {seconds:.0f} s", flush=True)
        measured = json.loads(figures.read_text()) if figures.exists() else {}
    return {"outcome": outcome, "seconds": seconds, **measured}


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part and everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
