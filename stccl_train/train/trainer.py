"""Training: windows in, gradients, steps, and a metric that is exported whenever it is the best so far.

`fit` is the whole loop. On many GPUs each process runs it: `torchrun --nproc-per-node 8 --no-python stccl train OUT RUN`.
What is drawn depends on the seed and on the number of the batch alone, so that a run that was interrupted goes on as if it had not
been; on a CPU, bit for bit.
"""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch.nn.parallel import DistributedDataParallel

from stccl_data.dataset import Dataset, open_dataset
from stccl_data.files.atomic import write_text
from stccl_train.config import Crop, TrainConfig, as_yaml, load_config
from stccl_train.data.collate import Batch, batches
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.reader import open_reader
from stccl_train.data.reader_plan import ReaderPlan, plan_reader, useful_workers
from stccl_train.data.windows import WindowShape
from stccl_train.model.backbone import load_weights
from stccl_train.model.metric import CorrelationMetric, MetricOutput
from stccl_train.train.checkpoint import restore_random_state
from stccl_train.train.distributed import Ranks, averaged, joined_ranks
from stccl_train.train.interrupt import asked_to_stop
from stccl_train.train.meters import TrainingError, add, check, means, similarity
from stccl_train.train.metrics_log import Record
from stccl_train.train.run_folder import CONFIG, TRAIN, VAL, config_of_run, held, resumed, save

__all__ = ["Trained", "TrainingError", "Watcher", "fit", "learning_rate", "validate"]


class Watcher(Protocol):
    """Who watches a run. `begin`: `steps` in all, `done` of them before. `step`: after each one, what is known of it.
    `note`: a sentence."""

    def begin(self, steps: int, done: int) -> None: ...
    def step(self, step: int, epoch: int, shown: Mapping[str, float]) -> None: ...
    def note(self, text: str) -> None: ...


class Nobody:
    """Nobody watches."""

    def begin(self, steps: int, done: int) -> None: ...
    def step(self, step: int, epoch: int, shown: Mapping[str, float]) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to. `steps`: in all; `made`: by this call, in `seconds`. `loss`: the mean in the last line of metrics.jsonl,
    None where nothing was left to do. `best`: the lowest on the val split, after `best_step`; None without that split."""

    run: Path
    steps: int
    made: int
    seconds: float
    loss: float | None
    best: float | None
    best_step: int | None
    notes: tuple[str, ...]


def fit(
    out: str | Path,
    run: str | Path,
    config: TrainConfig | None = None,
    watcher: Watcher | None = None,
) -> Trained:
    """Train a metric on the shards in `out`, into the folder `run`; where `run` holds a checkpoint, go on from it.

    config: None takes that of the run, or of a new run the default preset.
    Leaves in `run`: config.yaml, metrics.jsonl, checkpoints/last.pt and best.pt, the metric as metric.safetensors and metric.json.
    SIGINT and SIGTERM end it after the step that is being made, saved, by KeyboardInterrupt.
    Raises TrainingError, CheckpointError, ShardError and ValueError (ConfigError, a device that is not there), each a sentence, and
    OSError where `run` cannot be written.
    """
    run, dataset = Path(run), open_dataset(out)
    if run.resolve().is_relative_to(dataset.path.resolve()):
        raise TrainingError(
            f"{run} lies in the dataset {dataset.path}, which training only reads: give another folder for the run"
        )
    config = config or config_of_run(run) or load_config()
    with joined_ranks(config.device) as ranks, asked_to_stop() as stop, ExitStack() as stack:
        watcher = watcher if watcher is not None and ranks.first else Nobody()
        plan = _plan(dataset, config, ranks)
        steps_an_epoch = plan.batches // config.accumulate
        steps = config.epochs * steps_an_epoch
        metric = _metric(config, ranks)
        optimiser = _optimiser(metric, config, ranks.device)

        stack.enter_context(held(run, ranks))
        state = resumed(run, dataset, config, plan, ranks)
        if state.finished:
            return Trained(run, steps, 0, 0.0, None, state.best, state.best_step, ())
        if state.step:
            metric.load_state_dict(state.model)
            optimiser.load_state_dict(state.optimiser)
            restore_random_state(state.rng[ranks.rank])
        else:
            if config.backbone_weights is not None:
                load_weights(metric.backbone, config.backbone_weights)
            if ranks.first:
                write_text(run / CONFIG, as_yaml(config))
        record = Record(run, state.step, config.tensorboard) if ranks.first else None
        notes = _notes(dataset, config, plan, ranks.device)
        for note in notes:
            watcher.note(note)

        model = _wrapped(metric, config, ranks)
        on_gpu = ranks.device.type == "cuda"
        done_batches = state.step * config.accumulate
        reader = open_reader(
            dataset, TRAIN, config.windows, plan, ranks.rank, done_batches, pin=on_gpu
        )
        first_step, loss_written = state.step, None
        began = last = time.monotonic()
        watcher.begin(steps, state.step)
        metric.train()
        while state.step < steps:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(state.step, steps, steps_an_epoch, config)
            seen: list[tuple[Batch, MetricOutput]] = []
            waited = 0.0
            for part in range(config.accumulate):
                asked = time.monotonic()
                batch = next(reader)
                waited += time.monotonic() - asked
                number = (state.step * config.accumulate + part) * ranks.world + ranks.rank
                numbers = range(number * plan.batch, (number + 1) * plan.batch)
                with (
                    _gradients_stay(model, part < config.accumulate - 1),
                    _precision(config, ranks.device),
                ):
                    found = _forward(model, batch, config.seed, numbers, ranks.device)
                (found.loss / config.accumulate).backward()  # type: ignore[no-untyped-call]
                seen.append((batch, found))
            norm = torch.nn.utils.clip_grad_norm_(metric.parameters(), config.clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            state.step += 1
            epoch = -(-state.step // steps_an_epoch)
            ends_epoch = state.step % steps_an_epoch == 0

            # The only wait for the device, after all work of the step was handed over to it.
            loss = torch.stack([found.loss.detach() for _, found in seen]).mean()
            told = ranks.sums(torch.stack([loss, norm, torch.full_like(loss, stop.asked)]).double())
            loss_now, norm_now, stops = (told / ranks.world).tolist()
            check(loss_now, norm_now, state, config, seen, ranks)
            add(state, loss, norm, seen)
            now = time.monotonic()
            seconds, last = max(1e-9, now - last), now
            images = 2 * plan.shape.frames * plan.batch * config.accumulate * ranks.world
            pace = {"images/s": images / seconds, "waiting": waited / seconds}
            watcher.step(
                state.step, epoch, {"loss": loss_now, **similarity(found.statistics), **pace}
            )

            if state.step % config.log_every == 0 or ends_epoch:
                line = means(state, ranks)
                loss_written = line["loss"]
                if record is not None:
                    record.write(
                        state.step, epoch, {**line, "lr": optimiser.param_groups[0]["lr"]}, TRAIN
                    )
                    record.show(state.step, pace, "pace")
            better = False
            if (
                VAL in dataset.splits
                and ends_epoch
                and (epoch % config.validate_every == 0 or state.step == steps)
            ):
                values = validate(metric, dataset, config, ranks)
                if better := bool(values) and (state.best is None or values["loss"] < state.best):
                    state.best, state.best_step = values["loss"], state.step
                if values and record is not None:
                    record.write(state.step, epoch, values, VAL)
                    watcher.note(
                        f"epoch {epoch}: val loss {values['loss']:.4f}{', the lowest so far' if better else ''}"
                    )
                last = time.monotonic()
            state.finished = state.step == steps
            if ends_epoch or stops or state.step % config.save_every == 0:
                save(run, state, metric, optimiser, dataset, config, ranks, better)
            if stops:
                break
        if record is not None:
            record.close()
        if not state.finished:
            raise KeyboardInterrupt(f"stopped after step {state.step} of {steps}")
        seconds = time.monotonic() - began
        return Trained(
            run,
            steps,
            steps - first_step,
            seconds,
            loss_written,
            state.best,
            state.best_step,
            notes,
        )


def learning_rate(step: int, steps: int, steps_an_epoch: int, config: TrainConfig) -> float:
    """The rate of a step (from 0): up along a line for `warmup` epochs, then down along half a cosine to `last_lr` of the peak."""
    warm = round(config.warmup * steps_an_epoch)
    if step < warm:
        return config.lr * (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - 1 - warm))
    return config.lr * (
        config.last_lr + (1 - config.last_lr) * 0.5 * (1 + math.cos(math.pi * done))
    )


@torch.no_grad()
def validate(
    metric: CorrelationMetric, dataset: Dataset, config: TrainConfig, ranks: Ranks
) -> dict[str, float]:
    """Mean loss and statistics over windows of the val split, each counted once; the same windows and places every time.

    The ranks share the windows. Empty where the split has none.
    """
    crop: Crop = "mouth" if config.windows.crop == "mouth" else "face"
    windows = evaluation_windows(
        dataset,
        VAL,
        WindowShape(config.metric.frames, config.metric.stride),
        config.validate_windows,
        crop=crop,
        margin=0,
        gates=config.windows.gates,
    )
    metric.eval()
    sums: dict[str, float] = {}
    seen = 0
    for batch in batches(
        islice(windows, ranks.rank, None, ranks.world), config.batch, config.metric.size
    ):
        numbers = range(
            ranks.rank + ranks.world * seen,
            ranks.rank + ranks.world * (seen + len(batch)),
            ranks.world,
        )
        with _precision(config, ranks.device):
            found = _forward(metric, batch, config.seed, numbers, ranks.device)
        for name, value in {"loss": found.loss, **found.statistics}.items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(batch)
        seen += len(batch)
    metric.train()
    everywhere = ranks.gathered((seen, sums))
    total = sum(count for count, _ in everywhere)
    names = list(dict.fromkeys(name for _, some in everywhere for name in some))
    return {name: sum(some.get(name, 0.0) for _, some in everywhere) / total for name in names}


def _plan(dataset: Dataset, config: TrainConfig, ranks: Ranks) -> ReaderPlan:
    """How the train split is read."""
    if TRAIN not in dataset.splits:
        raise TrainingError(
            f"{dataset.path} has no {TRAIN} split; `stccl prepare --split` decides who trains"
        )
    return plan_reader(
        dataset,
        TRAIN,
        config.windows,
        shape=WindowShape(config.metric.frames, config.metric.stride),
        size=config.metric.size,
        batch=config.batch,
        accumulate=config.accumulate,
        world=ranks.world,
        seed=config.seed,
        spare_cores=useful_workers(ranks.world, gpu=ranks.device.type == "cuda"),
    )


def _metric(config: TrainConfig, ranks: Ranks) -> CorrelationMetric:
    """The metric as training begins, with fresh weights, the same on every rank."""
    torch.manual_seed(config.seed)
    metric = CorrelationMetric(config.metric, config.frozen)
    metric.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return metric.to(ranks.device)


def _optimiser(
    metric: CorrelationMetric, config: TrainConfig, device: torch.device
) -> torch.optim.AdamW:
    """AdamW; matrices and kernels decay, biases and the scales of norms do not."""
    learned = [parameter for parameter in metric.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = cast(tuple[float, float], config.betas)
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=device.type == "cuda")


def _wrapped(metric: CorrelationMetric, config: TrainConfig, ranks: Ranks) -> torch.nn.Module:
    """The metric as a step calls it: its backbone compiled, its gradients averaged over the ranks."""
    if config.compile:
        metric.backbone.compile()
    if ranks.device.type == "cuda" and ranks.world > 1 and not config.frozen:
        metric.backbone = torch.nn.SyncBatchNorm.convert_sync_batchnorm(metric.backbone)  # type: ignore[no-untyped-call]
    return averaged(metric, ranks)


def _gradients_stay(model: torch.nn.Module, stay: bool) -> Any:
    """Gradients of this part of a step are not yet exchanged."""
    return model.no_sync() if stay and isinstance(model, DistributedDataParallel) else nullcontext()


def _precision(config: TrainConfig, device: torch.device) -> torch.autocast:
    """bf16 where it pays; the metric computes similarities, norms and softmax in float32 by itself."""
    wanted = config.precision == "bf16" or (config.precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _forward(
    model: torch.nn.Module, batch: Batch, seed: int, numbers: range, device: torch.device
) -> MetricOutput:
    """The metric of a batch. Frames travel as bytes and become numbers on the device.

    Where each window is looked at is drawn from its number among all: neither the batch it is in nor the past decides it.
    """
    places = [
        torch.Generator(device).manual_seed((seed * 0x9E3779B97F4A7C15 + number) % (1 << 63))
        for number in numbers
    ]
    source, target, points = (
        side.to(device, non_blocking=True)
        for side in (batch.source, batch.target, batch.source_points)
    )
    return cast(MetricOutput, model(source, target, places, points))


def _notes(
    dataset: Dataset, config: TrainConfig, plan: ReaderPlan, device: torch.device
) -> tuple[str, ...]:
    """What a user should know before it begins."""
    notes = list(plan.notes)
    if VAL not in dataset.splits:
        notes.append(
            f"{dataset.path} has no {VAL} split: the last metric is exported, not the best"
        )
    if device.type == "cpu" and config.metric.backbone != "tiny":
        notes.append(
            f"{config.metric.backbone} on a CPU takes tens of seconds for a window; `--preset tiny` is for CPUs"
        )
    if config.frozen and config.backbone_weights is None:
        notes.append(
            "the backbone is frozen and was given no weights: what is learned is built on random features"
        )
    return tuple(notes)
