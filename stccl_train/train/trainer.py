"""Training: windows in, optimiser steps, and the best metric exported.

`fit` is a whole run. On several GPUs each process calls it:
`torchrun --nproc-per-node 8 --no-python stccl train OUT RUN`. What is drawn depends on the seed and
on the number of the batch only, so a run that was interrupted and resumed equals an uninterrupted
one, on a CPU bit for bit.
"""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from stccl_data.dataset import open_dataset
from stccl_data.errors import UsageError
from stccl_data.files.atomic import write_text
from stccl_data.progress import Progress, SilentProgress
from stccl_train.config import TrainConfig, as_yaml, config_from, load_config
from stccl_train.data.reader import open_reader
from stccl_train.loss.calibrate import calibrate_run
from stccl_train.model.backbone import load_weights
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.threads import threads
from stccl_train.train.checkpoint import Checkpoint, restore_random_state
from stccl_train.train.distributed import Ranks, average_gradients, open_ranks
from stccl_train.train.errors import TrainingError
from stccl_train.train.forward import forward
from stccl_train.train.interrupt import StopRequest, catch_stop_signals
from stccl_train.train.meters import (
    MicroBatch,
    add_step,
    check_step,
    mean_similarities,
    take_means,
)
from stccl_train.train.metrics_log import MetricsLog
from stccl_train.train.optimiser import create_optimiser, learning_rate
from stccl_train.train.run_folder import (
    CONFIG,
    config_of_run,
    load_state,
    lock_run,
    save_state,
)
from stccl_train.train.setup import TRAIN, VAL, RunSetup, plan_training, setup_notes
from stccl_train.train.validation import validate


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The outcome of a run."""

    #: folder of the run
    run: Path
    #: steps of the whole run
    steps: int
    #: steps made by this call
    made: int
    #: seconds this call took
    seconds: float
    #: mean training loss in the last line of metrics.jsonl; None if nothing was left to do
    loss: float | None
    #: lowest validation loss, and the step it was measured after; None without a val split
    best: float | None
    best_step: int | None
    #: sentences for the user
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepResult:
    """The outcome of one optimiser step; speed and similarities are this rank's."""

    #: mean over all ranks
    loss: float
    #: mean cosine of matched (positive) and mismatched (negative) tokens in the last batch
    similarities: dict[str, float]
    #: images/s, and `waiting`, the share of the step spent waiting for data
    speed: dict[str, float]
    #: whether a rank received a signal to stop
    stop: bool


def fit(
    out: str | Path,
    run: str | Path,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a metric on a prepared dataset; resume if the run has a checkpoint.

    Leaves in `run`: config.yaml, metrics.jsonl, checkpoints/last.pt and best.pt, and the metric as
    metric.safetensors and metric.json. SIGINT and SIGTERM end training after the current step,
    which is saved, with a KeyboardInterrupt.

    Args:
        out: folder of the dataset.
        run: folder of the run.
        config: None takes the config of the run or, for a new run, the default preset.
        progress: shows the steps; only the first rank's is used. The values of a step are epoch,
            loss, positive, negative (mean cosines), images/s and waiting (share of the step).

    Raises:
        TrainingError: the run is inside the dataset or locked, there is no train split, or the loss
            is not finite or explodes.
        CheckpointError: the checkpoint is corrupt, or does not fit config, data or processes.
        ShardError: a shard is corrupt, or no window can be drawn.
        UsageError: the config or the device is invalid, or `init` has another form.
        MetricError: `init` holds no usable metric.
        OSError: `run` cannot be written.
        KeyboardInterrupt: stopped by a signal.
    """
    run, dataset = Path(run), open_dataset(out)
    if run.resolve().is_relative_to(dataset.path.resolve()):
        raise TrainingError(
            f"{run}: inside the dataset {dataset.path}, which training only reads. Use another "
            "folder for the run"
        )
    config = config or config_of_run(run) or load_config()
    with (
        open_ranks(config.device) as ranks,
        threads(config.threads, config.metric.backbone, ranks.device),
        catch_stop_signals() as stop,
    ):
        setup = RunSetup(run, dataset, config, plan_training(dataset, config, ranks), ranks)
        metric = _create_metric(config, ranks.device)
        with lock_run(run, ranks):
            state = load_state(setup)
            if state.finished:
                return TrainingResult(
                    run, setup.steps, 0, 0.0, None, state.best, state.best_step, ()
                )
            trainer = Trainer(setup, metric, state, stop)
            shown = progress if progress and ranks.is_main else SilentProgress()
            result = trainer.train(shown)
            if ranks.is_main:
                calibrate_run(run, dataset, ranks.device)
            return result


class Trainer:
    """Trains the metric of one run. All ranks call the same methods in the same order.

    Args:
        setup: the run.
        metric: with fresh weights, on the rank's device.
        state: from `load_state`. If it has no steps yet, the weights that the run starts from are
            loaded.
        stop: ends training after the current step when set.
    """

    def __init__(
        self, setup: RunSetup, metric: CorrelationMetric, state: Checkpoint, stop: StopRequest
    ) -> None:
        self.setup, self.metric, self.state = setup, metric, state
        self._stop = stop
        config, ranks = setup.config, setup.ranks
        self._optimiser = create_optimiser(metric, config, ranks.device)
        if state.step:
            metric.load_state_dict(state.model)
            self._optimiser.load_state_dict(state.optimiser)
            restore_random_state(state.rng[ranks.rank])
        else:
            if config.backbone_weights is not None:
                load_weights(metric.backbone, config.backbone_weights)
            if config.init is not None:
                _start_from(metric, config.init)
        if ranks.is_main:
            write_text(setup.run / CONFIG, as_yaml(config_from(state.config)))
        self._log = MetricsLog(setup.run, state.step, config.tensorboard) if ranks.is_main else None
        self._model = _wrap(metric, config, ranks)
        self._reader = open_reader(
            setup.dataset,
            TRAIN,
            config.windows,
            setup.plan,
            ranks.rank,
            start=state.step * config.accumulate,
            pin=ranks.device.type == "cuda",
        )
        self._logged_loss: float | None = None
        self._step_began = time.monotonic()

    @property
    def _epoch(self) -> int:
        """The current epoch, from 1."""
        return -(-self.state.step // self.setup.steps_per_epoch)

    @property
    def _ends_epoch(self) -> bool:
        return self.state.step % self.setup.steps_per_epoch == 0

    def train(self, progress: Progress) -> TrainingResult:
        """Take all remaining steps; log, validate and save when due.

        Raises:
            TrainingError: the loss or the gradient is not finite, or the loss explodes.
            KeyboardInterrupt: a stop was requested; the last step is saved.
        """
        setup, state = self.setup, self.state
        notes = setup_notes(setup)
        for note in notes:
            progress.note(note)
        first, began = state.step, time.monotonic()
        progress.stage("train", setup.steps, state.step)
        self.metric.train()
        self._step_began = time.monotonic()
        stopped = False
        while state.step < setup.steps and not stopped:
            result = self.step()
            values = {"epoch": self._epoch, "loss": result.loss}
            progress.step(values={**values, **result.similarities, **result.speed})
            if state.step % setup.config.log_every == 0 or self._ends_epoch:
                self._write_log(result.speed)
            improved = self._validation_is_due() and self.validate(progress)
            state.finished = state.step == setup.steps
            if self._ends_epoch or result.stop or state.step % setup.config.save_every == 0:
                self.save(improved)
            stopped = result.stop
        if self._log is not None:
            self._log.close()
        if not state.finished:
            raise KeyboardInterrupt(f"stopped after step {state.step} of {setup.steps}")
        return TrainingResult(
            run=setup.run,
            steps=setup.steps,
            made=setup.steps - first,
            seconds=time.monotonic() - began,
            loss=self._logged_loss,
            best=state.best,
            best_step=state.best_step,
            notes=notes,
        )

    def step(self) -> StepResult:
        """Take one optimiser step.

        Raises:
            TrainingError: the loss or the gradient is not finite, or the loss explodes.
        """
        setup, state, ranks = self.setup, self.state, self.setup.ranks
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(
                state.step, setup.steps, setup.steps_per_epoch, setup.config
            )
        micro_batches, waited = self._backward()
        norm = torch.nn.utils.clip_grad_norm_(self.metric.parameters(), setup.config.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        disparities = [micro.output.disparity for micro in micro_batches]
        self.metric.update_scale(torch.stack(disparities).mean(0))
        state.step += 1

        # The only wait for the device in a step, after all of its work is queued.
        loss = torch.stack([micro.output.loss.detach() for micro in micro_batches]).mean()
        flag = torch.full_like(loss, self._stop.requested)
        totals = ranks.sum(torch.stack([loss, norm, flag]).double())
        mean_loss, mean_norm, stops = (totals / ranks.world).tolist()
        check_step(mean_loss, mean_norm, state, setup.config.explode, micro_batches, ranks)
        add_step(state, loss, norm, micro_batches)
        now = time.monotonic()
        seconds, self._step_began = max(1e-9, now - self._step_began), now
        images = 2 * setup.plan.shape.frames * setup.step_windows
        return StepResult(
            loss=mean_loss,
            similarities=mean_similarities(micro_batches[-1].output.statistics),
            speed={"images/s": images / seconds, "waiting": waited / seconds},
            stop=bool(stops),
        )

    def _backward(self) -> tuple[list[MicroBatch], float]:
        """Add up the gradients of a step; also return the seconds spent waiting for data."""
        config, plan, ranks = self.setup.config, self.setup.plan, self.setup.ranks
        micro_batches = []
        waited = 0.0
        for i in range(config.accumulate):
            asked = time.monotonic()
            batch = next(self._reader)
            waited += time.monotonic() - asked
            number = (self.state.step * config.accumulate + i) * ranks.world + ranks.rank
            windows = range(number * plan.batch, (number + 1) * plan.batch)
            with self._synchronised(i == config.accumulate - 1):
                output = forward(self._model, batch, windows, config, ranks.device)
            (output.loss / config.accumulate).backward()  # type: ignore[no-untyped-call]
            micro_batches.append(MicroBatch(batch, output))
        return micro_batches, waited

    def _synchronised(self, synchronise: bool) -> Any:
        """Exchange the gradients of this batch between the ranks, or keep them for the next."""
        if isinstance(self._model, DistributedDataParallel) and not synchronise:
            return self._model.no_sync()
        return nullcontext()

    def _write_log(self, speed: dict[str, float]) -> None:
        means = take_means(self.state, self.setup.ranks)
        self._logged_loss = means["loss"]
        if self._log is not None:
            rate = self._optimiser.param_groups[0]["lr"]
            self._log.write(self.state.step, self._epoch, {**means, "lr": rate}, TRAIN)
            self._log.write_events(self.state.step, speed, "pace")

    def _validation_is_due(self) -> bool:
        last = self.state.step == self.setup.steps
        return (
            VAL in self.setup.dataset.splits
            and self._ends_epoch
            and (self._epoch % self.setup.config.validate_every == 0 or last)
        )

    def validate(self, progress: Progress) -> bool:
        """Compute, log and show the validation loss; return whether it is the lowest so far."""
        setup, state = self.setup, self.state
        values = validate(self.metric, setup.dataset, setup.config, setup.ranks)
        improved = bool(values) and (state.best is None or values["loss"] < state.best)
        if improved:
            state.best, state.best_step = values["loss"], state.step
        if values and self._log is not None:
            self._log.write(state.step, self._epoch, values, VAL)
            suffix = ", the lowest so far" if improved else ""
            progress.note(f"epoch {self._epoch}: val loss {values['loss']:.4f}{suffix}")
        self._step_began = time.monotonic()
        return improved

    def save(self, improved: bool) -> None:
        """Write the checkpoint; export the metric if it improved or nothing can be validated."""
        save_state(self.setup, self.state, self.metric, self._optimiser, improved)


def _create_metric(config: TrainConfig, device: torch.device) -> CorrelationMetric:
    """Create the metric with fresh weights, the same on every rank."""
    torch.manual_seed(config.seed)
    metric = CorrelationMetric(config.metric, config.frozen)
    metric.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return metric.to(device)


def _start_from(metric: CorrelationMetric, run: str) -> None:
    """Load the metric of another run. Raises UsageError if it has another form."""
    try:
        metric.load_state_dict(load_metric(run).state_dict())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"init={run}: its metric has another form than this run's ({reason}); give the same "
            "backbone, terms, variant, motion and frames"
        ) from None


def _wrap(metric: CorrelationMetric, config: TrainConfig, ranks: Ranks) -> torch.nn.Module:
    """Compile the metric, and average gradients and batch norms over the ranks."""
    if config.compile:
        metric.compile()
    if ranks.device.type == "cuda" and ranks.world > 1 and not config.frozen:
        metric.backbone = torch.nn.SyncBatchNorm.convert_sync_batchnorm(metric.backbone)  # type: ignore[no-untyped-call]
    return average_gradients(metric, ranks)
