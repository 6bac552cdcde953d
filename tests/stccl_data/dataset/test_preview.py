"""A preview is a video that plays, shows matching frames side by side, and has sound in sync."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from stccl_data.dataset import ShardError, open_dataset
from stccl_data.dataset.preview import (
    constant_rate,
    find_pair,
    preview_name,
    write_preview,
    write_sheet,
)
from stccl_data.dataset.preview_frames import LABEL, VIDEO_TILE
from stccl_data.media.audio import Audio, encode_flac, read_audio
from stccl_data.media.container import probe
from stccl_data.media.video import read_frames
from tests.testing import datasets as small

KEY = "mead/M003/front/s001"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    small.make_dataset(out, audio=True)
    return open_dataset(out)


@pytest.fixture(scope="module")
def preview(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("preview") / "pair.mp4"
    return write_preview(dataset, find_pair(dataset, KEY, "angry"), path)


def crop_tile(image, row, column):
    """Return the middle of a face (row 0) or mouth (row 1) of the source (column 0) or target."""
    top, left = LABEL + row * VIDEO_TILE, column * VIDEO_TILE
    return image[top + 20 : top + VIDEO_TILE - 20, left + 20 : left + VIDEO_TILE - 20]


@pytest.mark.parametrize("row", [0, 1], ids=["face", "mouth"])
def test_each_source_frame_is_beside_its_target_frame(dataset, preview, row):
    pair = find_pair(dataset, KEY, "angry")
    images = [frame.image for frame in read_frames(preview.path)]
    assert preview.frames == len(images) == 12 and images[0].shape == (*preview.size, 3)
    sources = [small.identify_frame(crop_tile(image, row, 0)) for image in images]
    targets = [small.identify_frame(crop_tile(image, row, 1)) for image in images]
    assert sources == [("neutral", i) for i in range(12)]
    assert targets == [("angry", int(j)) for j in pair.frame_map]


def test_a_browser_can_play_the_video(preview):
    with av.open(str(preview.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 25)
        assert stream.width % 2 == stream.height % 2 == 0
        assert container.streams.audio[0].codec.name == "aac"
    data = preview.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "it starts before the whole file is loaded"


def test_sound_starts_with_the_first_frame(preview, dataset):
    assert preview.sound == "the source's sound, from the shards"
    decoded = read_audio(preview.path, rate=None)
    first = find_pair(dataset, KEY, "angry").source.times[0]
    expected = small.SOUND[round(first * small.RATE) :]
    middle = decoded.samples[1000:5000]
    shifts = list(range(-400, 401))
    fits = [float(np.dot(middle, expected[1000 + shift : 5000 + shift])) for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 32  # 2 ms


def test_a_gap_in_the_clock_repeats_the_frame_on_show():
    times = np.array([0.5, 0.54, 0.58, 0.78, 0.82])
    assert constant_rate(times, Fraction(25)).tolist() == [0, 1, 2, 2, 2, 2, 2, 3, 4]


def test_a_jittering_clock_doubles_and_drops_no_frame():
    times = np.arange(100) / 29.97 + np.random.default_rng(0).uniform(-0.01, 0.01, 100)
    assert constant_rate(np.sort(times), Fraction(30000, 1001)).tolist() == list(range(100))


def test_sound_comes_from_the_clips_file_if_the_shards_have_none(tmp_path):
    sound = tmp_path / "neutral clip.flac"
    tone = Audio(np.sin(np.arange(16_000) / 9).astype(np.float32) * 0.3, 16_000, 0.0)
    sound.write_bytes(encode_flac(tone))
    small.make_dataset(tmp_path / "out", paths={"neutral": str(sound)})
    dataset = open_dataset(tmp_path / "out")
    pair = find_pair(dataset, KEY, "angry")
    preview = write_preview(dataset, pair, tmp_path / "a.mp4")
    assert preview.sound.endswith(sound.name) and probe(preview.path).audio_rate == 16_000
    sound.unlink()
    preview = write_preview(dataset, pair, tmp_path / "b.mp4")
    assert preview.sound.startswith("no sound") and probe(preview.path).audio_rate is None


def test_the_sheet_shows_moments_from_first_to_last(dataset, tmp_path):
    pair = find_pair(dataset, KEY, "angry")
    write_sheet(pair, tmp_path / "sheet.png")
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    assert sheet.shape == (LABEL + 2 * (LABEL + 4 * 200), 6 * 200, 3)
    for band in (0, 1):
        for column in range(6):
            top, left, i = 2 * LABEL + band * (LABEL + 800), column * 200, 6 * band + column
            cells = [
                sheet[top + k * 200 + 20 : top + k * 200 + 180, left + 20 : left + 180]
                for k in range(4)
            ]
            expected = [("neutral", i), ("angry", int(pair.frame_map[i]))]
            assert [small.identify_frame(cell) for cell in cells] == expected * 2


def test_a_rejected_pair_can_be_shown(dataset, tmp_path):
    pair = find_pair(dataset, KEY, "happy", "neutral")
    assert pair.reason == "longest_repeat"
    assert preview_name(pair).endswith("s001-t001-happy-2-t001.mp4")
    assert write_preview(dataset, pair, tmp_path / "rejected.mp4").frames == 12


def test_a_missing_pair_is_an_error_that_lists_the_existing_ones(dataset):
    with pytest.raises(ShardError, match=r"-> sad .*neutral -> angry, neutral -> happy"):
        find_pair(dataset, KEY, "sad")


def test_a_dataset_without_crops_cannot_be_shown(tmp_path):
    small.make_dataset(tmp_path / "out", crops=False)
    dataset = open_dataset(tmp_path / "out")
    with pytest.raises(ShardError, match="--crops none"):
        write_preview(dataset, find_pair(dataset, KEY, "angry"), tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_an_unwritable_target_is_an_os_error(dataset, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        write_preview(dataset, find_pair(dataset, KEY, "angry"), tmp_path / "taken" / "a.mp4")
