"""Pictures are reduced as they would be after conversion, and their memory is given back."""

import gc

import av
import cv2
import numpy as np
import pytest

from stccl_data.media.video import read_frames
from tests.testing.media import record


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize(
    ("pix_fmt", "options"),
    [
        ("yuv420p", {}),
        ("yuv420p", {"colorspace": "bt709"}),
        ("yuvj420p", {}),
        ("yuv422p", {}),
        ("yuv444p", {}),
        ("yuvj444p", {}),
        ("gray", {}),
    ],
)
def test_a_reduced_picture_is_the_average_of_the_whole_one(
    tmp_path, frames, pix_fmt, options, factor
):
    images = [frame[:190, :186] for frame in frames[:2]]  # no multiple of 4
    codec = "libx264" if pix_fmt != "gray" else "ffv1"
    path = record(tmp_path / "a.mkv", images, codec=codec, pix_fmt=pix_fmt, options=options)
    for seen, again in zip(read_frames(path), read_frames(path), strict=True):
        height, width = 190 // factor, 186 // factor
        assert (seen.picture.height, seen.picture.width) == (190, 186)
        whole = again.image[: height * factor, : width * factor]
        expected = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
        reduced = seen.picture.reduced(factor)
        off = np.abs(reduced.astype(int) - expected)
        assert reduced.shape == expected.shape and off.mean() < 1.5 and np.percentile(off, 99) <= 4


def test_frames_that_were_read_leave_no_garbage(video):
    gc.collect()
    gc.disable()
    try:
        for frame in read_frames(video):
            frame.picture.reduced(2)
        frames = [thing for thing in gc.get_objects() if isinstance(thing, av.VideoFrame)]
        alive = [frame for frame in frames if frame.format.name == "yuv420p"]
    finally:
        gc.enable()
    assert len(alive) <= 2, "the last one, and what a test before left"
