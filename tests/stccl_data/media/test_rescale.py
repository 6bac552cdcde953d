"""Conversion by tables that are kept from frame to frame."""

import itertools

import av
import numpy as np

from stccl_data.media.rescale import rescale

_FORMATS = ("yuv420p", "yuvj420p", "yuv444p", "yuv420p10le")
_SIZES = ((64, 48), (48, 64))
#: FFmpeg's numbers of BT.709, unspecified, BT.601 and BT.2020; of unspecified, limited, full.
_MATRICES, _RANGES = (1, 2, 5, 9), (0, 1, 2)


def test_a_frame_is_converted_by_its_own_tags_whatever_was_converted_before() -> None:
    random = np.random.default_rng(0)
    frames = []
    for name, size, matrix, colour_range in itertools.product(_FORMATS, _SIZES, _MATRICES, _RANGES):
        frame = av.VideoFrame(*size, name)
        for plane in frame.planes:
            plane.update(random.integers(0, 255, plane.buffer_size, np.uint8).tobytes())
        frame.colorspace, frame.color_range = matrix, colour_range
        frames.append(frame)
    expected = [frame.to_ndarray(format="rgb24") for frame in frames]
    for number in random.permutation(len(frames)):
        kept = rescale(frames[number], "rgb24").to_ndarray()
        np.testing.assert_array_equal(kept, expected[number])


def test_the_width_can_change_with_the_format() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
    wide = rescale(frame, "rgb24", width=96).to_ndarray()
    np.testing.assert_array_equal(wide, np.full((48, 96, 3), 90))
