"""Expression and realism without networks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import laplace

from stccl_data.media.jpeg import JpegSeries
from stccl_train.measures.expression import UPPER_FACE, Expression
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip, _look_at_crops
from stccl_train.measures.realism import Realism
from tests.testing.talkers import pair, speech, talker


def test_expression_is_the_mean_difference_outside_the_mouth() -> None:
    source, generated = (talker(speech(1), blendshapes=v) for v in (0.1, 0.4))
    assert generated.track.blendshapes is not None
    generated.track.blendshapes[:, 23:50] = 1  # the mouth does not count
    matched = pair(source, generated)
    assert Expression().measure(matched)["expression_change"] == pytest.approx(30, abs=0.1)
    assert len(UPPER_FACE) == 13 and not set(UPPER_FACE) & set(range(23, 50))


def test_the_distance_to_the_reference_needs_one() -> None:
    matched = pair(talker(speech(1)), talker(speech(1), blendshapes=0.3))
    assert "expression_distance" not in Expression().measure(matched)
    wanted = replace(matched, reference=talker(speech(2), blendshapes=0.35))
    assert Expression().measure(wanted)["expression_distance"] == pytest.approx(5, abs=0.1)


def test_sharpness_and_flicker_are_those_of_a_slow_loop() -> None:
    track = talker(speech(1, 12)).track
    assert track.face is not None
    # OpenCV's conversion to grey differs from the decoder's by a rounding.
    grey = track.face.decode().astype(float) @ (0.299, 0.587, 0.114)
    sharpness, flicker = _look_at_crops(track)
    expected = [laplace(picture, mode="mirror").var() for picture in grey]
    assert sharpness == pytest.approx(expected, rel=0.02)
    seconds = [np.abs(grey[k - 1] - 2 * grey[k] + grey[k + 1]).mean() for k in range(1, 11)]
    assert flicker[1:-1] == pytest.approx(seconds, rel=0.02)
    assert np.isnan(flicker[[0, -1]]).all()


def test_flicker_does_not_reach_across_a_gap() -> None:
    track = talker(speech(1, 12)).track
    track.face_transforms[5] = np.nan
    sharpness, flicker = _look_at_crops(track)
    assert np.isnan(sharpness[5]) and np.isnan(flicker[4:7]).all()
    assert np.isfinite(flicker[[1, 2, 3, 7, 8]]).all()


def test_flicker_at_twice_the_rate_is_that_of_every_second_frame() -> None:
    fast = read_again(talker(speech(1, 41), fps=50), np.arange(41))
    slow = read_again(fast, np.arange(0, 41, 2))
    assert np.nanmedian(fast.flicker) != np.nanmedian(slow.flicker)
    frame_map = np.where(np.arange(41) % 2, -1, np.arange(41) // 2).astype(np.int32)
    matched = MatchedPair(fast, slow, frame_map)
    assert matched.strides == (2, 1)
    assert Realism().measure(matched) == {"sharpness": 1.0, "flicker": 1.0}
    back = MatchedPair(slow, fast, np.arange(0, 41, 2, dtype=np.int32))
    assert Realism().measure(back) == {"sharpness": 1.0, "flicker": 1.0}


def test_rates_without_a_common_step_have_no_flicker() -> None:
    matched = pair(talker(speech(1), fps=30), talker(speech(1), fps=25))
    assert matched.strides is None and set(Realism().measure(matched)) == {"sharpness"}
    assert pair(talker(speech(1), fps=29.97), talker(speech(1), fps=30)).strides == (1, 1)


def read_again(clip: MeasuredClip, frames: np.ndarray) -> MeasuredClip:
    """Return some frames of a clip as a clip, with what its pictures show."""
    assert clip.track.face is not None
    pictures = JpegSeries.from_jpegs([clip.track.face.jpeg(frame) for frame in frames])
    arrays = ("times", "valid", "landmarks", "face_transforms", "mouth_transforms", "presence")
    chosen = {name: getattr(clip.track, name)[frames] for name in arrays}
    track = replace(clip.track, **chosen, blendshapes=None, face=pictures)
    return MeasuredClip(clip.path, track, *_look_at_crops(track))


def test_realism_is_a_ratio_to_the_source() -> None:
    source, generated = talker(speech(1)), talker(speech(2))
    generated.sharpness[:] = 0.5
    assert Realism().measure(pair(source, generated)) == {"sharpness": 0.5, "flicker": 1.0}
