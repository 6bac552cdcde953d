"""Learn the spatial and temporal coherent correlation metrics from shards, and use them as a loss.

>>> from stccl_train import STCCLLoss
>>> loss = STCCLLoss.from_run("RUN")
>>> value = loss(source, generated)

The names in ``__all__`` are the public API. They are imported on first use: `import stccl_train`
does not load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stccl_train.config import EvaluateConfig, MetricConfig, TrainConfig, load_config
    from stccl_train.eval.evaluate import evaluate
    from stccl_train.eval.score import score
    from stccl_train.loss import STCCLLoss
    from stccl_train.measures.measure import measure
    from stccl_train.measures.measure_config import MeasureConfig
    from stccl_train.measures.request import read_rows
    from stccl_train.model.export import load_metric
    from stccl_train.model.metric import CorrelationMetric
    from stccl_train.train.trainer import fit

_MODULES = {
    "CorrelationMetric": "stccl_train.model.metric",
    "EvaluateConfig": "stccl_train.config",
    "MeasureConfig": "stccl_train.measures.measure_config",
    "MetricConfig": "stccl_train.config",
    "STCCLLoss": "stccl_train.loss",
    "TrainConfig": "stccl_train.config",
    "evaluate": "stccl_train.eval.evaluate",
    "fit": "stccl_train.train.trainer",
    "load_config": "stccl_train.config",
    "load_metric": "stccl_train.model.export",
    "measure": "stccl_train.measures.measure",
    "read_rows": "stccl_train.measures.request",
    "score": "stccl_train.eval.score",
}

__all__ = [
    "CorrelationMetric",
    "EvaluateConfig",
    "MeasureConfig",
    "MetricConfig",
    "STCCLLoss",
    "TrainConfig",
    "evaluate",
    "fit",
    "load_config",
    "load_metric",
    "measure",
    "read_rows",
    "score",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
