"""A file that a command writes and that must not exist: it may hold corrections made by hand."""

from pathlib import Path
from typing import Any

import click


class NewFile(click.Path):
    """The type of an option that names such a file; a Path."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(str(super().convert(value, param, ctx)))
        check_new(path)
        return path


def check_new(path: Path) -> None:
    """Raise if a file exists.

    Raises:
        click.UsageError: it exists.
    """
    if path.exists():
        raise click.UsageError(
            f"{path} exists, and corrections in it would be lost. Give another name, or delete it"
        )
