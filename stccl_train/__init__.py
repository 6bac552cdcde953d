"""Shards in, the spatial and temporal coherent correlation metrics out.

>>> from stccl_train import STCCLLoss
>>> crit = STCCLLoss.from_run("RUN")
>>> loss = crit(source, generated)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stccl_train.loss import STCCLLoss
    from stccl_train.model.export import load_metric
    from stccl_train.model.metric import CorrelationMetric, MetricConfig

__all__ = ["CorrelationMetric", "MetricConfig", "STCCLLoss", "load_metric"]


def __getattr__(name: str) -> Any:
    """The public names, fetched when they are asked for: `import stccl_train` alone does not load torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = {"STCCLLoss": ".loss", "load_metric": ".model.export"}.get(name, ".model.metric")
    return getattr(importlib.import_module(module, __name__), name)
