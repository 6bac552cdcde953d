"""The figures of a step: checked, averaged for metrics.jsonl, and summarised for the display."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stccl_train.data.collate import Batch
from stccl_train.model.metric import MetricOutput
from stccl_train.train.checkpoint import Checkpoint
from stccl_train.train.distributed import Ranks
from stccl_train.train.errors import TrainingError


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """One of the batches whose gradients make a step, and what the metric computed of it."""

    batch: Batch
    output: MetricOutput


def check_step(
    loss: float,
    norm: float,
    state: Checkpoint,
    explode: float,
    micro_batches: Sequence[MicroBatch],
    ranks: Ranks,
) -> None:
    """Stop if the loss or the gradient is not finite, or if the loss explodes.

    Args:
        loss: mean loss of the step over all ranks, so that all ranks raise together.
        norm: norm of the gradient, likewise.
        state: the run; the first loss is recorded in it.
        explode: largest loss, as a multiple of the first.
        micro_batches: of this rank.
        ranks: all ranks.

    Raises:
        TrainingError: the message names the windows that gave a loss that is not finite, or else
            all windows of the step.
    """
    if state.first_loss is None:
        state.first_loss = loss
    if not math.isfinite(loss):
        problem = f"the loss of step {state.step} is {loss}"
    elif not math.isfinite(norm):
        problem = f"the norm of the gradient of step {state.step} is {norm}"
    elif loss > explode * max(state.first_loss, 1e-3):
        problem = (
            f"the loss of step {state.step} is {loss:.4g}, more than {explode:g} times the first, "
            f"{state.first_loss:.4g}"
        )
    else:
        return
    windows = [
        (name, finite)
        for micro in micro_batches
        for name, finite in zip(
            micro.batch.names, micro.output.windows.isfinite().tolist(), strict=True
        )
    ]
    windows = [window for gathered in ranks.gather(windows) for window in gathered]
    names = [name for name, finite in windows if not finite] or [name for name, _ in windows]
    raise TrainingError(
        f"{problem}. Its windows:\n  " + "\n  ".join(names) + "\n"
        "The step is not saved. Look at these windows (`stccl preview`), or start again with a "
        "lower lr"
    )


def add_step(
    state: Checkpoint, loss: Tensor, norm: Tensor, micro_batches: Sequence[MicroBatch]
) -> None:
    """Add this rank's figures of a step to the sums for the next line of metrics.jsonl."""
    statistics = [micro.output.statistics for micro in micro_batches]
    names = ["loss", "norm", *statistics[0]]
    # One tensor: on a GPU each operation on a single figure costs as much as one on a map.
    means = torch.stack([torch.stack(list(each.values())) for each in statistics]).mean(0)
    figures = torch.cat([torch.stack([loss, norm]).detach(), means.detach()])
    if state.sums:
        figures += torch.stack([state.sums[name].to(figures.device) for name in names])
    state.sums = dict(zip(names, figures.unbind(), strict=True))
    state.summed += 1


def take_means(state: Checkpoint, ranks: Ranks) -> dict[str, float]:
    """Return the means over all ranks since the last line, and reset the sums."""
    names = list(state.sums)
    means = ranks.sum(torch.stack([state.sums[name].double() for name in names])) / (
        state.summed * ranks.world
    )
    state.sums, state.summed = {}, 0
    return dict(zip(names, means.tolist(), strict=True))


def mean_similarities(statistics: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the mean cosine of matched (`positive`) and mismatched (`negative`) tokens.

    Args:
        statistics: of a `MetricOutput`; names of the form `scc_vd.positive` are averaged, those of
            single layers (`scc_vd.1.positive`) are not.
    """
    means = {}
    for kind in ("positive", "negative"):
        values = [
            value
            for name, value in statistics.items()
            if name.count(".") == 1 and name.endswith(kind)
        ]
        if values:
            means[kind] = torch.stack(values).mean().item()
    return means
