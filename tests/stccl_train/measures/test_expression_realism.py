"""Expression and realism without networks."""

import numpy as np
import pytest
from scipy.ndimage import laplace

from stccl_train.measures.expression import UPPER_FACE, Expression
from stccl_train.measures.measured_clip import _look_at_crops
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
    from dataclasses import replace

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


def test_realism_is_a_ratio_to_the_source() -> None:
    source, generated = talker(speech(1)), talker(speech(2))
    generated.sharpness[:] = 0.5
    assert Realism().measure(pair(source, generated)) == {"sharpness": 0.5, "flicker": 1.0}
