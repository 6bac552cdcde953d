"""The similarity transform, the streaming smoother, the crops and the head pose, against independent computations."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.face.face import (
    BRIDGED_FRAMES,
    STABLE_68,
    DegenerateFaceError,
    Stabiliser,
    bridge,
    choose_face,
    constant_box,
    crop,
    face_template,
    head_pose,
    mouth_template,
    similarity,
    smooth_landmarks,
)
from stccl_data.landmarks import ibug68


def umeyama_by_svd(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Umeyama 1991, equations 40-42, by singular value decomposition."""
    mp, mq = points.mean(0), template.mean(0)
    covariance = (template - mq).T @ (points - mp) / len(points)
    u, d, vt = np.linalg.svd(covariance)
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(s) @ vt
    scale = (d * s).sum() / (points - mp).var(axis=0).sum()
    return np.hstack([scale * rotation, (mq - scale * rotation @ mp)[:, None]])


def test_similarity_is_umeyamas_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points, template = rng.normal(size=(9, 2)) * 100, rng.normal(size=(9, 2)) * 100
        np.testing.assert_allclose(
            similarity(points, template), umeyama_by_svd(points, template), atol=1e-8
        )


def test_similarity_of_coinciding_points_is_refused() -> None:
    with pytest.raises(DegenerateFaceError):
        similarity(np.ones((9, 2)), face_template(224))


def smoothed_as_a_whole(points: list[np.ndarray | None], window: int) -> list[np.ndarray | None]:
    """What the streaming smoother must equal: bridge, then scipy's filter over each stretch."""
    from scipy.signal import savgol_filter

    valid = np.array([p is not None for p in points])
    filled = bridge(np.stack([np.zeros((9, 2)) if p is None else p for p in points]), valid)
    known = ~np.isnan(filled[:, 0, 0])
    out: list[np.ndarray | None] = [None] * len(points)
    i = 0
    while i < len(points):
        if not known[i]:
            i += 1
            continue
        j = i
        while j < len(points) and known[j]:
            j += 1
        n = j - i
        w = min(window, n if n % 2 else n - 1)
        part = filled[i:j] if w <= 2 else savgol_filter(filled[i:j], w, 2, axis=0, mode="interp")
        out[i:j] = list(part)
        i = j
    return out


@given(
    found=st.lists(st.integers(0, 9).map(lambda k: k > 1), min_size=1, max_size=60),
    window=st.sampled_from([7, 9, 11]),
    seed=st.integers(0, 9),
)
def test_streaming_smoothing_equals_smoothing_the_whole_clip(
    found: list[bool], window: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    points = [rng.normal(size=(9, 2)) if f else None for f in found]
    stabiliser = Stabiliser(window)
    streamed = [p for point in points for p in stabiliser.push(point)] + stabiliser.finish()
    expected = smoothed_as_a_whole(points, window)
    assert len(streamed) == len(points)
    for mine, theirs in zip(streamed, expected, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            np.testing.assert_allclose(mine, theirs, atol=1e-9)


def test_the_smoother_waits_for_a_bounded_number_of_frames() -> None:
    stabiliser, left, longest = Stabiliser(9), 0, 0
    rng = np.random.default_rng(1)
    for i in range(300):
        left += len(stabiliser.push(rng.normal(size=(9, 2)) if rng.random() < 0.7 else None))
        longest = max(longest, i + 1 - left)
    assert longest <= 9 + BRIDGED_FRAMES + 1


def test_a_crop_shows_a_point_where_its_transform_says() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    y, x = 217, 341
    image[y - 4 : y + 5, x - 4 : x + 5] = 255  # its centre lies at (x + 0.5, y + 0.5)
    for scale, degrees in [(1.0, 0), (0.31, 12), (0.9, -30), (2.2, 5)]:
        t = np.radians(degrees)
        linear = scale * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        transform = np.hstack([linear, (np.array([50, 60]) - linear @ [x + 0.5, y + 0.5])[:, None]])
        seen = crop(image, transform, 112)[..., 0].astype(float)
        rows, columns = np.mgrid[:112, :112] + 0.5
        centre = (seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()
        assert np.hypot(centre[0] - 50, centre[1] - 60) < 0.15, (scale, degrees, centre)


def test_a_crop_of_fine_stripes_does_not_alias() -> None:
    image = np.zeros((900, 900, 3), np.uint8)
    image[:, ::2] = 255
    seen = crop(image, np.array([[0.26, 0, 0], [0, 0.26, 0]]), 224)[8:-8, 8:-8]
    plain = cv2.warpAffine(image, np.array([[0.26, 0, 0], [0, 0.26, 0]]), (224, 224))[8:-8, 8:-8]
    assert seen.std() < 0.4 * plain.std()


def test_a_crop_beyond_the_border_is_padded_with_black_and_keeps_its_size() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    seen = crop(image, np.array([[1.0, 0, 50], [0, 1.0, 50]]), 128)
    assert seen.shape == (128, 128, 3)
    assert seen[:49].max() == 0 and seen[52:, 52:].min() == 200
    assert crop(image, np.array([[1.0, 0, 1000], [0, 1.0, 0]]), 64).max() == 0


def test_the_face_template_keeps_a_wide_open_jaw_and_the_mouth_template_the_lips() -> None:
    per_cm = np.ptp(face_template(224)[:4, 0]) / 8.9
    eye_line = face_template(224)[0, 1]
    assert eye_line + per_cm * (2.66 + 9.4 + 3.0) < 224  # the canonical chin, 3 cm lower
    eyes = mouth_template(96)[[0, 3]]
    assert (eyes[:, 1] < 0).all(), "the eyes lie above the mouth crop"


def test_gaps_are_bridged_when_short_and_left_when_long() -> None:
    values = np.arange(20.0)[:, None, None] * np.ones((20, 9, 2))
    valid = np.ones(20, bool)
    valid[[3, 4]] = False
    valid[8:16] = False
    filled = bridge(np.where(valid[:, None, None], values, 99), valid)
    np.testing.assert_allclose(filled[[3, 4], 0, 0], [3, 4])
    assert np.isnan(filled[8:16]).all()


def test_smoothing_leaves_a_parabola_as_it_is_and_calms_noise() -> None:
    t = np.linspace(0, 1, 40)
    clean = np.stack([100 + 30 * t + 20 * t**2, 50 - 10 * t], axis=1)[:, None] * np.ones(
        (1, 478, 1)
    )
    np.testing.assert_allclose(smooth_landmarks(clean, np.ones(40, bool)), clean, atol=1e-3)
    noisy = clean + np.random.default_rng(0).normal(size=clean.shape)
    assert (smooth_landmarks(noisy, np.ones(40, bool)) - clean).std() < 0.72


def test_the_speaker_is_followed_when_a_larger_face_walks_in() -> None:
    def square(x: float, y: float, side: float) -> np.ndarray:
        return np.array([[x, y], [x + side, y], [x, y + side], [x + side, y + side]])

    speaker, passer = square(400, 200, 200), square(100, 100, 300)
    assert choose_face([passer, speaker], None, (720, 1280)) == 0
    assert choose_face([passer, speaker + 5], speaker, (720, 1280)) == 1
    assert choose_face([square(0, 0, 210), square(540, 260, 200)], None, (720, 1280)) == 1, (
        "the central one of two alike"
    )


def projected_face(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The canonical face, turned, seen from far away: (1, 68, 2) pixels."""
    from stccl_data.face import face

    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turned = face._CANONICAL @ (about_z @ about_y @ about_x).T
    points = np.zeros((1, 68, 2))
    points[0, [*STABLE_68, 30]] = turned[:, :2] * [30, -30] + 500
    return points


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"),
    [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 15, 0), (0, -20, 0), (0, 0, 18)],
)
def test_head_pose_recovers_a_known_turn(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(projected_face(yaw, pitch, roll))
    np.testing.assert_allclose(
        [pose.yaw[0], pose.pitch[0], pose.roll[0]], [yaw, pitch, roll], atol=0.5
    )


def test_the_constant_box_holds_every_point_of_the_clip() -> None:
    rng = np.random.default_rng(3)
    landmarks = rng.uniform(100, 300, size=(10, 478, 2))
    landmarks[4] = np.nan
    transform = constant_box(landmarks, 224)
    points = ibug68(landmarks[~np.isnan(landmarks[:, 0, 0])]).reshape(-1, 2)
    placed = points @ transform[:, :2].T + transform[:, 2]
    assert placed.min() >= 0 and placed.max() <= 224
    assert np.isclose(np.ptp(placed, axis=0).max(), 224 / 1.1)
