"""Small datasets: one that is only read, and copies to change."""

import shutil

import pytest

from tests.testing import datasets as small


@pytest.fixture(scope="session")
def shared_dataset(tmp_path_factory):
    """A dataset with crops and sound. Tests must not change it."""
    return small.make_dataset(tmp_path_factory.mktemp("shared"), audio=True)


@pytest.fixture(scope="session")
def _silent_dataset(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("silent"))


@pytest.fixture
def dataset_copy(_silent_dataset, tmp_path):
    """A copy of a dataset with crops and without sound, to be changed."""
    shutil.copytree(_silent_dataset.out, tmp_path / "out")
    return small.SmallDataset(
        tmp_path / "out",
        [dict(row) for row in _silent_dataset.clips],
        [dict(row) for row in _silent_dataset.pairs],
        _silent_dataset.keys,
    )
