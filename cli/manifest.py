"""`stccl manifest`: write a manifest from the paths of files."""

from pathlib import Path

import click

from stccl_data.corpora.manifest_writer import MANIFEST, manifest_of_folder

from .findings import echo_findings
from .new_file import NewFile, check_new
from .printable import printable


@click.command(name="manifest")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--pattern",
    required=True,
    help="Labels in the paths, such as '{speaker}/{emotion}/{sentence}_{take}.mp4'; * is anything.",
)
@click.option(
    "--map", "translations", multiple=True, help="Translate a value, such as emotion:wut=angry."
)
@click.option("--set", "constants", multiple=True, help="A label of all files, as speaker=ann.")
@click.option(
    "-o",
    "--output",
    type=NewFile(),
    help="The table; it must not exist.  [default: manifest.csv in FOLDER]",
)
def command(
    folder: Path,
    pattern: str,
    translations: tuple[str, ...],
    constants: tuple[str, ...],
    output: Path | None,
) -> None:
    """Write a manifest of the media files in FOLDER whose paths contain their labels.

    Files that do not match are named, and have no row.
    """
    target = output or folder / MANIFEST
    check_new(target)
    written = manifest_of_folder(
        folder, pattern, target, translations=translations, constants=constants
    )
    click.echo(f"{written.rows:,} rows in {printable(str(written.path))}")
    echo_findings(written.findings)
