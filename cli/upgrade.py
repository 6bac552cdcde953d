"""`stccl upgrade`: rewrite a dataset of an earlier schema."""

from pathlib import Path

import click
from humanize import naturalsize

from .output import echo_json
from .progress import resumable_progress


@click.command("upgrade")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the result into this new folder, and leave OUT as it is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(out: Path, to: Path | None, as_json: bool) -> None:
    """Rewrite the dataset in OUT in the present form of the shards (docs/shards.md).

    No frame is decoded, and the raw corpus is not needed. OUT can be read at every moment; its old
    shards are deleted when the new ones are complete. Run the same command again to resume after
    an interruption.
    """
    from stccl_data.pipeline.upgrade import upgrade

    with resumable_progress(to or out) as progress:
        result = upgrade(out, to, progress)
    if as_json:
        echo_json(result, indent=1)
        return
    click.echo(
        f"{result.out}: schema {result.schema_before} -> {result.schema}, {result.samples:,} "
        f"samples in {result.shards:,} shards, {naturalsize(result.bytes)}"
    )
    click.echo(f"next    stccl verify {result.out}")
