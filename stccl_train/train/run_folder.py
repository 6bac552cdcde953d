"""The folder of a run: its config, its lock, its checkpoints and the exported metric."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from stccl_data.dataset.layout import sentence_of
from stccl_data.files.atomic import remove_leftovers
from stccl_data.files.lock import LockedError, locked
from stccl_train.config import TrainConfig, as_values, config_from, differing, load_config
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.checkpoint import (
    FOLDER,
    Checkpoint,
    fingerprint,
    load_checkpoint,
    random_state,
    save_checkpoint,
)
from stccl_train.train.distributed import Ranks
from stccl_train.train.errors import CheckpointError, TrainingError
from stccl_train.train.setup import TRAIN, VAL, RunSetup

CONFIG = "config.yaml"


def config_of_run(run: Path, settings: Sequence[str] = ()) -> TrainConfig | None:
    """Return the config that a run was started with, changed by settings; None for a new run.

    Raises:
        ConfigError: a setting or the file is invalid.
    """
    path = run / CONFIG
    return load_config(file=path, settings=settings) if path.is_file() else None


@contextmanager
def lock_run(run: Path, ranks: Ranks) -> Iterator[None]:
    """Create and lock the folder of a run, and remove what killed writers left behind.

    Raises:
        TrainingError: another process trains this run.
    """
    if not ranks.is_main:
        yield
        return
    (run / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        with locked(run / FOLDER / "lock"):
            remove_leftovers(run)
            yield
    except LockedError as error:
        raise TrainingError(
            f"{run}: already being trained by process {error.owner}. Wait for it, or end it"
        ) from None


def load_state(setup: RunSetup) -> Checkpoint:
    """Load the last checkpoint of a run, or return the state of a new run.

    Only the number of epochs may differ from the config of the checkpoint, as long as epochs are
    left: a finished run is extended.

    Raises:
        CheckpointError: the checkpoint is corrupt, or the run was started with another config, data
            or number of processes.
    """
    run, config, plan = setup.run, setup.config, setup.plan
    readers = plan.readers * plan.world
    data = fingerprint(setup.dataset, TRAIN, VAL)
    path = run / FOLDER / "last.pt"
    if not path.exists():
        return Checkpoint(
            config=as_values(config), fingerprint=data, batch=setup.step_windows, readers=readers
        )
    state = load_checkpoint(path)
    changed = differing(config_from(state.config), config)
    if changed == ["epochs"] and setup.steps > state.step:
        state.config, state.finished = as_values(config), False
    elif changed:
        raise CheckpointError(
            f"{run}: started with other values of {', '.join(changed)}. Use the same values, or "
            "another RUN (which can start from this metric: --init)"
        )
    if state.fingerprint != data:
        raise CheckpointError(
            f"{run}: started on other data than {setup.dataset.path} holds now. Use another RUN"
        )
    if (state.batch, state.readers) != (setup.step_windows, readers) or (
        len(state.rng) != plan.world
    ):
        raise CheckpointError(
            f"{run}: started by {len(state.rng)} processes with {state.batch} windows per step "
            f"from {state.readers} readers; now {plan.world} processes, {setup.step_windows} "
            f"windows, {readers} readers. Use as many processes as before, or another RUN"
        )
    return state


def save_state(
    setup: RunSetup,
    state: Checkpoint,
    metric: CorrelationMetric,
    optimiser: torch.optim.Optimizer,
    improved: bool,
) -> None:
    """Write checkpoints/last.pt and, if this metric is the one to keep, best.pt and the metric.

    Without a validation loss every metric is kept. All ranks have to call this: each contributes
    its random state and its part of the sums.

    Args:
        setup: the run.
        state: the state; model, optimiser and random states are filled in.
        metric: the metric.
        optimiser: its optimiser.
        improved: whether the validation loss is the lowest so far.
    """
    run, ranks = setup.run, setup.ranks
    rng = ranks.gather(random_state())
    if ranks.world > 1:
        state.sums = {name: ranks.sum(value) / ranks.world for name, value in state.sums.items()}
    if not ranks.is_main:
        return
    state.model, state.optimiser, state.rng = metric.state_dict(), optimiser.state_dict(), rng
    if improved or state.best is None:
        save_metric(run, metric, _card(setup, state))
        save_checkpoint(run / FOLDER / "best.pt", state)
    save_checkpoint(run / FOLDER / "last.pt", state)


def _card(setup: RunSetup, state: Checkpoint) -> dict[str, Any]:
    """Describe what a metric was trained on, for metric.json."""
    keys = setup.dataset.keys(TRAIN)
    return {
        "step": state.step,
        "val_loss": state.best if state.best_step == state.step else None,
        "data": {
            "fingerprint": state.fingerprint,
            "corpora": sorted({key.split("/")[0] for key in keys}),
            "utterances": len(keys),
            "speakers": sorted({"/".join(key.split("/")[:2]) for key in keys}),
            "sentences": sorted({sentence_of(key) for key in keys}),
        },
        "config": as_values(setup.config),
        "torch": torch.__version__,
    }
