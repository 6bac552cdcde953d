"""`stccl report`: write pages about a dataset or a run that open from disk."""

from pathlib import Path
from typing import Any

import click

from stccl_data.report import ReportConfig

from .options import config_of, options_of
from .output import echo_json
from .progress import open_progress


@click.command("report", context_settings={"show_default": True})
@click.argument("out", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the report.  [default: OUT/report]",
)
@options_of(ReportConfig)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(out: Path, to: Path | None, as_json: bool, **values: Any) -> None:
    """Write a report of the dataset in OUT: a folder with an index.html that opens from disk."""
    from stccl_data.report import write_dataset_report

    config = config_of(ReportConfig, values)
    with open_progress() as progress:
        result = write_dataset_report(out, to, config, progress)
    if as_json:
        echo_json(result)
    else:
        click.echo(f"{result.page}: open it in a browser")
