"""Facial landmarks: the backends behind one small interface, and the 68-point view that they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError

BACKENDS = ("mediapipe", "fan")


class Landmarker(Protocol):
    """Finds the landmarks of every face in a picture.

    `points`: K, landmarks a face. `batch`: how many pictures to hand over at once.
    """

    points: int
    batch: int

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[np.float32]]]:
        """images: (H, W, 3) uint8 RGB each. Returns, for each image, its faces: (K, 2) float32, pixels of the image."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkConfig:
    """Which landmarks. `backend`: one of BACKENDS. `landmarker_model`: another `face_landmarker.task` than the packaged one.
    `fan_weights`: the file of FAN's weights; None looks in `$TORCH_HOME/hub/checkpoints`. `device`: where FAN runs, as torch names
    it."""

    backend: str = "mediapipe"
    landmarker_model: str | None = None
    fan_weights: str | None = None
    device: str = "cpu"


def open_landmarker(config: LandmarkConfig | None = None) -> Landmarker:
    """The landmarker, its model loaded and checked.

    Raises ModelError where a model file is missing or is not what it should be, ValueError for an unknown backend.
    """
    config = config or LandmarkConfig()
    if config.backend == "mediapipe":
        from stccl_data.landmarks.mediapipe import MediaPipeLandmarker

        return MediaPipeLandmarker(config.landmarker_model)
    if config.backend == "fan":
        from stccl_data.landmarks.fan import FanLandmarker

        boxes = open_landmarker(LandmarkConfig(landmarker_model=config.landmarker_model))
        return FanLandmarker(config.fan_weights, boxes=boxes, device=config.device)
    raise ValueError(f"landmark backend {config.backend!r} is not one of {', '.join(BACKENDS)}")


def landmarker_identity(config: LandmarkConfig) -> str:
    """Backend, version and hash of the model that `config` names, without opening it: results are named by what made them.

    Raises ModelError where a model file is missing or is not what it should be.
    """
    from stccl_data.landmarks.mediapipe import checked_model

    identity = f"mediapipe-{version('mediapipe')}-{checked_model(config.landmarker_model)[1][:16]}"
    if config.backend == "fan":
        from stccl_data.landmarks.fan import checked_weights

        identity = f"fan-{checked_weights(config.fan_weights)[1][:16]}+{identity}"
    return identity


class ModelError(StcclError):
    """A landmark model cannot be used. The message says which file, and what to do."""


# Each of iBUG's 68 points by the MediaPipe vertices that lie there; where two, their midpoint.
_IBUG68 = (
    (127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,),  # jaw, right half and chin
    (400,), (379,), (365,), (397, 288), (361,), (323,), (454,), (356,),  # jaw, left half
    (156,), (70, 63), (105,), (66, 107), (55,),  # right brow
    (336, 285), (296,), (334,), (293, 300), (383,),  # left brow
    (168,), (6, 197), (195,), (5, 4), (98,), (97,), (2,), (326,), (327,),  # nose: bridge to tip, base
    (33,), (160,), (158,), (133,), (153,), (144,),  # right eye
    (362,), (385,), (387,), (263,), (373,), (380,),  # left eye
    (61,), (39,), (37,), (0,), (267,), (269,), (291,), (321,), (314,), (17,), (84,), (91,),  # outer lip
    (78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,),  # inner lip
)  # fmt: skip
_FIRST = np.array([pair[0] for pair in _IBUG68])
_SECOND = np.array([pair[-1] for pair in _IBUG68])

LIPS_68 = np.arange(48, 68)


def ibug68(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    """The 68-point view (iBUG order) of landmarks (..., 478, 2); what is (..., 68, 2) already is returned as it is."""
    if landmarks.shape[-2] == 68:
        return landmarks
    return (landmarks[..., _FIRST, :] + landmarks[..., _SECOND, :]) / 2
