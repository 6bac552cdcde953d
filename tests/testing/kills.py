"""End the process before a chosen change of the file system, as a kill would."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for the end of the process."""


def kill(*args: Any) -> None:
    """End the process."""
    raise Killed


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """End the process before its `step`th change of a file or folder within the block."""
    steps = iter(range(10**6))

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **options: Any) -> Any:
            if next(steps) >= step:
                raise Killed
            return change(*args, **options)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "link"), (shutil, "rmtree")):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield
