"""Facial landmarks: the backends behind one small interface, and the 68-point view they share."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.landmarks.face import BLENDSHAPES, Face
from stccl_data.landmarks.points import LIPS_68, ibug68, lip_points, points_in_crop
from stccl_data.options import config_class

__all__ = [
    "BLENDSHAPES",
    "LIPS_68",
    "Backend",
    "Face",
    "LandmarkConfig",
    "Landmarker",
    "ModelError",
    "ibug68",
    "landmarker_identity",
    "lip_points",
    "open_landmarker",
    "points_in_crop",
]

Backend = Literal["mediapipe", "mediapipe-tasks", "fan"]


class Landmarker(Protocol):
    """Detects the landmarks of every face in an image."""

    #: K, the number of landmarks per face.
    points: int
    #: How many images to pass at once.
    batch: int

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        known: Sequence[Face] = (),
        *,
        search: bool = True,
    ) -> list[list[Face]]:
        """Detect the faces in some images.

        The result depends on the arguments alone: a landmarker keeps nothing between two calls.

        Args:
            images: (H, W, 3) uint8 RGB each.
            known: the faces in the frame before the first image, in its pixels. A hint: a backend
                that follows faces looks for them in their place, which is cheaper.
            search: whether to look for other faces than the known ones too. Without any known face
                (or if a known one is lost) the image is always searched.

        Returns:
            For each image its faces. Those that continue a known face come first, in the order of
            `known`, if the backend follows faces.
        """
        ...


@config_class
class LandmarkConfig:
    """The landmark backend and its model files."""

    backend: Backend = "mediapipe"
    #: `face_landmarker.task` to use instead of the packaged one
    landmarker_model: str | None = None
    #: FAN weights; None looks in `$TORCH_HOME/hub/checkpoints`
    fan_weights: str | None = None
    #: torch device of the FAN backend
    device: str = "cpu"


class ModelError(StcclError):
    """A landmark model cannot be used. The message says which file, and what to do."""


def open_landmarker(config: LandmarkConfig | None = None) -> Landmarker:
    """Load and check the landmark model and return its landmarker.

    Raises:
        ModelError: a model file is missing or invalid.
    """
    config = config or LandmarkConfig()
    if config.backend == "fan":
        from stccl_data.landmarks.fan import FanLandmarker

        boxes = open_landmarker(LandmarkConfig(landmarker_model=config.landmarker_model))
        return FanLandmarker(config.fan_weights, boxes=boxes, device=config.device)
    if config.backend == "mediapipe-tasks":
        from stccl_data.landmarks.tasks import TasksLandmarker

        return TasksLandmarker(config.landmarker_model)
    from stccl_data.landmarks.runner import RunnerLandmarker

    return RunnerLandmarker(config.landmarker_model)


def landmarker_identity(config: LandmarkConfig) -> str:
    """Return backend, version and model hash, which become part of the names of stored results.

    The model is not opened.

    Raises:
        ModelError: a model file is missing or invalid.
    """
    from stccl_data.landmarks.model_file import checked_model

    digest = checked_model(config.landmarker_model)[1][:16]
    if config.backend == "mediapipe-tasks":
        return f"mediapipe-tasks-{version('mediapipe')}-{digest}"
    identity = f"mediapipe-litert-{_litert_version()}-{digest}"
    if config.backend == "fan":
        from stccl_data.landmarks.fan import checked_weights

        # 2: points are no longer rounded down to pixels
        identity = f"fan2-{checked_weights(config.fan_weights)[1][:16]}+{identity}"
    return identity


def _litert_version() -> str:
    try:
        return version("ai-edge-litert")
    except PackageNotFoundError:
        raise ModelError(
            "the package ai-edge-litert, which runs the landmark networks, is missing: "
            "pip install ai-edge-litert. Where it has no build, use --landmarks mediapipe-tasks"
        ) from None
