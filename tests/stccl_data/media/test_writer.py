"""Written files are read back by the project's own readers."""

from fractions import Fraction

import numpy as np
import pytest

from stccl_data.media.audio import Audio, read_audio
from stccl_data.media.container import probe
from stccl_data.media.writer import write_audio, write_video
from tests.testing.media import tone
from tests.testing.numbered import numbered_frame, numbered_frames, read_numbers, read_times


@pytest.mark.parametrize("for_browsers", [False, True])
def test_a_written_video_has_every_frame_at_its_time(tmp_path, for_browsers):
    path = tmp_path / "a.mp4"
    fps = Fraction(30000, 1001)
    write_video(path, numbered_frames(25), (64, 96), fps, for_browsers=for_browsers)
    assert read_numbers(path) == list(range(25))
    np.testing.assert_allclose(read_times(path), np.arange(25) / float(fps), atol=1e-4)


def test_a_video_for_browsers_keeps_its_colours(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    write_video(path, [numbered_frame(0)] * 3, (64, 96), Fraction(25), for_browsers=True)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited range
        image = frame.to_ndarray(format="rgb24").astype(int)
    for (y, x), colour in {(10, 10): (200, 40, 40), (50, 10): (30, 60, 190)}.items():
        assert np.abs(image[y, x] - colour).max() < 8


@pytest.mark.parametrize(
    ("rate", "written"), [(16_000, 16_000), (48_000, 48_000), (37_800, 48_000)]
)
def test_a_rate_that_aac_lacks_is_resampled(tmp_path, rate, written):
    audio = Audio(tone(1.0, rate), rate, 0.0)
    write_video(tmp_path / "a.mp4", numbered_frames(25), (64, 96), Fraction(25), audio)
    decoded = read_audio(tmp_path / "a.mp4", rate=None)
    assert decoded.rate == written and abs(decoded.duration_s - 1.0) < 0.1
    middle = decoded.samples[written // 4 : written // 4 + written // 2]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 220  # 440 Hz over half a second


def test_audio_alone_has_no_video(tmp_path):
    write_audio(tmp_path / "a.m4a", Audio(tone(0.5, 48_000), 48_000, 0.0))
    info = probe(tmp_path / "a.m4a")
    assert (info.audio_rate, info.width) == (48_000, None)
