"""Decoded frames become images of one size."""

import cv2
import numpy as np
import pytest

from stccl_data.media.picture import fit_into
from stccl_data.media.video import read_frames
from tests.testing.media import record
from tests.testing.numbered import numbered_frame, read_numbers


def joined(path, *sizes):
    """Write 4 frames of each size (width, height), numbered throughout, one after another."""
    parts = [
        record(path.parent / f"{k}.ts", [numbered_frame(4 * k + i, *size) for i in range(4)])
        for k, size in enumerate(sizes)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("second", [(192, 128), (48, 32)])
def test_another_size_is_scaled_to_the_first(tmp_path, second):
    path = joined(tmp_path / "a.ts", (96, 64), second, (96, 64))
    frames = list(read_frames(path))
    assert read_numbers(path) == list(range(12))
    for i, frame in enumerate(frames):
        off = np.abs(frame.image.astype(int) - numbered_frame(i))
        assert frame.image.shape == (64, 96, 3) and off.mean() < 5
    assert frames[0].notes == ()
    assert frames[-1].notes == ("frames of several sizes scaled to the first",)


def test_another_aspect_ratio_is_shown_between_bars(tmp_path):
    frames = list(read_frames(joined(tmp_path / "a.ts", (96, 64), (64, 128))))
    upright = frames[5].image.astype(int)
    assert upright.shape == (64, 96, 3)
    assert upright[:, :31].max() < 8 and upright[:, -31:].max() < 8
    assert np.abs(upright[:, 32:64] - numbered_frame(5, 32, 64))[:, 2:-2].mean() < 8


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 96), (64, 98)])
def test_rounded_sizes_leave_no_bars(height, width):
    image = np.full((128, 192, 3), 200, np.uint8)
    assert fit_into(image, height, width).min() == 200


def test_shrinking_averages_and_enlarging_interpolates():
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (64, 96, 3)).astype(np.uint8), (0, 0), 4)
    back = fit_into(fit_into(image, 128, 192), 64, 96)
    assert np.abs(back.astype(int) - image).mean() < 1
