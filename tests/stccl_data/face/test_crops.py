"""Crops: the similarity transform, the templates and the cut, against independent computations."""

import cv2
import numpy as np
import pytest

from stccl_data.face.crops import (
    DegenerateFaceError,
    constant_box,
    estimate_similarity,
    face_template,
    mouth_template,
)
from stccl_data.landmarks import ibug68
from stccl_data.media.warp import cut_square


def umeyama_by_svd(points: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Umeyama 1991, equations 40-42, by singular value decomposition."""
    mp, mq = points.mean(0), template.mean(0)
    covariance = (template - mq).T @ (points - mp) / len(points)
    u, d, vt = np.linalg.svd(covariance)
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(s) @ vt
    scale = (d * s).sum() / (points - mp).var(axis=0).sum()
    return np.hstack([scale * rotation, (mq - scale * rotation @ mp)[:, None]])


def test_similarity_equals_umeyamas_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points, template = rng.normal(size=(9, 2)) * 100, rng.normal(size=(9, 2)) * 100
        np.testing.assert_allclose(
            estimate_similarity(points, template), umeyama_by_svd(points, template), atol=1e-8
        )


def test_similarity_of_coinciding_points_is_an_error() -> None:
    with pytest.raises(DegenerateFaceError):
        estimate_similarity(np.ones((9, 2)), face_template(224))


def test_crop_shows_a_point_where_the_transform_maps_it() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    y, x = 217, 341
    image[y - 4 : y + 5, x - 4 : x + 5] = 255  # centred at (x + 0.5, y + 0.5)
    for scale, degrees in [(1.0, 0), (0.31, 12), (0.9, -30), (2.2, 5)]:
        t = np.radians(degrees)
        linear = scale * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        transform = np.hstack([linear, (np.array([50, 60]) - linear @ [x + 0.5, y + 0.5])[:, None]])
        seen = cut_square(image, transform, 112)[..., 0].astype(float)
        rows, columns = np.mgrid[:112, :112] + 0.5
        centre = (seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()
        assert np.hypot(centre[0] - 50, centre[1] - 60) < 0.15, (scale, degrees, centre)


def test_crop_of_fine_stripes_does_not_alias() -> None:
    image = np.zeros((900, 900, 3), np.uint8)
    image[:, ::2] = 255
    transform = np.array([[0.26, 0, 0], [0, 0.26, 0]])
    seen = cut_square(image, transform, 224)[8:-8, 8:-8]
    aliased = cv2.warpAffine(image, transform, (224, 224))[8:-8, 8:-8]
    assert seen.std() < 0.4 * aliased.std()


def test_crop_beyond_the_border_is_padded_with_black() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    seen = cut_square(image, np.array([[1.0, 0, 50], [0, 1.0, 50]]), 128)
    assert seen.shape == (128, 128, 3)
    assert seen[:49].max() == 0 and seen[52:, 52:].min() == 200
    assert cut_square(image, np.array([[1.0, 0, 1000], [0, 1.0, 0]]), 64).max() == 0


def test_face_template_has_room_for_a_wide_open_jaw() -> None:
    per_cm = np.ptp(face_template(224)[:4, 0]) / 8.9
    eye_line = face_template(224)[0, 1]
    assert eye_line + per_cm * (2.66 + 9.4 + 3.0) < 224  # the canonical chin, 3 cm lower


def test_eyes_lie_above_the_mouth_crop() -> None:
    assert (mouth_template(96)[[0, 3], 1] < 0).all()


def test_constant_box_contains_every_point_of_the_clip() -> None:
    rng = np.random.default_rng(3)
    landmarks = rng.uniform(100, 300, size=(10, 478, 2))
    landmarks[4] = np.nan
    transform = constant_box(landmarks, 224)
    points = ibug68(landmarks[~np.isnan(landmarks[:, 0, 0])]).reshape(-1, 2)
    placed = points @ transform[:, :2].T + transform[:, 2]
    assert placed.min() >= 0 and placed.max() <= 224
    assert np.isclose(np.ptp(placed, axis=0).max(), 224 / 1.1)
