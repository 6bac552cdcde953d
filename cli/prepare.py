"""`stccl prepare`: make a dataset from raw videos."""

from pathlib import Path
from typing import Any

import click

from stccl_data.pipeline.config import PrepareConfig

from .options import config_of, options_of
from .output import echo_json
from .prepare_summary import finish, format_plan
from .progress import resumable_progress


@click.command(context_settings={"show_default": True})
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@options_of(PrepareConfig)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be done, and what a changed option would redo; write nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary, or the plan of a dry run, as JSON."
)
def command(raw: Path, out: Path, dry_run: bool, as_json: bool, **values: Any) -> None:
    """Make webdataset shards in OUT of the aligned pairs in RAW, a corpus folder or a manifest.

    RAW is never written to. Run the same command again to resume after an interruption.
    """
    config = config_of(PrepareConfig, values)
    if dry_run:
        _print_plan(raw, out, config, as_json)
        return
    from stccl_data.pipeline.prepare import prepare

    with resumable_progress(out) as progress:
        summary = prepare(raw, out, config, progress)
    finish(summary, as_json)


def _print_plan(raw: Path, out: Path, config: PrepareConfig, as_json: bool) -> None:
    from stccl_data.pipeline.plan import plan_run

    with resumable_progress(out):
        plan = plan_run(raw, out, config)
    if as_json:
        echo_json(plan)
    else:
        click.echo(format_plan(plan, config))
