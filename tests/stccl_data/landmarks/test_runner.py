"""The runner finds, turns and follows faces, and agrees with MediaPipe's own graph."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stccl_data.landmarks import Face, LandmarkConfig, Landmarker, ModelError, open_landmarker
from stccl_data.landmarks.detector import tiles
from stccl_data.landmarks.model_file import read_network
from stccl_data.landmarks.region import Region, region_of_face
from stccl_data.media.video import read_frames
from tests.conftest import REAL
from tests.testing.faces import disagreement, follow, jitter

RIGHT_EYE, LEFT_EYE = 33, 263


@pytest.fixture(scope="module")
def tasks() -> Landmarker:
    """MediaPipe's own graph, the reference, on machines that have its system libraries."""
    try:
        return open_landmarker(LandmarkConfig(backend="mediapipe-tasks"))
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def face(landmarker: Landmarker, frames: list[np.ndarray]) -> Face:
    """The face in `frames[0]`."""
    return landmarker.detect(frames[:1])[0][0]


def eye_distance(points: np.ndarray) -> float:
    return float(np.hypot(*(points[LEFT_EYE] - points[RIGHT_EYE])))


def median_error(points: np.ndarray, expected: np.ndarray) -> float:
    """Return the median distance of points as a share of the expected distance of the eyes."""
    off = np.hypot(*(points - expected).T)
    return float(np.median(off)) / eye_distance(expected)


def test_the_runner_agrees_with_mediapipes_graph_and_is_as_steady(frames, landmarker, tasks):
    ours, theirs = follow(landmarker, frames), follow(tasks, frames)
    off = disagreement(ours, theirs)
    assert np.median(off) < 0.01 and np.percentile(off, 99) < 0.05
    assert jitter(ours) < 1.2 * jitter(theirs)  # 0.91 to 1.04 on whole clips
    a, b = ours[0].blendshapes, theirs[0].blendshapes
    assert a.shape == (52,) and a.dtype == np.float32 and np.abs(a - b).mean() < 0.05


@pytest.mark.parametrize(
    "clip", ["mead/M030/video/front/sad", "mead_silent/W009/video/front/happy"]
)
def test_the_runner_agrees_with_mediapipes_graph_on_real_clips(clip, landmarker, tasks):
    paths = sorted((REAL / clip).rglob("*.mp4"))
    if not paths:
        pytest.skip("the real clips are not here")
    images = [frame.image for _, frame in zip(range(12), read_frames(paths[0]), strict=False)]
    ours, theirs = follow(landmarker, images), follow(tasks, images)
    off = disagreement(ours, theirs)
    assert np.median(off) < 0.01 and np.percentile(off, 99) < 0.055


def test_a_known_face_is_followed_and_the_result_depends_on_the_arguments_alone(frames, landmarker):
    (first,) = landmarker.detect(frames[:1])[0]
    followed = [landmarker.detect([frames[1]], [first], search=False)[0][0] for _ in range(2)]
    np.testing.assert_array_equal(followed[0].points, followed[1].points)
    (batch,) = landmarker.detect(frames[:2], search=False)[1]
    np.testing.assert_array_equal(batch.points, followed[0].points)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_faces_are_placed_as_upright_ones(quarters, frames, landmarker, face):
    turned = np.ascontiguousarray(np.rot90(frames[0], quarters))
    (seen,) = landmarker.detect([turned])[0]
    side, points = 192, face.points
    for _ in range(quarters):
        points = np.stack([points[:, 1], side - points[:, 0]], axis=1)
    assert median_error(seen.points, points) < 0.02
    (again,) = landmarker.detect([turned], [seen], search=False)[0]
    assert median_error(again.points, points) < 0.02, "the known face tells the rotation"


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840)])
def test_a_face_of_24_pixels_between_the_eyes_is_detected(size, frames, landmarker, face):
    scale = 24 / eye_distance(face.points)
    small = cv2.resize(frames[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    image = np.full((*size, 3), 90, np.uint8)
    y, x = int(size[0] * 0.7), int(size[1] * 0.37)
    image[y : y + len(small), x : x + small.shape[1]] = small
    (seen,) = landmarker.detect([image])[0]
    assert median_error(seen.points, face.points * len(small) / 192 + [x, y]) < 0.05


def test_a_face_that_disappears_is_lost_and_one_that_enters_is_noticed(frames, landmarker, face):
    wall = np.full_like(frames[0], 90)
    assert landmarker.detect([wall], [face])[0] == []
    both = np.concatenate([frames[0], wall, frames[3]], axis=1)
    (known,) = landmarker.detect([both], [face], search=False)[0]
    followed, other = landmarker.detect([both], [face], search=True)[0]
    np.testing.assert_array_equal(known.points, followed.points)
    assert other.points[:, 0].min() > 384


def test_presence_falls_as_the_face_is_blurred_and_is_low_without_a_face(frames, landmarker, face):
    assert face.presence > 0.9999
    blur = 0.3 * eye_distance(face.points)
    blurred = cv2.GaussianBlur(frames[0], (0, 0), blur)
    assert landmarker.detect([blurred], [face])[0] == []


def test_a_face_near_the_hint_is_found_again_after_a_jump(frames, landmarker, face):
    step = int(0.9 * eye_distance(face.points))
    moved = np.roll(np.pad(frames[0], ((0, 0), (0, step), (0, 0)), mode="edge"), step, axis=1)
    (seen,) = landmarker.detect([moved], [face], search=False)[0]
    assert median_error(seen.points, face.points + np.array([step, 0])) < 0.02


def test_tiles_cover_the_image_and_the_last_level_shows_the_smallest_faces() -> None:
    levels = list(tiles(1080, 1920))
    assert len(levels[0]) == 1 and levels[0][0].side == 1920
    last = levels[-1]
    assert last[0].side == pytest.approx(400)
    x, y = np.mgrid[0:1920:40, 0:1080:40].reshape(2, -1)
    covered = [np.abs(np.stack([x, y]).T - t.centre).max(axis=1) <= t.side / 2 for t in last]
    assert np.any(covered, axis=0).all()


def test_a_region_is_level_with_the_eyes_and_maps_back(face) -> None:
    region = region_of_face(face.points)
    in_crop = face.points @ region.transform(256)[:, :2].T + region.transform(256)[:, 2]
    assert abs(in_crop[LEFT_EYE, 1] - in_crop[RIGHT_EYE, 1]) < 0.01
    assert in_crop.min() > 0 and in_crop.max() < 256
    np.testing.assert_allclose(region.to_image(in_crop, 256), face.points, atol=1e-3)
    assert region_of_face(np.zeros((478, 2))) is None
    assert region.overlap(region) == pytest.approx(1)
    assert Region(region.centre + region.side, region.side, 0.0).overlap(region) < 1e-9


def test_a_file_without_the_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.task"):
        read_network(tmp_path / "gone.task", "face_detector.tflite")
