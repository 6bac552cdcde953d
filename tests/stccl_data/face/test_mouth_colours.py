"""Whether the mouth can be seen, on rendered faces with something drawn before the mouth."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from stccl_data.face.crop_config import CropConfig
from stccl_data.face.mouth_colours import mouth_colours, mouth_visible
from stccl_data.face.tracking import track_video
from stccl_data.landmarks import LIPS_68, Face, Landmarker, ibug68
from stccl_data.pairs.gates import MIN_MOUTH_VISIBLE
from tests.testing.faces import follow
from tests.testing.media import record


@pytest.fixture(scope="module")
def faces(frames: list[np.ndarray], landmarker: Landmarker) -> list[Face]:
    """The face in each of `frames`."""
    return follow(landmarker, frames)


def cover(image: np.ndarray, points: np.ndarray, colour: Sequence[float] | None) -> np.ndarray:
    """Draw an ellipse before the mouth. colour: None for that of the cheeks."""
    marks = ibug68(points)
    lips = marks[LIPS_68]
    if colour is None:
        x, y = ((marks[[31, 35]] + marks[[48, 54]]) / 2).astype(int).T
        colour = image[y, x].mean(axis=0)
    centre, axes = lips.mean(axis=0), np.ptp(lips, axis=0) * (1.0, 1.4)
    covered = image.copy()
    cv2.ellipse(covered, (centre, 2 * axes, 0), [float(c) for c in colour], -1, cv2.LINE_AA)
    return covered


def visible(images: Sequence[np.ndarray], faces: Sequence[Face]) -> float | None:
    """Return `mouth_visible` of images whose faces are known."""
    return mouth_visible(
        np.stack([mouth_colours(i, f.points) for i, f in zip(images, faces, strict=True)])
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda image, _: image,
        lambda image, _: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
        lambda image, i: (image * (1.0, 0.8, 0.6) * (0.5 + 0.02 * i)).astype(np.uint8),
        lambda image, _: (image * 0.2).astype(np.uint8),
    ],
    ids=["as it is", "grey", "warm light that grows", "dim light"],
)
def test_a_mouth_that_speaks_is_visible_in_any_light(
    frames: list[np.ndarray], faces: list[Face], change: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    assert visible([change(image, i) for i, image in enumerate(frames)], faces) == 1


@pytest.mark.parametrize("hidden", [5, 12, 16])
@pytest.mark.parametrize(
    "colour", [None, (25, 25, 30), (235, 230, 225)], ids=["hand", "microphone", "cup"]
)
def test_frames_in_which_something_covers_the_mouth_do_not_show_it(
    frames: list[np.ndarray], faces: list[Face], colour: Sequence[float] | None, hidden: int
) -> None:
    images = [
        cover(image, face.points, colour) if i < hidden else image
        for i, (image, face) in enumerate(zip(frames, faces, strict=True))
    ]
    assert visible(images, faces) == pytest.approx(1 - hidden / len(frames), abs=0.05)


def test_a_mouth_that_is_covered_throughout_is_never_visible(
    frames: list[np.ndarray], faces: list[Face]
) -> None:
    images = [cover(i, f.points, None) for i, f in zip(frames, faces, strict=True)]
    assert visible(images, faces) == 0


def test_too_few_frames_tell_nothing(frames: list[np.ndarray], faces: list[Face]) -> None:
    assert visible(frames[:4], faces[:4]) is None


def test_a_hand_before_the_mouth_shows_in_the_scores_of_a_clip(tmp_path, frames, faces, landmarker):
    """Landmarks are placed on the hand, and the face is there in all frames."""
    images = [
        cover(i, f.points, None) if 4 <= n < 12 else i
        for n, (i, f) in enumerate(zip(frames, faces, strict=True))
    ]
    scores = track_video(
        str(record(tmp_path / "hand.mp4", images)), landmarker, CropConfig(crops="none")
    ).scores
    assert scores["face_rate"] == 1
    assert scores["mouth_visible"] == pytest.approx(0.6, abs=0.05) and MIN_MOUTH_VISIBLE > 0.6
