"""Does a toy renderer suffer from the loss? Its L1 and its lips, with and without, over seeds.

usage: python benchmarks/renderer.py DATA RUN WORK [--weights 0,0.3] [--seeds 0,1,2] [--steps 400]

`examples/image_renderer.py` draws faces from frames that were reduced to 24 x 24 pixels. Every
second frame of the clips of the test split is drawn, and a landmark network measures the lips
beside those of the true frames. WORK caches the results: an interrupted run resumes.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from seeds import Rows, differences, table
from talking_faces import (
    PointFinder,
    TalkingClip,
    as_frames,
    correlation,
    lips_distance,
    load_clips,
    opening,
)

from stccl_data.dataset import open_dataset
from stccl_data.files.atomic import write_text

sys.path.append(str(Path(__file__).parents[1] / "examples"))

from image_renderer import UNet, poor, train

SIZE = 96
MEASURED_STEP = 2


@torch.no_grad()
def measure(model: UNet, clip: TalkingClip, finder: PointFinder) -> dict[str, float]:
    """Compare the drawn frames of a clip with the true ones."""
    true = clip.frames[::MEASURED_STEP]
    frames = torch.from_numpy(true).movedim(-1, 1) / 127.5 - 1
    drawn = model(poor(frames))
    ours, theirs = finder.find(as_frames(drawn)), finder.find(true)
    return {
        "mean L1": (drawn - frames).abs().mean().item(),
        "r": correlation(opening(ours), opening(theirs)),
        "opening, %": 100 * float(np.nanmean(np.abs(opening(ours) - opening(theirs)))),
        "lips, %": float(np.nanmean(lips_distance(ours, theirs))),
    }


def run(arguments: argparse.Namespace, weight: float, seed: int) -> dict[str, float]:
    """Train and measure one renderer, unless WORK has it."""
    result = arguments.work / f"{weight:g}-{seed}.json"
    if not result.exists():
        model, _ = train(arguments.data, arguments.run, weight, arguments.steps, seed)
        clips, finder = load_clips(open_dataset(arguments.data), "test", SIZE), PointFinder()
        by_clip = [measure(model, clip, finder) for clip in clips]
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
    parser.add_argument("--weights", default="0,0.3", help="the first one is the base")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows: Rows = {}
    for seed in map(int, arguments.seeds.split(",")):
        for weight in arguments.weights.split(","):
            name = f"weight {weight}"
            rows.setdefault(name, {})[seed] = run(arguments, float(weight), seed)
    print("\n".join(table(rows)))
    base = next(iter(rows))
    print(f"\nminus {base}\n" + "\n".join(table(differences(rows, base))))


if __name__ == "__main__":
    main()
