"""Telling interlaced pictures from progressive ones by their lines."""

import numpy as np
import pytest

from stccl_data.media.fields import measure_scan


def picture(step: float) -> np.ndarray:
    """Return soft blobs with noise, moved to the right by `step`, (120, 64) int16."""
    y, x = np.mgrid[0:120, 0:64].astype(float)
    rng = np.random.default_rng(round(10 * step))
    blobs = 60 * np.sin((x - step) / 3) * np.cos(y / 9)
    return (120 + blobs + rng.normal(0, 2, blobs.shape)).astype(np.int16)


def woven(step: float, first: int) -> np.ndarray:
    """Return a frame whose first field shows `step` and whose second one is a field later."""
    image = picture(step)
    image[1 - first :: 2] = picture(step + 1.5)[1 - first :: 2]
    return image


@pytest.mark.parametrize(("first", "scan"), [(0, "top first"), (1, "bottom first")])
def test_the_field_order_is_told(first, scan):
    assert measure_scan(*(woven(step, first) for step in (0, 3, 6))) == scan


def test_whole_pictures_are_progressive():
    assert measure_scan(picture(0), picture(3), picture(6)) == "progressive"


def test_a_cut_tells_nothing_of_fields():
    assert measure_scan(picture(40), picture(3), picture(6)) in ("progressive", None)
    assert measure_scan(picture(0), picture(3), picture(40)) in ("progressive", None)


def test_stillness_tells_nothing():
    assert measure_scan(picture(0), picture(0), picture(0)) is None
