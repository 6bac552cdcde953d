"""A dataset to train on, and a run that was never interrupted."""

import pytest

from stccl_train.train.trainer import fit
from tests.testing import datasets as small
from tests.testing.training import micro


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """A small prepared dataset. Read only."""
    return small.make_dataset(tmp_path_factory.mktemp("fit") / "out").out


@pytest.fixture(scope="session")
def reference(out, tmp_path_factory):
    """The result of an uninterrupted run with `micro()`. Read only."""
    return fit(out, tmp_path_factory.mktemp("run"), micro())
