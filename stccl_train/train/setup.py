"""What is fixed before a run starts: data, config, reading plan and processes."""

from dataclasses import dataclass
from pathlib import Path

from stccl_data.dataset import Dataset
from stccl_train.config import TrainConfig
from stccl_train.data.reader_plan import ReaderPlan, plan_reader, useful_workers
from stccl_train.data.windows import WindowShape
from stccl_train.train.distributed import Ranks
from stccl_train.train.errors import TrainingError

TRAIN, VAL = "train", "val"

#: Steps from which compilation is worth its minutes.
_LONG_RUN = 2000


@dataclass(frozen=True, slots=True)
class RunSetup:
    """Everything that is fixed before a run starts."""

    #: folder of the run
    run: Path
    dataset: Dataset
    config: TrainConfig
    #: how the train split is read
    plan: ReaderPlan
    ranks: Ranks

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch."""
        return self.plan.batches // self.config.accumulate

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.config.epochs * self.steps_per_epoch

    @property
    def step_windows(self) -> int:
        """Windows per step over all ranks."""
        return self.plan.batch * self.config.accumulate * self.plan.world


def plan_training(dataset: Dataset, config: TrainConfig, ranks: Ranks) -> ReaderPlan:
    """Plan how the train split is read.

    Raises:
        TrainingError: the dataset has no train split.
    """
    if TRAIN not in dataset.splits:
        raise TrainingError(
            f"{dataset.path}: no {TRAIN} split. Choose the speakers to train on with "
            "`stccl prepare --split`"
        )
    return plan_reader(
        dataset,
        TRAIN,
        config.windows,
        shape=WindowShape(config.metric.frames, config.metric.interval),
        size=config.metric.size,
        batch=config.batch,
        accumulate=config.accumulate,
        world=ranks.world,
        seed=config.seed,
        spare_cores=useful_workers(ranks.world, gpu=ranks.device.type == "cuda"),
    )


def setup_notes(setup: RunSetup) -> tuple[str, ...]:
    """Return what the user should know before training starts, a sentence each."""
    config, dataset = setup.config, setup.dataset
    notes = list(setup.plan.notes)
    if VAL not in dataset.splits:
        notes.append(
            f"{dataset.path}: no {VAL} split. The last metric is exported instead of the best"
        )
    if setup.ranks.device.type == "cpu" and config.metric.backbone != "tiny":
        notes.append(
            f"{config.metric.backbone} takes tens of seconds per window on a CPU; use "
            "`--preset tiny` there"
        )
    if setup.ranks.device.type == "cuda" and not config.compile and setup.steps > _LONG_RUN:
        notes.append("`--compile` takes minutes at the start; then steps are about twice as fast")
    if config.frozen and config.backbone_weights is None:
        notes.append(
            "The backbone is frozen and has no published weights: the metric is learned on random "
            "features"
        )
    return tuple(notes)
