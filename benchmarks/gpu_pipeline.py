"""Parts of `gpu.py` that read data: the reader, a whole training, and `prepare`."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import torch
from gpu_record import ROOT, Options, Record, mean_seconds
from reader import StepLog, plan

from stccl_data.dataset import open_dataset
from stccl_data.dataset.tables import read_clips
from stccl_data.media.jpeg import decode_jpeg
from stccl_train.config import load_config
from stccl_train.data.streams import WindowStreams
from stccl_train.train.trainer import fit


def reader(options: Options, record: Record) -> None:
    """JPEG decoding on CPU threads and on the GPU, and the share of a step spent waiting."""
    assert options.data is not None
    cv2.setNumThreads(1)
    config = load_config("default")
    dataset = open_dataset(options.data)
    stream = WindowStreams(dataset, "train", config.windows, plan(dataset, config)).windows(0, 0)
    jpegs = [jpeg for _ in range(32) for jpeg in next(stream).source.jpegs]
    for threads in (1, 4, 16):
        with ThreadPoolExecutor(threads) as pool:
            seconds = mean_seconds(lambda pool=pool: list(pool.map(decode_jpeg, jpegs)), 3, "cpu")
        record.add(f"decoded by {threads} threads, images/s", len(jpegs) / seconds)
    try:
        from torchvision.io import decode_jpeg as decode

        data = [torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs]
        seconds = mean_seconds(lambda: decode(data, device=options.device), 3, options.device)
        record.add("decoded by nvjpeg, images/s", len(jpegs) / seconds)
    except Exception as error:  # whatever the build lacks, the CPU's figures stand
        record.add("decoded by nvjpeg, images/s", f"{type(error).__name__}: {error}"[:200])
    settings = ["epochs=1", "windows.per_epoch=480", "tensorboard=false"]
    if options.rehearse:
        settings = ["epochs=1", "windows.per_epoch=16", "tensorboard=false", "device=cpu"]
    log = StepLog()
    with tempfile.TemporaryDirectory() as run:
        preset = "tiny" if options.rehearse else "default"
        fit(options.data, Path(run), load_config(preset, settings=settings), log)
    settled = slice(len(log.waiting) // 2, None)  # warm, and the buffers are full
    record.add(
        "waiting for data, share of a step", sum(log.waiting[settled]) / len(log.waiting[settled])
    )
    record.add("images/s of the run", sorted(log.images[settled])[len(log.images[settled]) // 2])


def training(options: Options, record: Record) -> None:
    """Train the default preset, kill it once, resume, and evaluate it on held-out speakers."""
    assert options.data is not None
    folder = Path(tempfile.mkdtemp())
    run = folder / "run"
    settings = ["epochs=4", "windows.per_epoch=640", "save_every=50", "tensorboard=false"]
    if options.rehearse:
        settings = ["epochs=2", "windows.per_epoch=16", "save_every=1", "device=cpu"]
    command = [sys.executable, "-m", "stccl_cli", "train", options.data, str(run)]
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
    command = [sys.executable, "-m", "stccl_cli", "eval", str(run), options.data]
    command += ["--json", "--device", options.device]
    if options.rehearse:
        command += ["--utterances", "1", "--per-pair", "1", "--draws", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    record.add("seconds of evaluation", time.monotonic() - started)
    failed = result.returncode != 0
    record.add("verdict", result.stderr[-300:] if failed else json.loads(result.stdout)["verdict"])
    shutil.rmtree(folder)


def prepare(options: Options, record: Record) -> None:
    """`stccl prepare` on 1080p clips with 1, 4 and 16 workers."""
    assert options.videos is not None
    clips = sorted(Path(options.videos).rglob("*.mp4"))
    for workers in (1, 4, 16) if not options.rehearse else (1,):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "stccl_cli", "prepare", options.videos, out]
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
    return sum(row["n_frames"] or 0 for row in read_clips(out))
