"""The landmark backends: their models are checked, and both give points where the face is."""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from stccl_data.landmarks import (
    LIPS_68,
    LandmarkConfig,
    Landmarker,
    ModelError,
    ibug68,
    landmarker_identity,
    open_landmarker,
)
from stccl_data.landmarks.fan import WEIGHTS_NAME, FanLandmarker, checked_weights
from stccl_data.landmarks.mediapipe import MODEL_SHA256, checked_model
from stccl_data.media.video import read_frames


@pytest.fixture(scope="module")
def frames(corpus) -> list[np.ndarray]:
    return [frame.image for frame in read_frames(corpus.folder / corpus.clips[0].path)][:6]


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return open_landmarker()


def beside(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.concatenate([one, np.full((one.shape[0], 60, 3), 90, np.uint8), other], axis=1)


def test_the_packaged_model_is_the_one_we_know():
    path, digest = checked_model(None)
    assert digest == MODEL_SHA256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_size == 3_758_596


def test_a_missing_model_is_named_with_the_option(tmp_path):
    with pytest.raises(
        ModelError, match=r"gone\.task cannot be read: No such file.*--landmarker-model"
    ):
        open_landmarker(LandmarkConfig(landmarker_model=str(tmp_path / "gone.task")))


@pytest.mark.parametrize("content", [b"", b"not a model at all" * 50, b"PK\x03\x04" + bytes(200)])
def test_a_file_that_is_no_model_is_refused_with_a_sentence(tmp_path, content):
    wrong = tmp_path / "wrong.task"
    wrong.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        open_landmarker(LandmarkConfig(landmarker_model=str(wrong)))
    assert str(wrong) in str(caught.value) and "\n" not in str(caught.value)


def test_another_model_file_is_taken_where_it_is_named(tmp_path, frames, landmarker):
    copy = tmp_path / "mine.task"
    copy.write_bytes(checked_model(None)[0].read_bytes())
    mine = open_landmarker(LandmarkConfig(landmarker_model=str(copy)))
    np.testing.assert_array_equal(
        mine.detect(frames[:1])[0][0], landmarker.detect(frames[:1])[0][0]
    )


def test_an_unknown_backend_is_named():
    with pytest.raises(ValueError, match=r"'dlib'.*mediapipe, fan"):
        open_landmarker(LandmarkConfig(backend="dlib"))


def test_results_are_named_by_backend_version_and_model(tmp_path):
    plain = landmarker_identity(LandmarkConfig())
    assert plain == f"mediapipe-{version('mediapipe')}-{MODEL_SHA256[:16]}"
    (tmp_path / "other.task").write_bytes(b"another")
    assert (
        landmarker_identity(LandmarkConfig(landmarker_model=str(tmp_path / "other.task"))) != plain
    )


def test_every_face_of_every_picture_is_found_in_pixels_of_the_picture(frames, landmarker):
    single, double, none = landmarker.detect(
        [frames[0], beside(frames[0], frames[3]), np.full((99, 80, 3), 90, np.uint8)]
    )
    assert len(single) == 1 and single[0].shape == (478, 2) and single[0].dtype == np.float32
    assert (single[0] > 0).all() and (single[0] < 192).all()
    left, right = sorted(double, key=lambda points: float(points[:, 0].mean()))
    assert left[:, 0].max() < 192 and right[:, 0].min() > 252
    assert np.abs(left - single[0]).max() < 8
    assert none == []


def test_a_picture_is_not_changed_and_may_be_a_slice(frames, landmarker):
    wide = beside(frames[0], frames[0])
    before = wide.copy()
    (points,) = landmarker.detect([wide[:, :192]])[0]
    np.testing.assert_array_equal(wide, before)
    np.testing.assert_array_equal(points, landmarker.detect([frames[0]])[0][0])


def test_the_68_points_view_keeps_leading_axes_and_lies_on_the_face(frames, landmarker):
    (points,) = landmarker.detect(frames[:1])[0]
    view = ibug68(points)
    assert view.shape == (68, 2) and ibug68(np.stack([points] * 3)[None]).shape == (1, 3, 68, 2)
    assert ibug68(view) is view, "68 points are 68 points"
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


# --- FAN, with random weights written to disk: its loading, its batches and its crops are real -------------------------------


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


def test_fan_places_its_points_in_every_face_whatever_the_batch(fan, frames):
    """Random weights point anywhere, but within the crop around the face, alone as in a batch, and they move with the face."""
    double = beside(frames[0], frames[0])
    none, both = fan.detect([np.full((80, 80, 3), 90, np.uint8), double])
    assert (len(none), len(both)) == (0, 2)
    (alone,) = fan.detect([frames[0]])[0]
    assert alone.shape == (68, 2) and alone.dtype == np.float32 and np.isfinite(alone).all()
    assert (alone > -120).all() and (alone < 312).all()
    left, right = sorted(both, key=lambda points: float(points[:, 0].mean()))
    assert np.median(np.abs(left - alone)) < 4
    assert np.median(np.abs(right - alone - [252, 0])) < 4, "each face from its own crop"


def test_fan_is_opened_by_its_name_and_named_by_its_weights(weights, tmp_path, monkeypatch):
    config = LandmarkConfig(backend="fan", fan_weights=str(weights))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert checked_weights(weights) == (weights, digest)
    assert landmarker_identity(config).startswith(f"fan-{digest[:16]}+mediapipe-")
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / WEIGHTS_NAME).symlink_to(weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    opened = open_landmarker(LandmarkConfig(backend="fan"))
    assert (opened.points, opened.batch) == (68, 16)


def test_missing_fan_weights_are_named_with_their_place(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / WEIGHTS_NAME
    with pytest.raises(ModelError) as caught:
        landmarker_identity(LandmarkConfig(backend="fan"))
    assert str(place) in str(caught.value) and "--fan-weights" in str(caught.value)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="cache/torch/hub/checkpoints"):
        checked_weights(None)


@pytest.mark.parametrize("content", ["text", "pickle", "other"])
def test_a_file_that_does_not_hold_fans_weights_is_refused_with_a_sentence(
    tmp_path, landmarker, content
):
    torch = pytest.importorskip("torch")
    pytest.importorskip("face_alignment")
    wrong = tmp_path / "wrong.pth"
    if content == "text":
        wrong.write_text("these are no weights")
    elif content == "pickle":
        torch.save({"run": Trap(tmp_path / "trapped")}, wrong)
    else:
        torch.save({"conv1.weight": torch.zeros(3)}, wrong)
    with pytest.raises(ModelError) as caught:
        FanLandmarker(wrong, boxes=landmarker)
    assert str(wrong) in str(caught.value) and "2DFAN-4" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trapped").exists(), "nothing in the file was run"


class Trap:
    """What a hostile weights file would do when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)
