"""The folder of a run: going on from what is in it, and leaving checkpoints and the metric there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from stccl_data.dataset import Dataset
from stccl_data.files.atomic import sweep
from stccl_data.files.lock import LockedError, locked
from stccl_train.config import TrainConfig, as_values, config_from, differing, load_config
from stccl_train.data.reader_plan import ReaderPlan
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.checkpoint import (
    FOLDER,
    Checkpoint,
    CheckpointError,
    fingerprint,
    load_checkpoint,
    random_state,
    save_checkpoint,
)
from stccl_train.train.distributed import Ranks
from stccl_train.train.meters import TrainingError

TRAIN, VAL = "train", "val"
CONFIG = "config.yaml"


def config_of_run(run: Path, settings: Sequence[str] = ()) -> TrainConfig | None:
    """The config that the run was begun with, changed by settings; None where none was begun. Raises ConfigError."""
    path = run / CONFIG
    return load_config(file=path, settings=settings) if path.is_file() else None


@contextmanager
def held(run: Path, ranks: Ranks) -> Iterator[None]:
    """One run at a time works in the folder; what writers that were killed have left goes. Raises TrainingError."""
    if not ranks.first:
        yield
        return
    (run / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        with locked(run / FOLDER / "lock"):
            sweep(run)
            yield
    except LockedError as error:
        raise TrainingError(
            f"{run} is being trained by process {error.owner}; wait for it, or end it"
        ) from None


def resumed(
    run: Path, dataset: Dataset, config: TrainConfig, plan: ReaderPlan, ranks: Ranks
) -> Checkpoint:
    """The state to go on from. Raises CheckpointError where the run was of other data, or asked for something else."""
    batch, readers = plan.batch * config.accumulate * plan.world, plan.readers * plan.world
    name = fingerprint(dataset, TRAIN, VAL)
    path = run / FOLDER / "last.pt"
    if not path.exists():
        return Checkpoint(config=as_values(config), fingerprint=name, batch=batch, readers=readers)
    state = load_checkpoint(path)
    if changed := differing(config_from(state.config), config):
        raise CheckpointError(
            f"{run} was begun with other values of {', '.join(changed)}; give those again, or another RUN"
        )
    if state.fingerprint != name:
        raise CheckpointError(
            f"{run} was begun on other data than {dataset.path} holds now; give another RUN"
        )
    if (state.batch, state.readers) != (batch, readers) or len(state.rng) != ranks.world:
        raise CheckpointError(
            f"{run} was begun by {len(state.rng)} processes with {state.batch} windows a step from {state.readers} readers, "
            f"and would go on by {ranks.world} with {batch} from {readers}: start as many processes as before, or give another RUN"
        )
    return state


def save(
    run: Path,
    state: Checkpoint,
    metric: CorrelationMetric,
    optimiser: torch.optim.Optimizer,
    dataset: Dataset,
    config: TrainConfig,
    ranks: Ranks,
    better: bool,
) -> None:
    """Write checkpoints/last.pt; and where this is the best so far, or there is nothing to tell by, best.pt and the metric.

    All ranks have to call it: each has a random state, and a part of the sums.
    """
    rng = ranks.gathered(random_state())
    if ranks.world > 1:
        state.sums = {name: ranks.sums(value) / ranks.world for name, value in state.sums.items()}
    if not ranks.first:
        return
    state.model, state.optimiser, state.rng = metric.state_dict(), optimiser.state_dict(), rng
    if better or state.best is None:
        save_metric(run, metric, _card(state, dataset, config))
        save_checkpoint(run / FOLDER / "best.pt", state)
    save_checkpoint(run / FOLDER / "last.pt", state)


def _card(state: Checkpoint, dataset: Dataset, config: TrainConfig) -> dict[str, Any]:
    """Where a metric is from."""
    keys = dataset.keys(TRAIN)
    return {
        "step": state.step,
        "val_loss": state.best if state.best_step == state.step else None,
        "data": {
            "fingerprint": state.fingerprint,
            "corpora": sorted({key.split("/")[0] for key in keys}),
            "utterances": len(keys),
            "speakers": sorted({"/".join(key.split("/")[:2]) for key in keys}),
        },
        "config": as_values(config),
        "torch": torch.__version__,
    }
