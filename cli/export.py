"""`stccl export`: a prepared dataset in the forms that existing trainers read."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from stccl_data.dataset import ShardError
from stccl_data.interchange.selection import ExportConfig, ExportError

from .options import config_of, options_of
from .progress import open_progress

FORMS = ("aligned-path", "folders")


@click.command("export")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("to", metavar="TO", type=click.Path(path_type=Path))
@click.option(
    "--form", type=click.Choice(FORMS), required=True, help="A pair file, or folders of frames."
)
@options_of(ExportConfig)
@click.option(
    "--size", type=click.IntRange(16, 4096), default=512, help="folders: side of a frame, pixels."
)
@click.option(
    "--jpeg-quality",
    type=click.IntRange(1, 100),
    default=95,
    help="folders: quality of resized frames.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    out: Path, to: Path, form: str, size: int, jpeg_quality: int, as_json: bool, **values: Any
) -> None:
    """Write the accepted pairs of the dataset OUT in a published form.

    \b
    --form aligned-path: TO is a pair file, {speaker: {emotion: {"001_001": [[source frames], [target frames]]}}}
    --form folders:      TO is a folder, SPEAKER/align_img/EMOTION/NNN/000000.jpg, every frame of every clip

    Nothing that is there already is overwritten; an export of folders that was cut off goes on when it is run again.
    """
    from stccl_data.interchange.aligned_path import export_aligned_path
    from stccl_data.interchange.folders import export_folders

    config = config_of(ExportConfig, values)
    try:
        with open_progress() as progress:
            if form == "aligned-path":
                file = export_aligned_path(out, to, config, progress)
                record, notes = asdict(file), file.notes
                there = "" if file.written else " (it was there already)"
                words = (
                    f"{file.pairs:,} pairs, {file.frame_pairs:,} frame pairs in {file.file}{there}"
                )
            else:
                folders = export_folders(
                    out, to, config, size=size, quality=jpeg_quality, progress=progress
                )
                record, notes = asdict(folders), folders.notes
                words = f"{folders.clips:,} clips in {folders.folder}; {folders.made:,} written now, {folders.frames:,} frames"
    except (ExportError, ShardError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(record, default=str, indent=1))
        return
    click.echo(words)
    for note in notes:
        click.echo(f"note    {note}")
