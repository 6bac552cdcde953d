"""Decoded frames become images of one size."""

import av
import cv2
import numpy as np
import pytest

from stccl_data.errors import Reason
from stccl_data.media.picture import fit_into
from stccl_data.media.video import read_frames
from tests.testing.media import record, source, transcode
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


#: Matrix coefficients (ITU-T H.273) -> share of red and of blue in luma.
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv444p10le"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_follow_the_stated_matrix_and_range(tmp_path, pix_fmt, full_range, matrix):
    red, blue = MATRICES[matrix]
    rgb = np.array([0.8, 0.45, 0.3])
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = (rgb[2] - luma) / (1 - blue) / 2, (rgb[0] - luma) / (1 - red) / 2
    bits = 10 if pix_fmt.endswith("10le") else 8
    if full_range:
        levels = [luma * (2**bits - 1), *(2 ** (bits - 1) + c * (2**bits - 1) for c in chroma)]
    else:
        levels = [v * 2 ** (bits - 8) for v in (16 + 219 * luma, *(128 + 224 * c for c in chroma))]
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        frame = av.VideoFrame(96, 64, pix_fmt)
        for tagged in (stream.codec_context, frame):
            tagged.colorspace, tagged.color_range = matrix, 2 if full_range else 1
        for plane, level in zip(frame.planes, levels, strict=True):
            dtype = np.uint16 if bits == 10 else np.uint8
            size = plane.buffer_size // np.dtype(dtype).itemsize
            plane.update(np.full(size, round(level), dtype).tobytes())
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    image = next(read_frames(tmp_path / "a.mkv")).image
    assert np.abs(image - 255 * rgb).max() < 2.5


def test_a_matrix_that_ffmpeg_cannot_convert_is_named(tmp_path, refused):
    path = record(tmp_path / "a.mkv", [numbered_frame(0)] * 2)
    transcode(tmp_path / "b.mkv", source(path), c="copy", colorspace="bt2020c")
    assert refused(tmp_path / "b.mkv").reason is Reason.NOT_SUPPORTED
