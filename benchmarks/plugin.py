"""Does the loss help a generator? Trained without pairs, measured against the right answer.

usage: python benchmarks/plugin.py DATA WORK [--raw RAW] [--only CONDITION] [--seeds 0,1,2]
           [--steps 120] [--table]

DATA is a prepared dataset; with --raw, of the demo corpus in RAW, whose renderer then draws the
right answer: the source's speech, head and blinks with the target's expression. Without it only the
lips are measured, against the source's.

A small generator lets a face speak: it sees a neutral window, which speaks, and one frame of the
same speaker in the wanted emotion, from any clip, and displaces and recolours the latter. It never
sees a pair. It has to keep the reference (an L1), and whatever moves its lips is, by condition:
nothing, L1 to the source's pixels at the mouth, our metric untrained, its published form, ours.
Every speech loss is weighted so that on real frames that say something else its gradient is as
large as that of the L1. The metrics are trained on the train split of DATA (`stccl train`).

WORK caches the results: an interrupted run resumes; strips.webp shows some frames. Each generator
takes a minute of one idle core, with its metric two; set OMP_NUM_THREADS=1 and start several
processes with --only.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from seeds import Rows, differences, table
from talking_faces import (
    BROWS_EYES_68,
    PointFinder,
    TalkingClip,
    correlation,
    cut,
    distance,
    lips_distance,
    load_clips,
    opening,
)
from torch import Tensor
from toy_generator import Generator

from stccl_data.dataset import Dataset, open_dataset
from stccl_data.files.atomic import atomic_writer, write_text
from stccl_train import STCCLLoss
from stccl_train.config import load_config
from stccl_train.eval.evaluate import untrained
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.train.trainer import fit

SIZE = 64
CONDITIONS = ("none", "L1", "untrained", "published", "ours")
#: Rows of the strips, and the width of their names in pixels.
SHOWN = ("source", "none", "L1", "published", "ours", "truth")
MARGIN = 76
#: Settings of the metrics: the published form with the backbone, size and schedule of `tiny`.
PUBLISHED = (
    "metric.backbone=tiny", "metric.size=96", "windows.per_epoch=64", "epochs=10", "batch=4",
    "lr=2.0e-3", "warmup=0.5", "tensorboard=false",
)  # fmt: skip
#: Weights of the reference and of the L1 on the mouth; the other speech losses follow the last.
KEEP, SPEECH = 1.0, 3.0
FRAMES = 7
#: Every second frame of the held-out clips is measured.
MEASURED_STEP = 2

#: (source, generated, source_points) of windows, as `STCCLLoss`.
SpeechLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Speech:
    """A speech loss, and the seconds between the frames that it compares."""

    loss: SpeechLoss
    interval: float
    weight: float


def as_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """Map (..., S, S, 3) uint8 to (..., 3, S, S) in [-1, 1]."""
    return torch.from_numpy(frames).movedim(-1, -3).float() / 127.5 - 1


def as_frames(images: Tensor) -> NDArray[np.uint8]:
    """Map (N, 3, S, S) in [-1, 1] to (N, S, S, 3) uint8."""
    return ((images.detach() + 1) * 127.5).round().clamp(0, 255).byte().movedim(1, -1).numpy()


def mouth_l1(source: Tensor, generated: Tensor, points: Tensor) -> Tensor:
    """Compute the mean L1 over the box of the mouth."""
    boxes = region_boxes(points, source.shape[-1])[:, 0]
    mask = box_mask(boxes, SIZE, SIZE, SIZE).float()[:, None, None]
    apart = (source - generated).abs().mean(2, keepdim=True) * mask
    return apart.sum() / (mask.sum() * source.shape[1])


@dataclass(frozen=True, slots=True)
class Window:
    """A neutral window, and a reference of its speaker in an emotion."""

    #: (1, T, 3, S, S)
    source: Tensor
    #: (1, T, 68, 2) pixels
    points: Tensor
    #: (3, S, S)
    reference: Tensor


class Faces:
    """The clips that a generator learns from, and how its windows are drawn."""

    def __init__(self, clips: Sequence[TalkingClip], seed: int) -> None:
        self._neutral = [clip for clip in clips if clip.emotion == "neutral"]
        self._emotional = [clip for clip in clips if clip.emotion != "neutral"]
        self._random = np.random.default_rng(seed)

    def draw(self, interval: float) -> Window:
        """Draw a window, in changed colours: there are few speakers to learn from."""
        clip = self._neutral[self._random.integers(len(self._neutral))]
        windows = clip.windows(FRAMES, interval)
        window = windows[self._random.integers(len(windows))]
        gains = torch.from_numpy(self._random.uniform(0.75, 1.1, (3, 1, 1))).float()
        own = [other for other in self._emotional if other.speaker == clip.speaker]
        other = own[self._random.integers(len(own))]
        reference = other.frames[self._random.choice(known_frames(other))]
        source, reference = (
            ((as_tensor(frames) + 1) * gains - 1).clamp(-1, 1)
            for frames in (clip.frames[window], reference)
        )
        return Window(source[None], torch.from_numpy(clip.points[window])[None], reference)


def known_frames(clip: TalkingClip) -> NDArray[np.intp]:
    """Return the frames with a face."""
    return np.flatnonzero(~np.isnan(clip.points).any((1, 2)))


def train_metric(condition: str, data: Path, work: Path) -> Path:
    """Train the metric of a condition, unless WORK has it, and return its run."""
    published = condition == "published"
    config = load_config("paper", settings=PUBLISHED) if published else load_config("tiny")
    return fit(data, work / f"metric-{condition}", config).run


def speech_loss(condition: str, faces: Faces, data: Path, work: Path) -> Speech | None:
    """Return the speech loss of a condition, weighted."""
    if condition == "none":
        return None
    if condition == "L1":
        return Speech(mouth_l1, 0.12, SPEECH)
    published = condition == "published"  # its places are drawn evenly over the face
    run = train_metric("published" if published else "ours", data, work)
    loss = STCCLLoss.from_run(run, region="face" if published else "mouth")
    if condition == "untrained":
        loss = STCCLLoss(untrained(loss.metric))

    def call(source: Tensor, generated: Tensor, points: Tensor) -> Tensor:
        return loss(source, generated, source_points=None if published else points)

    interval = loss.config.interval
    reference = gradient_norm(mouth_l1, faces, interval)
    return Speech(call, interval, SPEECH * reference / gradient_norm(call, faces, interval))


def gradient_norm(loss: SpeechLoss, faces: Faces, interval: float, draws: int = 6) -> float:
    """Return the mean norm of a loss's gradient on real frames that say something else."""
    norms = []
    for _ in range(draws):
        window, other = faces.draw(interval), faces.draw(interval).source.requires_grad_()
        value = loss(window.source, other, window.points)
        norms.append(torch.autograd.grad(value, other)[0].norm().item())
    return float(np.mean(norms))


def train(faces: Faces, speech: Speech | None, steps: int, seed: int) -> Generator:
    """Train one generator."""
    torch.manual_seed(seed)
    generator = Generator()
    optimiser = torch.optim.Adam(generator.parameters(), 2e-3, (0.8, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, 2 * (1 - step / steps)) + 1e-3
    )
    for step in range(steps):
        window = faces.draw(speech.interval if speech else 0.12)
        reference = window.reference.expand_as(window.source[0])
        generated = generator(window.source[0], reference)
        losses = {"keep": KEEP * (generated - reference).abs().mean()}
        if speech is not None:
            said = speech.loss(window.source, generated[None], window.points)
            losses["speech"] = speech.weight * said
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 19:
            print(step + 1, {k: round(v.item(), 4) for k, v in losses.items()}, flush=True)
    return generator


@dataclass(frozen=True, slots=True)
class Answer:
    """What a held-out clip should become."""

    clip: TalkingClip
    #: a clip of the same speaker in the emotion, of another sentence if there is one
    reference: TalkingClip
    #: numbers of the frames that are measured
    chosen: NDArray[np.intp]
    #: the right answer, (N, S, S, 3), and its points; without a renderer those of the source
    frames: NDArray[np.uint8]
    points: NDArray[np.float64]


def answers(dataset: Dataset, raw: Path | None, work: Path) -> list[Answer]:
    """Draw what the neutral clips of the held-out speakers should become; WORK keeps it."""
    stored = {name: work / f"{name}.npz" for name in ("truth", "points")}
    finder = PointFinder()
    clips = [c for s in ("val", "test") for c in load_clips(dataset, s, SIZE)]
    tasks = [
        (clip, reference_of(clip, emotion, clips))
        for clip in clips
        if clip.emotion == "neutral"
        for emotion in sorted({c.emotion for c in clips} - {"neutral"})
    ]
    chosen = [known_frames(clip)[::MEASURED_STEP] for clip, _ in tasks]
    if not stored["truth"].exists():
        frames = [c.frames if raw is None else cut(draw(raw, c, r.emotion), c) for c, r in tasks]
        save(stored["truth"], [f[i] for f, i in zip(frames, chosen, strict=True)])
    frames = load(stored["truth"])
    if not stored["points"].exists():
        save(stored["points"], [finder.find(f) for f in frames])
    points = load(stored["points"])
    return [Answer(*task, *rest) for task, *rest in zip(tasks, chosen, frames, points, strict=True)]


def reference_of(clip: TalkingClip, emotion: str, clips: Sequence[TalkingClip]) -> TalkingClip:
    """Return a clip of the same speaker in an emotion, of another sentence if there is one."""
    own = [c for c in clips if c.speaker == clip.speaker and c.emotion == emotion]
    return min(own, key=lambda c: c.utterance == clip.utterance)


def save(path: Path, arrays: Sequence[NDArray[Any]]) -> None:
    """Write arrays in order."""
    with atomic_writer(path) as file:
        np.savez_compressed(file, **{str(i): array for i, array in enumerate(arrays)})


def load(path: Path) -> list[NDArray[Any]]:
    """Read what `save` wrote."""
    stored = np.load(path)
    return [stored[str(i)] for i in range(len(stored.files))]


def draw(raw: Path, clip: TalkingClip, emotion: str) -> NDArray[np.uint8]:
    """Draw a clip of the demo corpus with another expression."""
    from stccl_data.demo import draw_manipulated, load_corpus

    sentence = int(clip.sentence.lstrip("s"))
    return draw_manipulated(raw, load_corpus(raw).clip(clip.speaker, "neutral", sentence), emotion)


def measure(frames: NDArray[np.uint8], answer: Answer, finder: PointFinder) -> dict[str, float]:
    """Measure what was made of one clip, against the right answer."""
    points, truth = finder.find(frames), answer.points
    boxes = region_boxes(torch.from_numpy(answer.points.astype(np.float32))[None], SIZE)[0]
    mouth, eyes = (box_mask(box[None], SIZE, SIZE, SIZE)[0].numpy() for box in boxes)
    masks = {"mouth": mouth, "eye": eyes & ~mouth, "other": ~mouth & ~eyes}
    apart = np.abs(frames.astype(float) - answer.frames).mean((0, 3))
    return {
        "r": correlation(opening(points), opening(truth)),
        "opening": 100 * float(np.nanmean(np.abs(opening(points) - opening(truth)))),
        "lips": float(np.nanmean(lips_distance(points, truth))),
        "brows and eyes": float(np.nanmean(distance(points, truth, BROWS_EYES_68))),
        **{f"{name} pixels": float(apart[mask].mean()) for name, mask in masks.items()},
    }


def evaluate(
    generator: Generator | None, right: Sequence[Answer], finder: PointFinder
) -> tuple[list[dict[str, float]], list[NDArray[np.uint8]]]:
    """Measure a generator, or None for the source itself. Returns figures and frames by answer."""
    figures, made = [], []
    for answer in right:
        frames = answer.clip.frames[answer.chosen]
        if generator is not None:
            known = known_frames(answer.reference)
            reference = as_tensor(answer.reference.frames[known[len(known) // 3]])
            with torch.no_grad():
                source = as_tensor(frames)
                frames = as_frames(generator(source, reference.expand_as(source)))
        made.append(frames)
        figures.append(measure(frames, answer, finder))
    return figures, made


def run_condition(arguments: argparse.Namespace, condition: str, seed: int) -> None:
    """Train and measure one generator, unless WORK has it."""
    name = f"{condition}-{seed}"
    result = arguments.work / f"{name}.json"
    if result.exists():
        return
    dataset = open_dataset(arguments.data)
    clips = load_clips(dataset, "train", SIZE)
    generator = None
    if condition != "source":
        print(name, flush=True)
        speech = speech_loss(condition, Faces(clips, 1000 + seed), arguments.data, arguments.work)
        generator = train(Faces(clips, seed), speech, arguments.steps, seed)
        with atomic_writer(arguments.work / f"{name}.pt") as file:
            torch.save(generator.state_dict(), file)
    right = answers(dataset, arguments.raw, arguments.work)
    figures, made = evaluate(generator, right, PointFinder())
    save(arguments.work / f"{name}.npz", made)
    write_text(result, json.dumps(figures, indent=1))
    print(name, {key: round(float(np.nanmean([f[key] for f in figures])), 3) for key in figures[0]})


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
    rows = {name: load(path) for name, path in files.items() if path.exists()}
    count = len(rows["source"])
    blocks = []
    for clip in range(0, count, -(-count // 2)):
        frames = len(rows["source"][clip])
        shown = np.linspace(frames // 5, frames - frames // 5, columns).round().astype(int)
        for name, made in rows.items():
            label = np.full((SIZE, MARGIN, 3), 255, np.uint8)
            where = (4, SIZE // 2 + 4)
            cv2.putText(
                label, name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
            )
            blocks.append(np.concatenate([label, *made[clip][shown]], axis=1))
        blocks.append(np.full((8, MARGIN + columns * SIZE, 3), 255, np.uint8))
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
    parser.add_argument("--only", choices=CONDITIONS)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--table", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    seeds = [int(word) for word in arguments.seeds.split(",")]
    cv2.setNumThreads(1)
    if not arguments.table:
        run_condition(arguments, "source", 0)
        for seed in seeds:
            for condition in CONDITIONS:
                if arguments.only in (None, condition):
                    run_condition(arguments, condition, seed)
    print_table(arguments.work, seeds)
    write_strips(arguments.work, seeds[0])


if __name__ == "__main__":
    sys.exit(main())
