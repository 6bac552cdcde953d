"""Does the loss help a generator? Trained without pairs, measured against the right answer.

usage: python benchmarks/plugin.py DATA WORK [--raw RAW] [--only CONDITIONS] [--seeds 0,1,2]
           [--steps 120] [--batch 1] [--size 64] [--channels 32] [--device cpu] [--preset tiny]
           [--set KEY=VALUE] [--loss JSON] [--answers | --unmeasured | --table]

DATA is a prepared dataset; with --raw, of the demo corpus in RAW, whose renderer then draws the
right answer: the source's speech, head and blinks with the target's expression. Without it the
source stands in for it, and only the figures of the lips mean anything.

A small generator lets a face speak: it sees a neutral window, which speaks, and one frame of the
same speaker in the wanted emotion, from any clip, and displaces and recolours the latter. It never
sees a pair. It has to keep the reference (an L1), and whatever moves its lips is, by condition:
nothing, L1 to the source's pixels at the mouth, our loss of an untrained metric, the published form
(its metric and its contrast), ours.
Every speech loss is weighted so that on real frames that say something else its gradient is as
large as that of the L1. The metrics are trained on the train split of DATA (`stccl train`).

WORK caches the results: an interrupted run resumes; other options need another WORK. --preset and
--set are those of our metric, --loss has options of `STCCLLoss`, such as '{"form": "contrast"}'.
strips.webp shows some frames. Each generator takes a minute of one idle core, with its metric two;
set OMP_NUM_THREADS=1 and start several processes with --only. For a machine without a renderer and
landmark networks, such as one with a GPU: draw the right answers with --answers, copy DATA and
WORK, train there with --unmeasured (and --device cuda), copy WORK back and measure without either.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from right_answers import (
    Answer,
    answers,
    load_frames,
    measure,
    save_frames,
)
from seeds import Rows, differences, table
from talking_faces import (
    PointFinder,
    TalkingClip,
    as_frames,
    as_tensor,
    load_clips,
)
from torch import Tensor
from toy_generator import Generator

from stccl_data.dataset import open_dataset
from stccl_data.files.atomic import write_text
from stccl_train import STCCLLoss
from stccl_train.config import load_config, value_of
from stccl_train.eval.evaluate import untrained
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.train.trainer import fit

CONDITIONS = ("none", "L1", "untrained", "published", "ours")
#: Rows of the strips, and the width of their names in pixels.
SHOWN = ("source", "none", "L1", "published", "ours", "truth")
MARGIN = 76
#: Settings of our metric that its published form shares.
SHARED = (
    "metric.backbone", "metric.size", "windows.per_epoch", "epochs", "batch", "lr", "warmup",
    "tensorboard", "seed",
)  # fmt: skip
#: Weights of the reference and of the L1 on the mouth; the other speech losses follow the last.
KEEP, SPEECH = 1.0, 3.0
FRAMES = 7

#: (source, generated, source_points) of windows, as `STCCLLoss`.
SpeechLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Speech:
    """A speech loss, and the seconds between the frames that it compares."""

    loss: SpeechLoss
    interval: float
    weight: float


def mouth_l1(source: Tensor, generated: Tensor, points: Tensor) -> Tensor:
    """Compute the mean L1 over the box of the mouth."""
    size = source.shape[-1]
    mask = box_mask(region_boxes(points, size)[:, 0], size, size, size).float()[:, None, None]
    apart = (source - generated).abs().mean(2, keepdim=True) * mask
    return apart.sum() / (mask.sum() * source.shape[1])


@dataclass(frozen=True, slots=True)
class Windows:
    """Neutral windows, and a reference of each speaker in an emotion."""

    #: (B, T, 3, S, S)
    source: Tensor
    #: (B, T, 68, 2) pixels
    points: Tensor
    #: (B, 3, S, S)
    reference: Tensor


class Faces:
    """The clips that a generator learns from, and how its windows are drawn.

    Args:
        clips: the clips.
        seed: of the draws.
        device: where frames are kept and windows made.
    """

    def __init__(self, clips: Sequence[TalkingClip], seed: int, device: torch.device) -> None:
        self.device = device
        self._clips = clips
        self._first = np.cumsum([0, *(len(clip.frames) for clip in clips)])
        self._frames = torch.from_numpy(np.concatenate([clip.frames for clip in clips])).to(device)
        self._points = torch.from_numpy(np.concatenate([clip.points for clip in clips])).to(device)
        self._neutral = [i for i, clip in enumerate(clips) if clip.emotion == "neutral"]
        self._random = np.random.default_rng(seed)

    def draw(self, interval: float, batch: int) -> Windows:
        """Draw windows, in changed colours: there are few speakers to learn from."""
        rows, references = zip(*(self._draw_rows(interval) for _ in range(batch)), strict=True)
        gains = self._random.uniform(0.75, 1.1, (batch, 3, 1, 1)).astype(np.float32)
        factors = torch.from_numpy(gains).to(self.device, non_blocking=True)
        windows = torch.from_numpy(np.stack(rows)).to(self.device, non_blocking=True)
        reference = torch.tensor(references).to(self.device, non_blocking=True)
        return Windows(
            self._read(windows, factors[:, None]),
            self._points[windows],
            self._read(reference, factors),
        )

    def _draw_rows(self, interval: float) -> tuple[NDArray[np.intp], int]:
        """Draw which frames are a window, (T,), and which one is its reference."""
        number = self._neutral[self._random.integers(len(self._neutral))]
        clip = self._clips[number]
        windows = clip.windows(FRAMES, interval)
        window = windows[self._random.integers(len(windows))]
        own = [
            i
            for i, other in enumerate(self._clips)
            if other.speaker == clip.speaker and other.emotion != "neutral"
        ]
        other = own[self._random.integers(len(own))]
        reference = self._random.choice(self._clips[other].known_frames)
        return self._first[number] + window, int(self._first[other] + reference)

    def _read(self, rows: Tensor, factors: Tensor) -> Tensor:
        frames = self._frames[rows].movedim(-1, -3).float() / 127.5
        return (frames * factors - 1).clamp(-1, 1)


def train_metric(condition: str, arguments: argparse.Namespace) -> Path:
    """Train the metric of a condition, unless WORK has it, and return its run."""
    config = load_config(arguments.preset, settings=[*arguments.set, f"device={arguments.device}"])
    if condition == "published":
        shared = [f"{key}={value_of(config, key)}" for key in (*SHARED, "device")]
        config = load_config("paper", settings=shared)
    return fit(arguments.data, arguments.work / f"metric-{condition}", config).run


def speech_loss(condition: str, faces: Faces, arguments: argparse.Namespace) -> Speech | None:
    """Return the speech loss of a condition, weighted."""
    if condition == "none":
        return None
    if condition == "L1":
        return Speech(mouth_l1, 0.12, SPEECH)
    published = condition == "published"  # its places are drawn evenly over the face
    run = train_metric("published" if published else "ours", arguments)
    region: Any = "face" if published else "mouth"
    options = {"form": "contrast", "layers": (1, 1, 1, 1)} if published else arguments.loss
    loss = STCCLLoss.from_run(run, region=region, check_range=False, **options)
    if condition == "untrained":
        loss = STCCLLoss(untrained(loss.metric), check_range=False, **options)
    loss.to(faces.device)

    def call(source: Tensor, generated: Tensor, points: Tensor) -> Tensor:
        return loss(source, generated, source_points=None if published else points)

    interval = loss.config.interval
    reference = gradient_norm(mouth_l1, faces, interval)
    return Speech(call, interval, SPEECH * reference / gradient_norm(call, faces, interval))


def gradient_norm(loss: SpeechLoss, faces: Faces, interval: float, draws: int = 6) -> float:
    """Return the mean norm of a loss's gradient on real frames that say something else."""
    norms = []
    for _ in range(draws):
        windows = faces.draw(interval, 1)
        other = faces.draw(interval, 1).source.requires_grad_()
        value = loss(windows.source, other, windows.points)
        norms.append(torch.autograd.grad(value, other)[0].norm().item())
    return float(np.mean(norms))


def train(
    faces: Faces, speech: Speech | None, arguments: argparse.Namespace, seed: int
) -> Generator:
    """Train one generator."""
    torch.manual_seed(seed)
    generator = Generator(arguments.channels).to(faces.device)
    optimiser = torch.optim.Adam(generator.parameters(), 2e-3, (0.8, 0.99))
    steps = arguments.steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, 2 * (1 - step / steps)) + 1e-3
    )
    shown = max(1, steps // 6)
    for step in range(steps):
        windows = faces.draw(speech.interval if speech else 0.12, arguments.batch)
        reference = windows.reference[:, None].expand_as(windows.source)
        generated = generator(windows.source.flatten(0, 1), reference.flatten(0, 1))
        generated = generated.unflatten(0, reference.shape[:2])
        losses = {"keep": KEEP * (generated - reference).abs().mean()}
        if speech is not None:
            said = speech.loss(windows.source, generated, windows.points)
            losses["speech"] = speech.weight * said
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        schedule.step()
        if step % shown == shown - 1:
            print(step + 1, {k: round(v.item(), 4) for k, v in losses.items()}, flush=True)
    return generator


def right_answers(arguments: argparse.Namespace) -> Sequence[Answer]:
    """Return what the neutral clips of the held-out speakers should become."""
    return answers(arguments.data, arguments.raw, arguments.work, arguments.size)


def generate(
    generator: Generator | None, right: Sequence[Answer], device: torch.device
) -> list[NDArray[np.uint8]]:
    """Return the measured frames of each answer as a generator makes them, or as they were."""
    made = []
    for answer in right:
        frames = answer.clip.frames[answer.chosen]
        if generator is not None:
            known = answer.reference.known_frames
            reference = as_tensor(answer.reference.frames[known[len(known) // 3]], device)
            with torch.no_grad():
                source = as_tensor(frames, device)
                frames = as_frames(generator(source, reference.expand_as(source)))
        made.append(frames)
    return made


def run_condition(arguments: argparse.Namespace, condition: str, seed: int) -> None:
    """Train and measure one generator, unless WORK has it."""
    name = f"{condition}-{seed}"
    made, result = (arguments.work / f"{name}.{suffix}" for suffix in ("npz", "json"))
    device = torch.device(arguments.device)
    if not made.exists():
        generator = None
        if condition != "source":
            started = time.monotonic()
            clips = load_clips(open_dataset(arguments.data), "train", arguments.size)
            speech = speech_loss(condition, Faces(clips, 1000 + seed, device), arguments)
            print(f"{name}: {time.monotonic() - started:.0f} s for its loss", flush=True)
            generator = train(Faces(clips, seed, device), speech, arguments, seed)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        save_frames(made, generate(generator, right_answers(arguments), device))
    if not (result.exists() or arguments.unmeasured):
        finder = PointFinder()
        pairs = zip(load_frames(made), right_answers(arguments), strict=True)
        figures = [measure(frames, answer, finder) for frames, answer in pairs]
        write_text(result, json.dumps(figures, indent=1))
        means = {k: round(float(np.nanmean([f[k] for f in figures])), 3) for k in figures[0]}
        print(name, means, flush=True)


def print_table(work: Path, seeds: Sequence[int]) -> None:
    """Print the means of each condition over the seeds, and how ours differs from others."""
    rows: Rows = {}
    for condition in ("source", *CONDITIONS):
        for seed in seeds:
            result = work / f"{condition}-{seed}.json"
            if result.exists():
                figures = json.loads(result.read_text())
                means = {k: float(np.nanmean([f[k] for f in figures])) for k in figures[0]}
                rows.setdefault(condition, {})[seed] = means
    print("\n".join(table(rows)))
    for base in ("L1", "untrained", "published"):
        if base in rows and "ours" in rows:
            others = {name: rows[name] for name in (base, "ours")}
            print(f"\nminus {base}\n" + "\n".join(table(differences(others, base))))


def write_strips(work: Path, seed: int, columns: int = 10) -> None:
    """Write strips.webp: of some clips the source, some conditions and the right answer."""
    files = {name: work / f"{name}-{0 if name == 'source' else seed}.npz" for name in SHOWN}
    files["truth"] = work / "truth.npz"
    rows = {name: load_frames(path) for name, path in files.items() if path.exists()}
    count = len(rows["source"])
    size = rows["source"][0].shape[1]
    blocks = []
    for clip in range(0, count, -(-count // 2)):
        frames = len(rows["source"][clip])
        shown = np.linspace(frames // 5, frames - frames // 5, columns).round().astype(int)
        for name, made in rows.items():
            label = np.full((size, MARGIN, 3), 255, np.uint8)
            where = (4, size // 2 + 4)
            cv2.putText(
                label, name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
            )
            blocks.append(np.concatenate([label, *made[clip][shown]], axis=1))
        blocks.append(np.full((8, MARGIN + columns * size, 3), 255, np.uint8))
    image = cv2.cvtColor(np.concatenate(blocks[:-1]), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(work / "strips.webp"), image, [cv2.IMWRITE_WEBP_QUALITY, 78])


def main() -> None:
    """Train, measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--only", default=",".join(CONDITIONS), help="conditions")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=1, help="windows of a step")
    parser.add_argument("--size", type=int, default=64, help="of the frames, a multiple of 16")
    parser.add_argument("--channels", type=int, default=32, help="of the generator")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", default="tiny", help="of our metric")
    parser.add_argument(
        "--loss", type=json.loads, default={}, help="options of our loss, JSON", metavar="OPTIONS"
    )
    parser.add_argument("--set", action="append", default=[], help="setting of our metric")
    stage = parser.add_mutually_exclusive_group()
    stage.add_argument("--answers", action="store_true", help="draw the right answers alone")
    stage.add_argument("--unmeasured", action="store_true", help="measure nothing")
    stage.add_argument("--table", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    conditions = arguments.only.split(",")
    if unknown := set(conditions) - set(CONDITIONS):
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}")
    seeds = [int(word) for word in arguments.seeds.split(",")]
    arguments.work.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    torch.set_float32_matmul_precision("high")
    if arguments.answers:
        right_answers(arguments)
        return
    if not arguments.table:
        run_condition(arguments, "source", 0)
        for seed in seeds:
            for condition in conditions:
                run_condition(arguments, condition, seed)
    if not arguments.unmeasured:
        print_table(arguments.work, seeds)
        write_strips(arguments.work, seeds[0])


if __name__ == "__main__":
    sys.exit(main())
