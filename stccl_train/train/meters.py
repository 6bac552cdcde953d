"""What a step came to: checked, summed for the next line of metrics.jsonl, and put shortly for people."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stccl_data.errors import StcclError
from stccl_train.config import TrainConfig
from stccl_train.data.collate import Batch
from stccl_train.model.metric import MetricOutput
from stccl_train.train.checkpoint import Checkpoint
from stccl_train.train.distributed import Ranks

#: What a step saw: its batches, and what the metric made of each.
Seen = Sequence[tuple[Batch, MetricOutput]]


class TrainingError(StcclError):
    """Training cannot begin, or cannot go on. The message is a sentence that says why."""


def check(
    loss: float, norm: float, state: Checkpoint, config: TrainConfig, seen: Seen, ranks: Ranks
) -> None:
    """Raises TrainingError, with the windows, where a step's loss or gradient is no number, or the loss explodes.

    loss, norm: over all ranks, so that all of them raise together.
    """
    if state.first_loss is None:
        state.first_loss = loss
    if not math.isfinite(loss):
        what = f"the loss of step {state.step} is {loss}"
    elif not math.isfinite(norm):
        what = f"the gradient of step {state.step} has the norm {norm}"
    elif loss > config.explode * max(state.first_loss, 1e-3):
        what = f"the loss of step {state.step} is {loss:.4g}, more than {config.explode:g} times the first, {state.first_loss:.4g}"
    else:
        return
    mine, broken = [], []
    for batch, found in seen:
        for name, finite in zip(batch.names, found.windows.isfinite().tolist(), strict=True):
            mine.append(name)
            broken += [] if finite else [name]
    everywhere = ranks.gathered((mine, broken))
    blamed = [name for _, some in everywhere for name in some] or [
        name for some, _ in everywhere for name in some
    ]
    raise TrainingError(
        f"{what}. Its windows:\n  "
        + "\n  ".join(blamed)
        + "\nNothing of this step is saved. Look at these windows "
        "(`stccl preview`), or begin again with a lower lr"
    )


def add(state: Checkpoint, loss: Tensor, norm: Tensor, seen: Seen) -> None:
    """Add a step to the sums from which the next line of metrics.jsonl is made."""
    values = {"loss": loss, "norm": norm}
    for name in seen[0][1].statistics:
        values[name] = torch.stack([found.statistics[name] for _, found in seen]).mean()
    for name, value in values.items():
        before = state.sums.get(name)
        state.sums[name] = (
            value.detach() if before is None else before.to(value.device) + value.detach()
        )
    state.summed += 1


def means(state: Checkpoint, ranks: Ranks) -> dict[str, float]:
    """The means since the last line, over all ranks; the sums begin anew."""
    names = list(state.sums)
    means = ranks.sums(torch.stack([state.sums[name].double() for name in names])) / (
        state.summed * ranks.world
    )
    state.sums, state.summed = {}, 0
    return dict(zip(names, means.tolist(), strict=True))


def similarity(statistics: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean cosine of matched and of mismatched tokens over all heads, for people who watch."""
    out = {}
    for shown in ("positive", "negative"):
        values = [
            value
            for name, value in statistics.items()
            if name.count(".") == 1 and name.endswith(shown)
        ]
        if values:
            out[shown] = torch.stack(values).mean().item()
    return out
