"""What all artefacts of a run have in common: files of arrays, beside a header in JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.executors import StopRunError
from stccl_data.files.npz import Npz, open_npz


class DamagedArtefactError(StopRunError):
    """An artefact could not be read and has been removed, so that the next attempt remakes it.

    Args:
        path: the removed file.
        detail: the message.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[1])


@contextmanager
def open_artefact(path: Path) -> Iterator[Npz]:
    """Open the arrays of an artefact.

    Raises:
        DamagedArtefactError: the file is damaged; it has been removed.
    """
    try:
        with open_npz(path) as stored:
            yield stored
    except ValueError as error:
        path.unlink(missing_ok=True)
        detail = f"{path} was damaged ({error}) and has been removed: `stccl prepare` remakes it"
        raise DamagedArtefactError(str(path), detail) from error


def header_of(path: Path) -> str:
    """Return the header of an artefact as JSON: everything except its arrays."""
    with open_artefact(path) as stored:
        return bytes(stored["header"]).decode()


def json_array(value: Any) -> NDArray[np.uint8]:
    """Return a value as JSON in an array, which `json.loads(bytes(array))` parses."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
