"""Load a native library and a model of it: quietly, and with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from stccl_data.landmarks import ModelError
from stccl_data.landmarks.native_log import hide_native_log


@contextmanager
def loading(library: str, model: str, *, otherwise: str = "") -> Iterator[None]:
    """Hide what the library logs in the block, and name the library or the model in its errors.

    Args:
        library: what the block imports.
        model: what it loads.
        otherwise: advice if the library is missing, appended to the message.

    Raises:
        ModelError: the library or the model cannot be loaded.
    """
    try:
        with hide_native_log():
            yield
    except (ImportError, OSError) as error:  # OSError: mediapipe loads its library at first use
        raise ModelError(
            f"{library} cannot be loaded ({error}). Run `stccl doctor` to see what is missing"
            f"{otherwise}"
        ) from error
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{model} cannot be run by {library}: {reason}") from error
