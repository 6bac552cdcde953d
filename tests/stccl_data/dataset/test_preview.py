"""A preview is a film that plays, shows the right frames beside each other, and has the source's sound in step."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from stccl_data.dataset import ShardError, open_dataset
from stccl_data.dataset.preview import (
    FILM_TILE,
    LABEL,
    constant_rate,
    find_pair,
    preview_name,
    write_preview,
    write_sheet,
)
from stccl_data.media.audio import Audio, encode_flac, read_audio
from stccl_data.media.container import probe
from stccl_data.media.video import read_frames
from tests.testing import datasets as small

KEY = "mead/M003/front/s001"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    small.make_dataset(out, audio=True)
    return open_dataset(out)


@pytest.fixture(scope="module")
def film(shared, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "pair.mp4"
    return write_preview(shared, find_pair(shared, KEY, "angry"), path), [
        frame.image for frame in read_frames(path)
    ]


def tile(image, row, column):
    """The middle of a face (row 0) or a mouth (row 1) of the source (column 0) or the target."""
    top, left = LABEL + row * FILM_TILE, column * FILM_TILE
    return image[top + 20 : top + FILM_TILE - 20, left + 20 : left + FILM_TILE - 20]


def test_each_source_frame_stands_beside_the_frame_that_the_map_gives(shared, film):
    pair = find_pair(shared, KEY, "angry")
    preview, images = film
    assert preview.frames == len(images) == 12 and images[0].shape == (*preview.size, 3)
    for row in (0, 1):
        assert [small.seen(tile(image, row, 0)) for image in images] == [
            ("neutral", i) for i in range(12)
        ]
        assert [small.seen(tile(image, row, 1)) for image in images] == [
            ("angry", int(j)) for j in pair.frame_map
        ]


def test_a_browser_can_play_it(film):
    import av

    preview, _ = film
    with av.open(str(preview.path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 25)
        assert (
            stream.width % 2 == stream.height % 2 == 0
            and container.streams.audio[0].codec.name == "aac"
        )
    data = preview.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it starts before all of it has come


def test_the_sound_starts_with_the_first_frame(film, shared):
    preview, _ = film
    assert preview.sound == "the source's sound, from the shards"
    heard = read_audio(preview.path, rate=None)
    first = find_pair(shared, KEY, "angry").source.times[0]
    wanted = small.SOUND[round(first * small.RATE) :]
    middle = heard.samples[1000:5000]
    shifts = list(range(-400, 401))
    fits = [float(np.dot(middle, wanted[1000 + shift : 5000 + shift])) for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))]) <= 32  # 2 ms


def test_a_gap_in_the_clock_is_filled_with_the_frame_on_show():
    times = np.array([0.5, 0.54, 0.58, 0.78, 0.82])
    assert constant_rate(times, Fraction(25)).tolist() == [0, 1, 2, 2, 2, 2, 2, 3, 4]
    jitter = np.arange(100) / 29.97 + np.random.default_rng(0).uniform(-0.01, 0.01, 100)
    assert constant_rate(np.sort(jitter), Fraction(30000, 1001)).tolist() == list(range(100))


def test_sound_comes_from_the_file_where_the_shards_have_none(tmp_path):
    tone = Audio(np.sin(np.arange(16_000) / 9).astype(np.float32) * 0.3, 16_000, 0.0)
    (tmp_path / "neutral clip.flac").write_bytes(encode_flac(tone))
    small.make_dataset(tmp_path / "out", paths={"neutral": str(tmp_path / "neutral clip.flac")})
    dataset = open_dataset(tmp_path / "out")
    made = write_preview(dataset, find_pair(dataset, KEY, "angry"), tmp_path / "a.mp4")
    assert (
        made.sound.endswith("neutral clip.flac") and probe(tmp_path / "a.mp4").audio_rate == 16_000
    )
    (tmp_path / "neutral clip.flac").unlink()
    made = write_preview(dataset, find_pair(dataset, KEY, "angry"), tmp_path / "b.mp4")
    assert made.sound.startswith("no sound") and probe(tmp_path / "b.mp4").audio_rate is None


def test_the_sheet_shows_moments_from_first_to_last(shared, tmp_path):
    pair = find_pair(shared, KEY, "angry")
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
            assert [small.seen(cell) for cell in cells] == expected * 2


def test_a_pair_is_chosen_by_emotion_and_a_refused_one_can_be_seen(shared, tmp_path):
    pair = find_pair(shared, KEY, "happy", "neutral")
    assert pair.reason == "longest_repeat" and preview_name(pair).endswith(
        "s001-t001-happy-2-t001.mp4"
    )
    assert write_preview(shared, pair, tmp_path / "refused.mp4").frames == 12
    with pytest.raises(
        ShardError,
        match=r"has no pair any emotion -> sad in the shards; it has neutral -> angry, neutral -> happy",
    ):
        find_pair(shared, KEY, "sad")


def test_without_pictures_there_is_nothing_to_show(tmp_path):
    small.make_dataset(tmp_path / "out", crops=False)
    dataset = open_dataset(tmp_path / "out")
    with pytest.raises(ShardError, match="has no pictures in the shards"):
        write_preview(dataset, find_pair(dataset, KEY, "angry"), tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_a_folder_that_is_not_there_is_said(shared, tmp_path):
    with pytest.raises(OSError, match="taken"):
        (tmp_path / "taken").write_text("")
        write_preview(shared, find_pair(shared, KEY, "angry"), tmp_path / "taken" / "a.mp4")
