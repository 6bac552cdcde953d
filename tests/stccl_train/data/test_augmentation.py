"""Mirroring and colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stccl_train.config import WindowConfig
from stccl_train.data.augmentation import MIRROR_68
from stccl_train.data.collate import collate
from tests.testing.windows import draw


@pytest.fixture(scope="module")
def plain(dataset):
    """A window that is not augmented."""
    return draw(dataset, 1)[0]


@pytest.fixture(scope="module")
def augmented(dataset, plain):
    """The same window, mirrored and with other colours."""
    mirrored = next(w for w in draw(dataset, 40, WindowConfig(flip=0.5)) if w.augmentation.mirrored)
    return replace(plain, augmentation=mirrored.augmentation)


@pytest.mark.parametrize("side", ["source", "target"])
def test_both_sides_are_mirrored_and_coloured_alike(plain, augmented, side):
    before = getattr(collate([plain], 64), side)
    after = getattr(collate([augmented], 64), side)
    table = torch.from_numpy(augmented.augmentation.table.astype(np.int64))
    expected = torch.stack([table[before[:, :, c].long(), c] for c in range(3)], dim=2).flip(-1)
    assert torch.equal(after.long(), expected)


def test_points_are_mirrored_with_the_frames(plain, augmented):
    before, after = (collate([window], 64).source_points for window in (plain, augmented))
    mirrored = before[:, :, MIRROR_68]
    np.testing.assert_allclose(after[..., 0], 64 - mirrored[..., 0], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(after[..., 1], mirrored[..., 1])


def test_mirroring_twice_gives_every_landmark_back():
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all()
    assert sorted(MIRROR_68) == list(range(68))


def test_mirrored_landmarks_swap_sides():
    corners = {48: 54, 36: 45, 0: 16}  # mouth, eyes, jaw
    middle = {62: 62, 57: 57}
    for point, mirrored in {**corners, **middle}.items():
        assert MIRROR_68[point] == mirrored
