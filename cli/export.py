"""`stccl export`: write a dataset in the forms that existing trainers read."""

from pathlib import Path
from typing import Any

import click

from stccl_data.interchange.selection import ExportConfig
from stccl_data.words import counted

from .options import config_of, options_of
from .output import echo_json
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
    help="folders: JPEG quality of resized frames.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    out: Path, to: Path, form: str, size: int, jpeg_quality: int, as_json: bool, **values: Any
) -> None:
    """Write the accepted pairs of the dataset OUT in a published form.

    \b
    --form aligned-path: TO is a pair file,
        {speaker: {emotion: {"001_001": [[source frames], [target frames]]}}}
    --form folders: TO is a folder of every frame of every clip,
        SPEAKER/align_img/EMOTION/NNN/000000.jpg

    Existing files are not overwritten; run an interrupted export of folders again to resume it.
    """
    from stccl_data.interchange.aligned_path import export_aligned_path
    from stccl_data.interchange.folders import export_folders

    config = config_of(ExportConfig, values)
    result: Any
    with open_progress() as progress:
        if form == "aligned-path":
            result = export_aligned_path(out, to, config, progress)
            existing = "" if result.written else " (it existed already)"
            pairs = f"{counted(result.pairs, 'pair')}, {counted(result.frame_pairs, 'frame pair')}"
            summary = f"{pairs} in {result.file}{existing}"
        else:
            result = export_folders(
                out, to, config, size=size, quality=jpeg_quality, progress=progress
            )
            summary = (
                f"{counted(result.clips, 'clip')} in {result.folder}; "
                f"{result.made:,} written now, {counted(result.frames, 'frame')}"
            )
    if as_json:
        echo_json(result, indent=1)
        return
    click.echo(summary)
    for note in result.notes:
        click.echo(f"note    {note}")
