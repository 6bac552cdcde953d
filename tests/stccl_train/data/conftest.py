"""The dataset that the tests of windows draw from."""

import pytest

from stccl_data.dataset import open_dataset
from tests.testing import datasets as small


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Four utterances to train with, one per shard, and two to validate. Read only.

    Frame 3 of every clip shows no face.
    """
    return open_dataset(small.make_dataset(tmp_path_factory.mktemp("out")).out)
