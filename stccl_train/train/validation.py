"""The validation loss."""

from itertools import islice

import torch

from stccl_data.dataset import Dataset
from stccl_train.config import Crop, TrainConfig
from stccl_train.data.collate import batches
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.windows import WindowShape
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.distributed import Ranks
from stccl_train.train.forward import forward
from stccl_train.train.setup import VAL


@torch.no_grad()
def validate(
    metric: CorrelationMetric, dataset: Dataset, config: TrainConfig, ranks: Ranks
) -> dict[str, float]:
    """Compute the mean loss and statistics over the windows of the val split.

    Windows and places are the same every time; each window counts once. The ranks share the
    windows.

    Returns:
        Values by name, the same on all ranks; empty if the split has no windows.
    """
    crop: Crop = "mouth" if config.windows.crop == "mouth" else "face"
    windows = evaluation_windows(
        dataset,
        VAL,
        WindowShape(config.metric.frames, config.metric.interval),
        config.validate_windows,
        crop=crop,
        margin=0,
        gates=config.windows.gates,
    )
    own = islice(windows, ranks.rank, None, ranks.world)
    metric.eval()
    sums: dict[str, float] = {}
    count = 0
    for batch in batches(own, config.batch, config.metric.size):
        first, end = (ranks.rank + ranks.world * n for n in (count, count + len(batch)))
        # Eager: torch.compile would compile again for eval mode and for each size of a batch.
        with torch.compiler.set_stance("force_eager"):
            output = forward(metric, batch, range(first, end, ranks.world), config, ranks.device)
        for name, value in {"loss": output.loss, **output.statistics}.items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(batch)
        count += len(batch)
    metric.train()
    gathered = ranks.gather((count, sums))
    total = sum(count for count, _ in gathered)
    names = dict.fromkeys(name for _, sums in gathered for name in sums)
    return {name: sum(sums.get(name, 0.0) for _, sums in gathered) / total for name in names}
