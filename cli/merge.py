"""`stccl merge OUT`: put the parts of a job array together."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from .prepare import summary_words, watched_run


@click.command("merge")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Write the dataset OUT when all jobs `stccl prepare RAW OUT --shard I/N` are done.

    The result is byte for byte that of one run without --shard. A part that is not done is named, and nothing is written then.
    """
    from stccl_data.corpora import ScanError
    from stccl_data.corpora.splits import SplitError
    from stccl_data.pipeline.merge import merge

    try:
        with watched_run(out) as progress:
            summary = merge(out, progress)
    except (ScanError, SplitError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        json.dumps({**asdict(summary), "out": str(summary.out)})
        if as_json
        else summary_words(summary)
    )
    if summary.failed:
        sys.exit(1)
