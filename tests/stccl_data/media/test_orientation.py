"""Frames come out upright: display matrices of every source, compared with the ffmpeg program."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from stccl_data.media.orientation import Orientation, parse_display_matrix
from stccl_data.media.video import read_frames
from tests.testing.media import shown_by_ffmpeg, source, transcode
from tests.testing.numbered import numbered_frame

#: The a, b, c, d of the eight display matrices.
MATRICES = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, -1, 1, 0),
    (0, 1, -1, 0),
    (0, -1, -1, 0),
]


def set_display_matrix(clip: Path, target: Path, matrix: tuple[int, int, int, int]) -> None:
    """Copy an MP4 with another display matrix in the header of its video track."""
    data = bytearray(clip.read_bytes())
    at = data.find(b"tkhd")  # version 0, the video track first
    width, height = (side >> 16 for side in struct.unpack_from(">2I", data, at + 80))
    a, b, c, d = matrix
    left = min(0, a * width + c * height)
    top = min(0, b * width + d * height)
    rows = [a, b, 0, c, d, 0, -left, -top]
    struct.pack_into(">9i", data, at + 44, *(value << 16 for value in rows), 1 << 30)
    target.write_bytes(data)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_turned_or_mirrored_recording_is_shown_as_ffmpeg_shows_it(clip, tmp_path, matrix, suffix):
    turned = tmp_path / "turned.mp4"
    set_display_matrix(clip, turned, matrix)
    if suffix == "mkv":
        transcode(tmp_path / "turned.mkv", source(turned), c="copy")
        turned = tmp_path / "turned.mkv"
    image = next(read_frames(turned)).image
    np.testing.assert_array_equal(image, shown_by_ffmpeg(turned))
    assert image.flags["C_CONTIGUOUS"]


def test_the_eight_matrices_turn_a_frame_into_eight_pictures(clip, tmp_path):
    shown = set()
    for matrix in MATRICES:
        set_display_matrix(clip, tmp_path / "turned.mp4", matrix)
        image = next(read_frames(tmp_path / "turned.mp4")).image
        assert image.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
        shown.add(image.tobytes())
    assert len(shown) == 8


def test_an_orientation_inside_the_video_stream_counts(clip, tmp_path):
    turned = tmp_path / "turned.mp4"
    bitstream = "h264_metadata=display_orientation=insert:rotate=90:flip=horizontal"
    transcode(turned, source(clip, "v"), c="copy", **{"bsf:v": bitstream})
    image = next(read_frames(turned)).image
    assert image.shape == (96, 64, 3)
    np.testing.assert_array_equal(image, shown_by_ffmpeg(turned))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_of_jpeg_frames_counts(tmp_path, orientation):
    """FFmpeg attaches the EXIF data too, a kind of side data that PyAV cannot name."""
    jpeg = cv2.imencode(".jpg", numbered_frame(0)[..., ::-1])[1].tobytes()
    directory = struct.pack(">2sHIH", b"MM", 42, 8, 1) + struct.pack(
        ">HHIHHI", 0x0112, 3, 1, orientation, 0, 0
    )
    exif = b"Exif\0\0" + directory
    tagged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    path = tmp_path / "clip.mjpeg"
    path.write_bytes(tagged * 3)
    images = [frame.image for frame in read_frames(path)]
    assert len(images) == 3
    expected = cv2.imdecode(np.frombuffer(tagged, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert images[2].shape == expected.shape
    assert np.abs(images[2].astype(int) - expected).mean() < 3


def test_an_odd_angle_counts_as_the_nearest_orientation():
    def display_matrix(a, b, c, d):
        return struct.pack("=9i", *(round(v * 65536) for v in (a, b, 0, c, d, 0, 0, 0, 16384)))

    def turned(degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return parse_display_matrix(display_matrix(c, s, -s, c))

    assert turned(0.5) == Orientation()
    assert turned(30) == Orientation(rounded=True)
    assert turned(100) == Orientation(transposed=True, mirrored=True, rounded=True)
    quarter = parse_display_matrix(display_matrix(0, 2, -2, 0))  # enlarged, clockwise
    assert quarter == Orientation(transposed=True, mirrored=True)


def test_a_rounded_angle_is_noted(clip, tmp_path):
    transcode(tmp_path / "tilted.mp4", source(clip, "v", display_rotation=20), c="copy")
    frame = next(read_frames(tmp_path / "tilted.mp4"))
    assert frame.image.shape == (64, 96, 3)
    assert frame.notes == ("odd rotation rounded to a quarter turn",)
