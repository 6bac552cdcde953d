"""Evaluate a metric on speakers that it never saw, beside controls that have to fail.

Conditions (`stccl_train.eval.conditions`) replace the targets of aligned windows. Stages are the
metric as trained, the same formula on its backbone's own tokens without heads, and both again for
an untrained metric. There are figures for each region, layer and emotion; the verdict uses a few.
"""

from pathlib import Path

import torch

from stccl_data.dataset import Dataset, open_dataset
from stccl_data.errors import StcclError
from stccl_data.progress import Progress, SilentProgress
from stccl_train.config import EvaluateConfig
from stccl_train.data.controls import spread
from stccl_train.data.windows import WindowShape
from stccl_train.eval.conditions import ControlReader
from stccl_train.eval.counting import Counter
from stccl_train.eval.statistics import Evaluation
from stccl_train.loss.calibrate import calibrate_run
from stccl_train.loss.scale import read_calibration
from stccl_train.model.export import TrainedOn, load_metric, trained_on
from stccl_train.model.metric import CorrelationMetric
from stccl_train.threads import threads
from stccl_train.train.distributed import usable_device


class EvaluationError(StcclError, ValueError):
    """A dataset has nothing to evaluate on."""


def evaluate(
    run: str | Path | CorrelationMetric,
    out: str | Path | Dataset,
    config: EvaluateConfig | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a metric on a split of a prepared dataset.

    Args:
        run: the folder that `stccl train` wrote, or a metric.
        out: the dataset, or its folder.
        config: how much to evaluate.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        progress: receives one stage, ``evaluate``, with a step for each window.

    Raises:
        MetricError: no usable metric in ``run``.
        ShardError: the dataset is corrupt.
        EvaluationError: no window of the split is long enough.
        ValueError: unknown split or device.
    """
    config = config or EvaluateConfig()
    progress = progress or SilentProgress()
    metric = run if isinstance(run, CorrelationMetric) else load_metric(run)
    metric = metric.to(usable_device(device)).eval()
    training = TrainedOn() if isinstance(run, CorrelationMetric) else trained_on(run)
    dataset = out if isinstance(out, Dataset) else open_dataset(out)
    if not isinstance(run, CorrelationMetric) and read_calibration(run) is None:
        calibrate_run(run, dataset, metric.scale.device)  # trained by a version that did not
    with threads(config.threads, metric.config.backbone, metric.scale.device):
        return _count(metric, dataset, config, progress).evaluation(training)


def _count(
    metric: CorrelationMetric, dataset: Dataset, config: EvaluateConfig, progress: Progress
) -> Counter:
    """Count the windows of all utterances. Raises as `evaluate`."""
    shape = WindowShape(metric.config.frames, metric.config.interval)
    reader = ControlReader(dataset, shape, config)
    fresh = [untrained(metric, config.seed + i) for i in range(config.untrained)]
    counter = Counter(metric, fresh, config)
    keys = spread(dataset.keys(config.split), config.utterances)
    expected = [config.per_pair * len(dataset[key].pairs()) for key in keys]
    progress.stage("evaluate", sum(expected))
    for key, most in zip(keys, expected, strict=True):
        windows = reader.read(key)
        for first in range(0, len(windows), config.batch):
            batch = windows[first : first + config.batch]
            counter.add(batch)
            for _ in batch:
                progress.step()
        for _ in range(len(windows), most):  # a pair too short for as many
            progress.step()
    if not counter.windows:
        raise EvaluationError(
            f"{dataset.path}: no pair of split {config.split!r} has windows of {shape.frames} "
            f"frames, {shape.interval:g} s apart, with {max(config.shifts):g} s more to shift by; "
            "use smaller --shifts"
        )
    return counter


def untrained(metric: CorrelationMetric, seed: int = 0) -> CorrelationMetric:
    """Return the metric as it was before training.

    Its heads are fresh. A frozen backbone keeps its weights, a trained one gets fresh ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CorrelationMetric(metric.config, metric.freeze_backbone)
    if metric.freeze_backbone:
        fresh.backbone.load_state_dict(metric.backbone.state_dict())
    return fresh.to(metric.scale.device).eval()
