"""Does the loss help a generator? Trained without pairs, measured against the right answer.

usage: python benchmarks/plugin.py DATA WORK [--raw RAW] [--only CONDITION] [--seeds 0,1,2]
           [--steps 160] [--table]

DATA is a prepared dataset; with --raw, of the demo corpus in RAW, whose renderer then draws the
right answer: the source's speech, head and blinks with the target's expression. Without it only the
lips are measured, against the source's.

A small generator gives the neutral clips of the train split the look of another emotion. A critic,
trained beside it, sees real frames of that emotion in other clips; frames brought back to neutral
have to equal the source (a cycle), and frames that have the emotion already have to stay. On top of
this, by condition: no speech loss, L1 on the pixels of the mouth, the published form of the metric,
ours. Every speech loss is weighted so that on real frames that say something else its gradient is
as large as that of the L1. The metrics are trained on the train split of DATA (`stccl train`).

WORK keeps what is done: a run that was interrupted goes on. Each generator takes a few minutes of
one core; set OMP_NUM_THREADS=1 and start several processes with --only.
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
from torch.nn import functional
from toy_generator import Critic, Generator

from stccl_data.dataset import Dataset, open_dataset
from stccl_data.files.atomic import atomic_writer, write_text
from stccl_train import STCCLLoss
from stccl_train.config import load_config
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.train.trainer import fit

SIZE = 64
CONDITIONS = ("none", "L1", "published", "ours")
#: Settings of the metrics: the published form with the backbone, size and schedule of `tiny`.
PUBLISHED = (
    "metric.backbone=tiny", "metric.size=96", "windows.per_epoch=64", "epochs=10", "batch=4",
    "lr=2.0e-3", "warmup=0.5", "tensorboard=false",
)  # fmt: skip
#: Weights of cycle, identity and L1 on the mouth; the other speech losses follow the last.
CYCLE, IDENTITY, SPEECH = 10.0, 10.0, 10.0
WINDOWS, FRAMES = 1, 7
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


class Faces:
    """The clips that a generator learns from, and how its batches are drawn."""

    def __init__(self, clips: Sequence[TalkingClip], seed: int) -> None:
        self.emotions = sorted({c.emotion for c in clips}, key=lambda e: (e != "neutral", e))
        self.neutral = [clip for clip in clips if clip.emotion == "neutral"]
        self.other = [clip for clip in clips if clip.emotion != "neutral"]
        self.random = np.random.default_rng(seed)

    def windows(self, interval: float) -> tuple[Tensor, Tensor]:
        """Draw windows of neutral clips: (B, T, 3, S, S) and points (B, T, 68, 2)."""
        frames, points = [], []
        for i in self.random.integers(len(self.neutral), size=WINDOWS):
            clip = self.neutral[i]
            windows = clip.windows(FRAMES, interval)
            window = windows[self.random.integers(len(windows))]
            frames.append(self._tint(as_tensor(clip.frames[window])))
            points.append(torch.from_numpy(clip.points[window]))
        return torch.stack(frames), torch.stack(points)

    def real(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw single frames of emotional clips: (N, 3, S, S), and the emotion of each."""
        frames, emotions = [], []
        for i in self.random.integers(len(self.other), size=count):
            clip = self.other[i]
            known = np.flatnonzero(~np.isnan(clip.points).any((1, 2)))
            frames.append(self._tint(as_tensor(clip.frames[self.random.choice(known)])))
            emotions.append(self.emotions.index(clip.emotion))
        return torch.stack(frames), torch.tensor(emotions)

    def _tint(self, frames: Tensor) -> Tensor:
        """Change the colours, (..., 3, S, S): there are few speakers to learn from."""
        gains = torch.from_numpy(self.random.uniform(0.75, 1.15, (3, 1, 1))).float()
        return ((frames + 1) * gains - 1).clamp(-1, 1)


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
    run = train_metric(condition, data, work)
    loss = STCCLLoss.from_run(run, region="face" if published else "mouth")

    def call(source: Tensor, generated: Tensor, points: Tensor) -> Tensor:
        return loss(source, generated, source_points=None if published else points)

    interval = loss.config.interval
    reference = gradient_norm(mouth_l1, faces, interval)
    return Speech(call, interval, SPEECH * reference / gradient_norm(call, faces, interval))


def gradient_norm(loss: SpeechLoss, faces: Faces, interval: float, draws: int = 8) -> float:
    """Return the mean norm of a loss's gradient on real frames that say something else."""
    norms = []
    for _ in range(draws):
        (source, points), (other, _) = faces.windows(interval), faces.windows(interval)
        other.requires_grad_(True)
        norms.append(torch.autograd.grad(loss(source, other, points), other)[0].norm().item())
    return float(np.mean(norms))


def train(faces: Faces, speech: Speech | None, steps: int, seed: int) -> Generator:
    """Train one generator."""
    torch.manual_seed(seed)
    generator, critic = Generator(len(faces.emotions)), Critic(len(faces.emotions))
    g_step = torch.optim.Adam(generator.parameters(), 1e-3, (0.5, 0.99))
    c_step = torch.optim.Adam(critic.parameters(), 2e-3, (0.5, 0.99))
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda k: min(1.0, 2 * (1 - k / steps)) + 1e-3)
        for o in (g_step, c_step)
    ]
    for step in range(steps):
        source, points = faces.windows(speech.interval if speech else 0.12)
        flat = source.flatten(0, 1)
        emotion = torch.from_numpy(faces.random.integers(1, len(faces.emotions), WINDOWS))
        emotion = emotion.repeat_interleave(FRAMES)
        generated = generator(flat, emotion)

        real, real_emotion = faces.real(len(flat))
        wrong = torch.from_numpy(faces.random.integers(0, len(faces.emotions), len(flat)))
        is_wrong = wrong != real_emotion
        scores = critic(torch.cat([real, generated.detach(), real[is_wrong]]),
                        torch.cat([real_emotion, emotion, wrong[is_wrong]]))  # fmt: skip
        good, made, mismatched = scores.split([len(flat), len(flat), int(is_wrong.sum())])
        c_loss = functional.relu(1 - good).mean() + functional.relu(1 + made).mean()
        if len(mismatched):
            c_loss = c_loss + functional.relu(1 + mismatched).mean()
        c_step.zero_grad(set_to_none=True)
        c_loss.backward()
        c_step.step()

        half = len(flat) // 2
        again = generator(
            torch.cat([generated[::2], real[:half]]),
            torch.cat([torch.zeros_like(emotion[::2]), real_emotion[:half]]),
        )
        cycle = (again[: len(flat[::2])] - flat[::2]).abs().mean()
        identity = (again[len(flat[::2]) :] - real[:half]).abs().mean()
        loss = -critic(generated, emotion).mean() + CYCLE * cycle + IDENTITY * identity
        said = torch.zeros(())
        if speech is not None:
            said = speech.loss(source, generated.unflatten(0, source.shape[:2]), points)
            loss = loss + speech.weight * said
        g_step.zero_grad(set_to_none=True)
        loss.backward()
        g_step.step()
        for schedule in schedules:
            schedule.step()
        if step % 20 == 19:
            losses = {"critic": c_loss, "cycle": cycle, "identity": identity, "speech": said}
            print(step + 1, {k: round(v.item(), 4) for k, v in losses.items()}, flush=True)
    return generator


@dataclass(frozen=True, slots=True)
class Answer:
    """What a held-out clip should become."""

    clip: TalkingClip
    emotion: str
    #: numbers of the frames that are measured
    chosen: NDArray[np.intp]
    #: the right answer, (N, S, S, 3), and its points; without a renderer those of the source
    frames: NDArray[np.uint8]
    points: NDArray[np.float64]


def answers(
    dataset: Dataset, raw: Path | None, emotions: Sequence[str], work: Path
) -> list[Answer]:
    """Draw what the neutral clips of the held-out speakers should become; WORK keeps it."""
    stored = {name: work / f"{name}.npz" for name in ("truth", "points")}
    finder = PointFinder()
    clips = [c for s in ("val", "test") for c in load_clips(dataset, s, SIZE)]
    tasks = [(c, e) for c in clips if c.emotion == "neutral" for e in emotions[1:]]
    chosen = [
        np.flatnonzero(~np.isnan(clip.points).any((1, 2)))[::MEASURED_STEP] for clip, _ in tasks
    ]
    if not stored["truth"].exists():
        frames = [c.frames if raw is None else cut(draw(raw, c, e), c) for c, e in tasks]
        save(stored["truth"], [f[i] for f, i in zip(frames, chosen, strict=True)])
    frames = load(stored["truth"])
    if not stored["points"].exists():
        save(stored["points"], [finder.find(f) for f in frames])
    points = load(stored["points"])
    return [Answer(*task, *rest) for task, *rest in zip(tasks, chosen, frames, points, strict=True)]


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
    generator: Generator | None,
    emotions: Sequence[str],
    right: Sequence[Answer],
    finder: PointFinder,
) -> tuple[list[dict[str, float]], list[NDArray[np.uint8]]]:
    """Measure a generator, or None for the source itself. Returns figures and frames by answer."""
    figures, made = [], []
    for answer in right:
        frames = answer.clip.frames[answer.chosen]
        if generator is not None:
            with torch.no_grad():
                number = torch.full((len(frames),), emotions.index(answer.emotion))
                frames = as_frames(generator(as_tensor(frames), number))
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
    faces, emotions = Faces(clips, seed), Faces(clips, seed).emotions
    generator = None
    if condition != "source":
        print(name, flush=True)
        speech = speech_loss(condition, Faces(clips, 1000 + seed), arguments.data, arguments.work)
        generator = train(faces, speech, arguments.steps, seed)
        with atomic_writer(arguments.work / f"{name}.pt") as file:
            torch.save(generator.state_dict(), file)
    right = answers(dataset, arguments.raw, emotions, arguments.work)
    figures, made = evaluate(generator, emotions, right, PointFinder())
    save(arguments.work / f"{name}.npz", made)
    write_text(result, json.dumps(figures, indent=1))
    print(name, {key: round(float(np.nanmean([f[key] for f in figures])), 3) for key in figures[0]})


def print_table(work: Path, seeds: Sequence[int]) -> None:
    """Print the mean of each figure over the seeds, and its 95 % interval (Student's t)."""
    from scipy.special import stdtrit

    rows = {}
    for condition in ("source", *CONDITIONS):
        results = [work / f"{condition}-{seed}.json" for seed in seeds]
        read = [json.loads(path.read_text()) for path in results if path.exists()]
        if read:
            rows[condition] = {
                key: [float(np.nanmean([f[key] for f in figures])) for figures in read]
                for key in read[0][0]
            }
    print("| | seeds | " + " | ".join(next(iter(rows.values()))) + " |")
    for condition, values in rows.items():
        cells = []
        for means in values.values():
            n = len(means)
            half = stdtrit(n - 1, 0.975) * np.std(means, ddof=1) / np.sqrt(n) if n > 1 else 0.0
            cells.append(f"{np.mean(means):.2f}" + (f" ± {half:.2f}" if n > 1 else ""))
        print(f"| {condition} | {len(means)} | " + " | ".join(cells) + " |")


def write_strips(work: Path, seed: int, columns: int = 10) -> None:
    """Write strips.png: for some clips the source, each condition and the right answer."""
    names = ["source-0", *(f"{c}-{seed}" for c in CONDITIONS), "truth"]
    rows = [load(work / f"{n}.npz") for n in names if (work / f"{n}.npz").exists()]
    blocks = []
    for clip in range(min(3, len(rows[0]))):
        count = len(rows[0][clip])
        shown = np.linspace(count // 5, count - count // 5, columns).round().astype(int)
        blocks += [np.concatenate(list(row[clip][shown]), axis=1) for row in rows]
        blocks.append(np.full((8, columns * SIZE, 3), 255, np.uint8))
    image = cv2.cvtColor(np.concatenate(blocks), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(work / "strips.png"), image)


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
    parser.add_argument("--steps", type=int, default=160)
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
