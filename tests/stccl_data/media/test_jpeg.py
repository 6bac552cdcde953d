"""Motion-JPEG in memory."""

import numpy as np
import pytest

from stccl_data.media.jpeg import JpegSeries, decode_jpeg, encode_jpeg


@pytest.fixture
def images() -> list[np.ndarray]:
    """Five frames, 24 x 32, each of one colour."""
    return [np.full((24, 32, 3), (40 * i, 200 - 30 * i, 90), np.uint8) for i in range(5)]


def test_any_frames_can_be_decoded_alone(images):
    series = JpegSeries.from_jpegs([encode_jpeg(image, 95) for image in images])
    assert len(series) == 5
    frames = series.decode([4, 1])
    assert frames.shape == (2, 24, 32, 3)
    assert np.abs(frames.astype(int) - np.stack([images[4], images[1]])).max() < 5
    assert len(series.decode()) == 5 and series.decode([]).shape == (0, 0, 0, 3)


@pytest.mark.parametrize("i", [5, -1])
def test_a_frame_outside_the_series_is_an_index_error(images, i):
    series = JpegSeries.from_jpegs([encode_jpeg(image, 95) for image in images])
    with pytest.raises(IndexError, match=f"{i} of 5"):
        series.jpeg(i)


def test_bytes_that_are_not_a_jpeg_are_a_value_error():
    with pytest.raises(ValueError, match="10 bytes"):
        decode_jpeg(b"not a jpeg")
