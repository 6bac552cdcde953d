"""`stccl label`: propose sentence ids for clips that have none."""

from pathlib import Path

import click

from stccl_data.recordings.label import describe_report, label_manifest

from .new_file import NewFile
from .printable import printable
from .progress import open_progress


@click.command("label")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=NewFile(),
    help="The table to write, beside MANIFEST; it must not exist.",
)
def command(manifest: Path, output: Path) -> None:
    """Group the clips of each speaker in MANIFEST by what is said, and propose sentence ids.

    The column sentence may be empty. Proposals are used by `prepare` only with --accept-proposed,
    or after their cell in the column proposed was emptied.
    """
    with open_progress() as progress:
        report = label_manifest(manifest, output, progress)
    for line in describe_report(report):
        click.echo(printable(line))
