"""Does the loss help a U-Net beside an L1? Its L1 and its lips, with and without, over seeds.

usage: python benchmarks/renderer.py DATA RUN WORK [--raw RAW] [--weights 0,0.3] [--untrained]
           [--seeds 0,1,2] [--steps 400]

Without --raw the U-Net is that of `examples/image_renderer.py`, which draws the clips of the test
split from frames that were reduced to 24 x 24 pixels. With --raw, the demo corpus that DATA was
made of, it is that of `examples/emotion_translator.py`, which is trained on the pairs and gives
neutral clips of held-out speakers another emotion; the corpus's renderer draws the right answer. A
landmark network measures every second frame of both. --untrained adds a row: the last weight, of a
metric with fresh weights. WORK caches the results: an interrupted run resumes; start it several
times with one of --seeds, and last with all.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch
from right_answers import MEASURED_STEP, Answer, answers, measure
from seeds import Rows, differences, table
from talking_faces import PointFinder, as_frames, as_tensor, load_clips
from torch import Tensor

from stccl_data.dataset import open_dataset
from stccl_data.files.atomic import write_text
from stccl_train import STCCLLoss
from stccl_train.eval.evaluate import untrained
from stccl_train.loss.calibrate import calibrate

sys.path.append(str(Path(__file__).parents[1] / "examples"))

import emotion_translator
import image_renderer

SIZE = 96
UNTRAINED = "untrained"
#: Draws frames (N, 3, S, S) in an emotion.
Draw = Callable[[Tensor, str], Tensor]


def load_loss(run: Path, data: Path, weight: float, fresh: bool) -> STCCLLoss:
    """Load the loss, or make one of the same metric with fresh weights, calibrated alike."""
    crit = STCCLLoss.from_run(run, weight)
    if fresh:
        metric = untrained(crit.metric)
        crit = STCCLLoss(metric, weight, calibration=calibrate(metric, open_dataset(data)))
    return crit


def train(arguments: argparse.Namespace, crit: STCCLLoss, seed: int) -> Draw:
    """Train a U-Net and return what draws."""
    if arguments.raw:
        return emotion_translator.train(arguments.data, crit, arguments.steps, seed)
    model = image_renderer.train(arguments.data, crit, arguments.steps, seed)
    return lambda frames, _: model(image_renderer.poor(frames))


def right_answers(arguments: argparse.Namespace) -> Sequence[Answer]:
    """Return what should be drawn."""
    if arguments.raw:
        return answers(arguments.data, arguments.raw, arguments.work, SIZE)
    return clips_themselves(arguments.data)


@cache
def clips_themselves(data: Path) -> tuple[Answer, ...]:
    """Return the clips of the test split as what they should become."""
    clips, finder = load_clips(open_dataset(data), "test", SIZE), PointFinder()
    chosen = [clip.known_frames[::MEASURED_STEP] for clip in clips]
    return tuple(
        Answer(clip, clip, rows, clip.frames[rows], finder.find(clip.frames[rows]))
        for clip, rows in zip(clips, chosen, strict=True)
    )


@torch.no_grad()
def compare(draw: Draw, answer: Answer, finder: PointFinder) -> dict[str, float]:
    """Compare what is drawn of a clip with the right answer."""
    drawn = as_frames(draw(as_tensor(answer.clip.frames[answer.chosen]), answer.reference.emotion))
    figures = measure(drawn, answer, finder)
    kept = ("r", "opening", "lips", "brows and eyes", "mouth pixels")
    l1 = np.abs(drawn.astype(float) - answer.frames).mean() / 127.5
    return {"mean L1": float(l1), **{name: figures[name] for name in kept}}


def run(arguments: argparse.Namespace, row: str, weight: float, seed: int) -> dict[str, float]:
    """Train and measure one U-Net, unless WORK has it."""
    result: Path = arguments.work / f"{row}-{seed}.json"
    if not result.exists():
        crit = load_loss(arguments.run, arguments.data, weight, row == UNTRAINED)
        draw, finder = train(arguments, crit, seed), PointFinder()
        by_clip = [compare(draw, answer, finder) for answer in right_answers(arguments)]
        means = {k: float(np.nanmean([m[k] for m in by_clip])) for k in by_clip[0]}
        write_text(result, json.dumps(means, indent=1))
    values: dict[str, float] = json.loads(result.read_text())
    return values


def main() -> None:
    """Train, measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--weights", default="0,0.3", help="the first one is the base")
    parser.add_argument("--untrained", action="store_true")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    weights = {f"weight {weight}": float(weight) for weight in arguments.weights.split(",")}
    if arguments.untrained:
        weights[UNTRAINED] = list(weights.values())[-1]
    rows: Rows = {}
    for seed in map(int, arguments.seeds.split(",")):
        for row, weight in weights.items():
            rows.setdefault(row, {})[seed] = run(arguments, row, weight, seed)
    print("\n".join(table(rows)))
    base = next(iter(rows))
    if len(rows) > 1:
        print(f"\nminus {base}\n" + "\n".join(table(differences(rows, base))))


if __name__ == "__main__":
    main()
