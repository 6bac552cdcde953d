"""What does minimising the loss do? Gradient descent on frames that say something else.

usage: python benchmarks/descend.py RUN DATA [--other RUN2] [--windows 4] [--steps 50]
           [--only NAME] [--strip FILE.png]

Windows of the test split of DATA: the source speaks without emotion; the start is the right emotion
at a wrong time (0.4 s later), or its first frame all the time. Descent changes the start, by smooth
warps (12 x 12 displacements a frame) or by its pixels, until the loss between source and start is
low. A landmark network then measures, at the start and at the end,

- r, the correlation of the lips' opening with the source's, over all frames,
- the error of brows and eyes: their distance from the right emotion's frames at the right time, in
  % of the distance of the eye corners. What a loss of speech should not touch.

--other gives the loss of a metric that took no part.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from talking_faces import (
    BROWS_EYES_68,
    PointFinder,
    as_frames,
    correlation,
    distance,
    opening,
)
from torch import Tensor
from torch.nn import functional

from stccl_data.dataset import open_dataset
from stccl_train import STCCLLoss
from stccl_train.data.collate import collate
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.windows import WindowShape
from stccl_train.eval.evaluate import untrained
from stccl_train.loss.windows import LossWindows
from stccl_train.model.metric import as_floats
from stccl_train.seeding import torch_generator

#: Seconds by which the start is late.
LATE = 0.4
#: Displacements of a warp along each side; the largest change in a step, as a share of half a frame
#: and of half the range of colours.
KNOTS, WARP_STEP, PIXEL_STEP = 12, 4e-3, 4e-2


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the table."""

    name: str
    #: of the loss
    options: dict[str, Any] = field(default_factory=dict)
    warps: bool = True
    still: bool = False
    trained: bool = True
    #: compare frames one by one
    single: bool = False
    #: all pixels are pulled at by the tokens of the mouth
    everywhere: bool = False


CONDITIONS = (
    Condition("late, warps"),
    Condition("late, warps, all pixels are pulled", everywhere=True),
    Condition("late, warps, whole face pulls", {"region": "face"}),
    Condition("late, warps, tokens of motion alone", {"terms": {"scc_vd": 0.0}}),
    Condition("late, warps, margin 0.3", {"margin": 0.3}),
    Condition("late, warps, untrained", trained=False),
    Condition("late, warps, T = 1", single=True),
    Condition("late, pixels", warps=False),
    Condition("still, warps", still=True),
    Condition("still, warps, untrained", still=True, trained=False),
)


@dataclass(frozen=True, slots=True)
class Windows:
    """(B, T, 3, S, S) in [-1, 1] each, and (B, T, 68, 2) pixels of the source."""

    source: Tensor
    #: the right emotion at the right time
    right: Tensor
    #: and later
    late: Tensor
    points: Tensor


def read_windows(data: Path, metric: Any, count: int) -> Windows:
    """Read windows spread over the pairs of the test split."""
    shape = WindowShape(metric.config.frames, metric.config.interval)
    dataset = open_dataset(data)
    sides = []
    for shift in (0.0, LATE):
        windows = list(evaluation_windows(dataset, "test", shape, 1, shift=shift, margin=LATE))
        chosen = np.linspace(0, len(windows) - 1, count).round().astype(int)
        sides.append(collate([windows[i] for i in chosen], metric.config.size))
    aligned, late = sides
    floats = map(as_floats, (aligned.source, aligned.target, late.target))
    return Windows(*floats, aligned.source_points)


def parametrise(start: Tensor, warps: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return what is descended on, zero at first, and the frames that it gives."""
    flat = start.flatten(0, 1)
    if not warps:
        return torch.zeros_like(start).requires_grad_(), lambda x: (start + x).clamp(-1, 1)
    unmoved = torch.eye(2, 3).expand(len(flat), -1, -1)
    grid = functional.affine_grid(unmoved, list(flat.shape), align_corners=False)

    def warp(knots: Tensor) -> Tensor:
        flow = functional.interpolate(knots, flat.shape[-2:], mode="bicubic", align_corners=False)
        moved = functional.grid_sample(
            flat, grid + flow.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
        return moved.unflatten(0, start.shape[:2])

    return torch.zeros(len(flat), 2, KNOTS, KNOTS, requires_grad=True), warp


def descend(crit: STCCLLoss, windows: Windows, condition: Condition, steps: int) -> Tensor:
    """Return the frames at the end."""
    start = windows.late[:, :1].expand_as(windows.late) if condition.still else windows.late
    source, points = windows.source, windows.points
    x, frames = parametrise(start, condition.warps)
    size = WARP_STEP if condition.warps else PIXEL_STEP
    pace = torch.zeros_like(x)
    for step in range(steps):
        sides = [source, frames(x), points]
        if condition.single:
            sides = [side.flatten(0, 1)[:, None] for side in sides]
        loss = crit(sides[0], sides[1], torch_generator(0, step), sides[2])
        # Not Adam, which moves what has hardly any gradient as fast as the rest.
        (gradient,) = torch.autograd.grad(loss, x)
        pace = 0.8 * pace + 0.2 * gradient
        x = (x - size * pace / pace.abs().amax()).detach().requires_grad_()
    return frames(x).detach()


def _as_they_are(windows: LossWindows) -> LossWindows:
    return windows


def value(crit: STCCLLoss, windows: Windows, frames: Tensor) -> float:
    """Return the value of the loss, at the same places for all frames."""
    places = torch_generator(1, 0)
    with torch.no_grad():
        return float(crit(windows.source, frames, places, windows.points, return_parts=True).value)


def rows(arguments: argparse.Namespace, strips: list[NDArray[np.uint8]]) -> Iterator[str]:
    """Descend under each condition, and yield a row of the table."""
    crit = STCCLLoss.from_run(arguments.run)
    other = STCCLLoss.from_run(arguments.other) if arguments.other else None
    windows = read_windows(arguments.data, crit.metric, arguments.windows)
    finder = PointFinder()
    source, right = (finder.find(as_frames(x)) for x in (windows.source, windows.right))

    def measure(frames: Tensor) -> tuple[float, float]:
        points = finder.find(as_frames(frames))
        r = correlation(opening(points), opening(source))
        return r, float(np.nanmean(distance(points, right, BROWS_EYES_68)))

    strips += [as_frames(x)[: crit.config.frames] for x in (windows.source, windows.right)]
    for name, frames in (("the source itself", windows.source), ("right", windows.right)):
        r, error = measure(frames)
        yield f"| {name} | {value(crit, windows, frames):.2f} | {r:.2f} | {error:.2f} | |"
    for condition in CONDITIONS:
        if arguments.only not in (None, condition.name):
            continue
        metric = crit.metric if condition.trained else untrained(crit.metric, 0)
        loss = STCCLLoss(metric, **condition.options)
        unheld = patch.object(LossWindows, "hold_rest", _as_they_are)
        with unheld if condition.everywhere else nullcontext():
            end = descend(loss, windows, condition, arguments.steps)
        start = windows.late[:, :1].expand_as(windows.late) if condition.still else windows.late
        (r0, e0), (r1, e1) = measure(start), measure(end)
        cells = [f"{value(crit, windows, x):.2f}" for x in (start, end)]
        carried = [f"{value(other, windows, x):.2f}" for x in (start, end)] if other else []
        strips += [as_frames(x)[: crit.config.frames] for x in (start, end)]
        yield (
            f"| {condition.name} | {' -> '.join(cells)} | {r0:.2f} -> {r1:.2f} | "
            f"{e0:.2f} -> {e1:.2f} | {' -> '.join(carried)} |"
        )


def main() -> None:
    """Print the table and write the strip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", help="the row of this name")
    parser.add_argument("--strip", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print("| start, descent on | loss | r | brows and eyes, % | loss of the other metric |")
    print("|---|---|---|---|---|")
    strips: list[NDArray[np.uint8]] = []
    for row in rows(arguments, strips):
        print(row, flush=True)
    if arguments.strip:
        image = np.concatenate([np.concatenate(list(strip), axis=1) for strip in strips])
        cv2.imwrite(str(arguments.strip), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
