"""Windows become batches of decoded frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stccl_data.dataset import ShardError
from stccl_train.config import WindowConfig
from stccl_train.data import collate as collate_module
from stccl_train.data.collate import batches, collate
from tests.testing import datasets as small
from tests.testing.windows import KEY, draw


def test_a_batch_shows_the_frames_of_its_windows(dataset):
    windows = draw(dataset, 6)
    batch = collate(windows, 64)
    assert len(batch) == 6 and batch.names == [window.name for window in windows]
    assert batch.source.shape == (6, 3, 3, 64, 64) and batch.source.dtype == torch.uint8
    for i, window in enumerate(windows):
        for side, frames in ((window.source, batch.source), (window.target, batch.target)):
            images = frames[i].permute(0, 2, 3, 1).numpy()
            assert [small.identify_frame(image) for image in images] == [
                (side.emotion, frame) for frame in side.frames
            ]


def test_frames_that_are_neither_resized_nor_augmented_equal_the_stored_ones(dataset):
    window = draw(dataset, 1)[0]
    clip = next(c for c in dataset[KEY].clips.values() if c.clip_id == window.source.clip_id)
    stored = clip.frames("face", list(window.source.frames))
    assert np.array_equal(collate([window], 64).source[0].permute(0, 2, 3, 1).numpy(), stored)


def test_points_scale_with_the_frames(dataset):
    window = draw(dataset, 1)[0]
    half = collate([window], 32)
    np.testing.assert_allclose(half.source_points[0], window.source.points / 2, rtol=1e-5)
    assert half.source.shape[-2:] == (32, 32) and half.source_points.dtype == torch.float32


def test_crops_of_different_sizes_share_a_batch(dataset):
    windows = draw(dataset, 40, WindowConfig(crop="both"))
    assert collate(windows, 48).source.shape == (40, 3, 3, 48, 48)


def test_a_repeated_frame_is_decoded_once(dataset, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        collate_module,
        "decode_jpeg",
        lambda data: decoded.append(data) or np.zeros((64, 64, 3), np.uint8),
    )
    window = draw(dataset, 1)[0]
    collate([window], 64)
    assert len(decoded) == 3 + len(set(window.target.frames))


def test_a_corrupt_jpeg_is_an_error_that_names_the_window(dataset):
    window = draw(dataset, 1)[0]
    corrupt = replace(window.target, jpegs=(b"\xff\xd8nothing",) * 3)
    with pytest.raises(ShardError, match=KEY):
        collate([replace(window, target=corrupt)], 64)


def test_the_last_batch_has_the_remaining_windows(dataset):
    windows = draw(dataset, 5)
    made = list(batches(windows, 2, 64))
    assert [len(batch) for batch in made] == [2, 2, 1]
    assert [name for batch in made for name in batch.names] == [w.name for w in windows]
