"""`stccl withdraw`: remove a speaker from a dataset."""

from pathlib import Path

import click

from stccl_data.pipeline.withdraw import withdraw
from stccl_data.words import counted

from .printable import printable
from .progress import open_progress


@click.command("withdraw")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("speaker")
def command(out: Path, speaker: str) -> None:
    """Remove SPEAKER from the dataset in OUT, and from everything that later runs read.

    Shards, tables and card are written again without the speaker, the splits of the others stay,
    and every artefact and log of earlier runs that the dataset does not need is deleted. The raw
    recordings are never touched. `stccl verify OUT --absent SPEAKER` checks it again.
    """
    with open_progress() as progress:
        summary = withdraw(out, speaker, progress)
    clips = sum(summary.clips.values())
    click.echo(
        f"Nothing of {printable(speaker)} is left in {out}; it has {counted(clips, 'clip')}."
    )
    click.echo("Datasets, trained metrics and copies made before still hold the speaker.")
