"""MediaPipe's own FaceLandmarker, 478 points: the reference for the runner."""

import atexit
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks.face import Face
from stccl_data.landmarks.loading import loading
from stccl_data.landmarks.model_file import checked_model

#: Most faces detected in an image: enough to notice that there are several. A second and a third
#: cost nothing measurable.
MAX_FACES = 3


class TasksLandmarker:
    """Detects landmarks image by image, in IMAGE mode.

    VIDEO mode smooths causally and lags the lips by up to a frame. Use one instance per process and
    one process per core: more threads gain nothing (measured).
    """

    points = 478
    batch = 1

    def __init__(self, model: str | Path | None = None) -> None:
        """Load a model.

        Args:
            model: a `face_landmarker.task`; None for the packaged one, whose hash is checked.

        Raises:
            ModelError: the model or mediapipe cannot be loaded.
        """
        path, _ = checked_model(model)
        with loading("mediapipe", str(path)):
            import mediapipe as mp
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(path)),
                running_mode=vision.RunningMode.IMAGE,
                num_faces=MAX_FACES,
                output_face_blendshapes=True,
            )
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
            # the networks start, and log, at the first image
            blank = np.zeros((64, 64, 3), np.uint8)
            self._landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=blank))
        self._mp = mp
        atexit.register(self._release)

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        known: Sequence[Face] = (),
        *,
        search: bool = True,
    ) -> list[list[Face]]:
        """See `Landmarker.detect`. Known faces are not used: every image is searched."""
        return [self._detect_faces(image) for image in images]

    def _detect_faces(self, image: NDArray[np.uint8]) -> list[Face]:
        height, width = image.shape[:2]
        mp_image = self._mp.Image(
            image_format=self._mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        result = self._landmarker.detect(mp_image)
        scale = np.array([width, height], np.float32)
        return [
            Face(
                np.array([(p.x, p.y) for p in points], np.float32) * scale,
                blendshapes=np.array([shape.score for shape in shapes], np.float32),
            )
            for points, shapes in zip(result.face_landmarks, result.face_blendshapes, strict=True)
        ]

    def _release(self) -> None:
        """Drop the native handle at exit, without which mediapipe's destructor complains.

        By then its threads are gone, and nothing is left to free.
        """
        self._landmarker._handle = None
