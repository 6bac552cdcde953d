"""The validation loss."""

import math
from dataclasses import replace

import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.distributed import Ranks
from stccl_train.train.validation import validate
from tests.testing.training import micro


@pytest.mark.parametrize("batch", [3, 50])
def test_the_validation_loss_does_not_depend_on_the_batch_size(out, batch):
    config = micro("validate_windows=2")
    torch.manual_seed(3)
    metric = CorrelationMetric(config.metric, False)
    alone = Ranks(0, 1, torch.device("cpu"))
    one_by_one, batched = (
        validate(metric, open_dataset(out), replace(config, batch=size), alone)
        for size in (1, batch)
    )
    assert one_by_one.keys() == batched.keys()
    assert math.isclose(batched["loss"], one_by_one["loss"], rel_tol=1e-5)
    name = "tcc_vd.recall"
    assert math.isclose(batched[name], one_by_one[name], rel_tol=1e-5, abs_tol=1e-7)
    assert metric.training
