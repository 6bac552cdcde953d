"""Lip measures beside slow, independent computations of the same formulas."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crops import face_template
from stccl_train.measures.definitions import gains, margins
from stccl_train.measures.lips import Lips, velocity
from tests.testing.talkers import pair, speech, talker

LIPS = Lips()


def slow_lips(points: np.ndarray) -> np.ndarray:
    """Lay each frame on the template by least squares, one by one; the lips in percent."""
    template = face_template(1)
    eyes = np.hypot(*(template[3] - template[0]))
    laid = []
    for frame in points.astype(float):
        rows, target = [], []
        for (x, y), (u, v) in zip(frame[STABLE_68], template, strict=True):
            rows += [[x, -y, 1, 0], [y, x, 0, 1]]
            target += [u, v]
        a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(target), rcond=None)[0]
        laid.append([(a * x - b * y + c, b * x + a * y + d) for x, y in frame[48:]])
    return 100 * np.array(laid) / eyes


def slow_distance(p: np.ndarray, q: np.ndarray) -> float:
    return float(
        np.mean(
            [
                np.hypot(*(a - b))
                for f, g in zip(p, q, strict=True)
                for a, b in zip(f, g, strict=True)
            ]
        )
    )


@pytest.fixture(scope="module")
def values() -> dict[str, float]:
    a, b = talker(speech(1), head=3, noise=0.3), talker(speech(2), head=4, noise=0.3, seed=2)
    return {**LIPS.measure(pair(a, b))}


@pytest.fixture(scope="module")
def slow() -> list[np.ndarray]:
    clips = talker(speech(1), head=3, noise=0.3), talker(speech(2), head=4, noise=0.3, seed=2)
    return [slow_lips(clip.track.landmarks) for clip in clips]


def test_distance_and_shape_are_those_of_a_slow_loop(
    values: dict[str, float], slow: list[np.ndarray]
) -> None:
    assert values["lip_distance"] == pytest.approx(slow_distance(*slow), rel=1e-5)
    centred = [np.array([frame - frame.mean(axis=0) for frame in lips]) for lips in slow]
    assert values["lip_shape"] == pytest.approx(slow_distance(*centred), rel=1e-5)


def test_motion_is_that_of_a_slow_loop(values: dict[str, float], slow: list[np.ndarray]) -> None:
    steps = [np.array([lips[k + 2] - lips[k - 2] for k in range(2, 98)]) / 0.16 for lips in slow]
    assert values["lip_motion"] == pytest.approx(slow_distance(*steps), rel=1e-5)


def test_opening_is_scipys_correlation_of_inner_lip_distances(values: dict[str, float]) -> None:
    a, b = (
        [np.mean(lips[13:16, 1]) - np.mean(lips[17:20, 1]) for lips in slow_lips(c.track.landmarks)]
        for c in (talker(speech(1), noise=0.3), talker(speech(2), noise=0.3, seed=2))
    )
    assert values["opening"] == pytest.approx(pearsonr(a, b).statistic, abs=0.02)


def test_the_head_alone_changes_nothing() -> None:
    result = LIPS.measure(pair(talker(speech(1)), talker(speech(1), head=7)))
    assert result["lip_distance"] < 1e-3 and result["opening"] > 0.9999


@pytest.mark.parametrize("late", [0, 3, 6])
def test_the_lag_is_the_shift_of_the_mouth(late: int) -> None:
    said = speech(1, 120)
    source, generated = talker(said[late : late + 100]), talker(said[:100])
    assert LIPS.measure(pair(source, generated))["opening_lag"] == pytest.approx(40 * late)


def test_velocity_knows_the_frame_rate() -> None:
    times = np.arange(20) / 50
    moving = np.repeat(3 * times[:, None, None], 2, axis=2)
    assert np.nanmax(np.abs(velocity(moving, times) - 3)) < 1e-9


def test_somebody_else_with_nearer_lips_is_no_evidence_of_speech() -> None:
    """The trap: a genuine pair whose mouth is wider, and another sentence in the same mouth."""
    source = talker(speech(1))
    genuine = pair(source, talker(speech(1), width=62, noise=0.5))
    other = pair(source, talker(speech(2), width=50, noise=0.5))
    values = [LIPS.measure(each) for each in (genuine, other)]
    controls = [[LIPS.measure(each.shifted(0.4)), values[1]] for each in (genuine, other)]
    assert values[1]["lip_distance"] < values[0]["lip_distance"]
    headlines = [gains(LIPS.measures, *each) for each in zip(values, controls, strict=True)]
    assert list(headlines[0]) == ["lip_correlation_gain", "opening_gain"]
    for name, value in headlines[0].items():
        assert value > 0.5 and headlines[1][name] <= 0


def test_margins_are_over_the_shifted_pair() -> None:
    matched = pair(talker(speech(1)), talker(speech(1), noise=0.3))
    own, moved = LIPS.measure(matched), LIPS.measure(matched.shifted(0.4))
    assert margins(LIPS.measures, own, moved) == {
        "lip_distance_margin": moved["lip_distance"] - own["lip_distance"],
        "lip_correlation_margin": own["lip_correlation"] - moved["lip_correlation"],
        "opening_margin": own["opening"] - moved["opening"],
    }


def test_frames_without_a_face_are_left_out() -> None:
    source, generated = talker(speech(1)), talker(speech(1), noise=0.2)
    generated.track.landmarks[10:20] = np.nan
    compared, _ = pair(source, generated).frames
    assert len(compared) == 90 and not set(range(10, 20)) & set(compared.tolist())
    assert np.isfinite(list(LIPS.measure(pair(source, generated)).values())).all()
