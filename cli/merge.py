"""`stccl merge`: write the dataset of a finished job array."""

from pathlib import Path

import click

from stccl_data.errors import UsageError

from .main import CommandError
from .prepare_summary import finish
from .progress import resumable_progress


@click.command("merge")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Write the dataset OUT once all jobs `stccl prepare RAW OUT --job I/N` have finished.

    The result is byte for byte that of one run without --job. An unfinished job is named, and
    nothing is written.
    """
    from stccl_data.pipeline.merge import merge

    try:
        with resumable_progress(out) as progress:
            summary = merge(out, progress)
    except UsageError as error:  # in the options of the jobs, not of this command
        raise CommandError(str(error)) from error
    finish(summary, as_json)
