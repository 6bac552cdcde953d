"""Both landmark backends check their models and place points on the face."""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from stccl_data.errors import UsageError
from stccl_data.landmarks import (
    LIPS_68,
    LandmarkConfig,
    ModelError,
    ibug68,
    landmarker_identity,
    open_landmarker,
)
from stccl_data.landmarks.fan import WEIGHTS_NAME, FanLandmarker, checked_weights, peaks
from stccl_data.landmarks.model_file import MODEL_SHA256, checked_model


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Join two frames with a grey bar of 60 pixels between them."""
    return np.concatenate([left, np.full((left.shape[0], 60, 3), 90, np.uint8), right], axis=1)


def test_the_packaged_model_is_the_expected_one():
    path, digest = checked_model(None)
    assert digest == MODEL_SHA256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_size == 3_758_596


def test_a_missing_model_is_named_with_its_option(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.task .*--landmarker-model"):
        open_landmarker(LandmarkConfig(landmarker_model=str(tmp_path / "gone.task")))


@pytest.mark.parametrize("content", [b"", b"not a model at all" * 50, b"PK\x03\x04" + bytes(200)])
def test_an_invalid_model_file_is_refused_in_one_line(tmp_path, content):
    wrong = tmp_path / "wrong.task"
    wrong.write_bytes(content)
    with pytest.raises(ModelError) as error:
        open_landmarker(LandmarkConfig(landmarker_model=str(wrong)))
    assert str(wrong) in str(error.value) and "\n" not in str(error.value)


def test_another_model_file_can_be_given(tmp_path, frames, landmarker):
    copy = tmp_path / "copy.task"
    copy.write_bytes(checked_model(None)[0].read_bytes())
    other = open_landmarker(LandmarkConfig(landmarker_model=str(copy)))
    np.testing.assert_array_equal(
        other.detect(frames[:1])[0][0].points, landmarker.detect(frames[:1])[0][0].points
    )


def test_an_unknown_backend_is_refused():
    with pytest.raises(UsageError, match="dlib"):
        open_landmarker(LandmarkConfig(backend="dlib"))


def test_identity_holds_backend_version_and_model_hash(tmp_path):
    plain = landmarker_identity(LandmarkConfig())
    assert plain == f"mediapipe-litert-{version('ai-edge-litert')}-{MODEL_SHA256[:16]}"
    tasks = landmarker_identity(LandmarkConfig(backend="mediapipe-tasks"))
    assert tasks == f"mediapipe-tasks-{version('mediapipe')}-{MODEL_SHA256[:16]}"
    (tmp_path / "other.task").write_bytes(b"another")
    assert (
        landmarker_identity(LandmarkConfig(landmarker_model=str(tmp_path / "other.task"))) != plain
    )


def test_every_face_of_every_image_is_detected_in_pixels(frames, landmarker):
    single, double, no_faces = landmarker.detect(
        [frames[0], side_by_side(frames[0], frames[3]), np.full((99, 80, 3), 90, np.uint8)]
    )
    (points,) = (face.points for face in single)
    assert points.shape == (478, 2) and points.dtype == np.float32
    assert (points > 0).all() and (points < 192).all()
    left, right = sorted((f.points for f in double), key=lambda points: float(points[:, 0].mean()))
    assert left[:, 0].max() < 192 and right[:, 0].min() > 252
    assert np.abs(left - points).max() < 8
    assert no_faces == []


def test_an_image_may_be_a_slice_and_is_not_changed(frames, landmarker):
    wide = side_by_side(frames[0], frames[0])
    before = wide.copy()
    (face,) = landmarker.detect([wide[:, :192]])[0]
    np.testing.assert_array_equal(wide, before)
    np.testing.assert_array_equal(face.points, landmarker.detect([frames[0]])[0][0].points)


def test_the_68_point_view_keeps_leading_axes_and_lies_on_the_face(frames, landmarker):
    points = landmarker.detect(frames[:1])[0][0].points
    view = ibug68(points)
    assert view.shape == (68, 2) and ibug68(np.stack([points] * 3)[None]).shape == (1, 3, 68, 2)
    assert ibug68(view) is view
    eyes_right, eyes_left, nose, mouth, chin = (
        view[36:42].mean(0),
        view[42:48].mean(0),
        view[30],
        view[LIPS_68].mean(0),
        view[8],
    )
    assert eyes_right[0] < nose[0] < eyes_left[0]
    assert eyes_right[1] < nose[1] < mouth[1] < chin[1]
    assert view[48, 0] < view[54, 0] and view[51, 1] < view[57, 1], (
        "the mouth's corners, and upper before lower lip"
    )


# FAN with random weights on disk: loading, batches and crops are real.


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("face_alignment.models")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("fan") / WEIGHTS_NAME
    torch.save(models.FAN(4).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def fan(weights, landmarker) -> FanLandmarker:
    return FanLandmarker(weights, boxes=landmarker, batch=2)


def test_fan_places_points_in_every_face_for_any_batch(fan, frames):
    """Random weights put points anywhere in the crop around a face, but the same in every batch."""
    double = side_by_side(frames[0], frames[0])
    no_faces, both = fan.detect([np.full((80, 80, 3), 90, np.uint8), double])
    assert (len(no_faces), len(both)) == (0, 2)
    alone = fan.detect([frames[0]])[0][0].points
    assert alone.shape == (68, 2) and alone.dtype == np.float32 and np.isfinite(alone).all()
    assert (alone > -120).all() and (alone < 312).all()
    left, right = sorted(
        (face.points for face in both), key=lambda points: float(points[:, 0].mean())
    )
    assert np.median(np.abs(left - alone)) < 4
    assert np.median(np.abs(right - alone - [252, 0])) < 4, "each face from its own crop"


def test_a_heatmap_peaks_towards_its_higher_neighbour():
    heat = np.zeros((1, 3, 64, 64), np.float32)
    heat[0, 0, 20, 30], heat[0, 0, 20, 31], heat[0, 0, 19, 30] = 1.0, 0.5, 0.25
    heat[0, 1, 63, 0] = 1.0  # in a corner
    heat[0, 2, 5, 7], heat[0, 2, 5, 6] = 1.0, 0.1
    np.testing.assert_array_equal(peaks(heat)[0], [[30.75, 20.25], [0.5, 63.5], [7.25, 5.5]])


def test_fan_identity_holds_the_hash_of_its_weights(weights, tmp_path, monkeypatch):
    config = LandmarkConfig(backend="fan", fan_weights=str(weights))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert checked_weights(weights) == (weights, digest)
    assert landmarker_identity(config).startswith(f"fan2-{digest[:16]}+mediapipe-")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / WEIGHTS_NAME).symlink_to(weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    fan = open_landmarker(LandmarkConfig(backend="fan"))
    assert (fan.points, fan.batch) == (68, 16)


def test_missing_fan_weights_are_named_with_their_path(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / WEIGHTS_NAME
    with pytest.raises(ModelError) as error:
        landmarker_identity(LandmarkConfig(backend="fan"))
    assert str(path) in str(error.value) and "--fan-weights" in str(error.value)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="cache/torch/hub/checkpoints"):
        checked_weights(None)


@pytest.mark.parametrize("content", ["text", "pickle", "other"])
def test_invalid_fan_weights_are_refused_in_one_line(tmp_path, landmarker, content):
    torch = pytest.importorskip("torch")
    pytest.importorskip("face_alignment")
    wrong = tmp_path / "wrong.pth"
    if content == "text":
        wrong.write_text("not weights")
    elif content == "pickle":
        torch.save({"run": Trap(tmp_path / "trapped")}, wrong)
    else:
        torch.save({"conv1.weight": torch.zeros(3)}, wrong)
    with pytest.raises(ModelError) as error:
        FanLandmarker(wrong, boxes=landmarker)
    assert str(wrong) in str(error.value) and "2DFAN-4" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "trapped").exists(), "nothing in the file was executed"


class Trap:
    """What a hostile weights file would do when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)
