"""`stccl measure`: measure generated clips against their sources, beside control rows."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .progress import open_progress, resumable_progress

if TYPE_CHECKING:
    from stccl_data.progress import Progress
    from stccl_train.measures.measure_config import MeasureConfig
    from stccl_train.measures.request import Row


@click.command("measure", context_settings={"show_default": True})
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--run",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a trained metric, for SCC and TCC.",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of your weights files, see `stccl doctor`.  [default: $STCCL_WEIGHTS, or "
    "~/.cache/stccl/weights]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write all tables here, and keep clips and results, so that the command resumes.",
)
@click.option(
    "--format",
    "form",
    default="text",
    type=click.Choice(["text", "csv", "json", "latex"]),
    help="What is printed.",
)
@click.option(
    "--measures",
    help="Print these measures alone: names as in measure.csv, separated by commas. Files in "
    "--out have all measures.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Print all that measure.txt has: every measure by emotion, and over the shift alone.",
)
@click.option(
    "--protocol",
    type=click.Choice(["spfem2024"]),
    help="The published protocol instead, by your weights files; prints text or JSON.",
)
@click.option("--device", default="cpu", help="Of the networks: cpu, cuda, cuda:1, ...")
@click.option("--workers", default=0, type=click.IntRange(min=0), help="Processes; 0: every core.")
def command(
    paths: tuple[Path, ...],
    run: Path | None,
    weights: Path | None,
    out: Path | None,
    form: str,
    measures: str | None,
    everything: bool,
    protocol: str | None,
    device: str,
    workers: int,
) -> None:
    """Measure GENERATED clips against their SOURCE, beside control rows.

    \b
    PATHS are one of
      SOURCE GENERATED...   videos
      SOURCE GENERATED...   folders with equal file names, one GENERATED for each method; those
                            in SPEAKER/EMOTION/ are compared by emotion, with the source
                            SPEAKER/EMOTION/, SPEAKER/neutral/ or SPEAKER/
      ROWS.csv              with the columns source,generated and, if you like, method,
                            speaker,emotion,reference,audio,sentence

    --protocol takes the CSV with speaker and emotion, or folders REAL GENERATED... of face images,
    ACTOR/EMOTION/VIDEO/IMAGE, with the sound in ACTOR/EMOTION/VIDEO.wav.

    Frames belong together at equal times. Exit code 1 if a clip could not be measured.
    """
    from stccl_train.measures.measure import measure
    from stccl_train.measures.measure_config import MeasureConfig
    from stccl_train.measures.report import format_measurement, write_report
    from stccl_train.measures.request import read_rows
    from stccl_train.measures.text_report import WIDTH

    images = protocol is not None and len(paths) > 1 and paths[0].is_dir()
    rows = [] if images else read_rows(paths)
    config = MeasureConfig(
        run=None if run is None else str(run),
        weights=None if weights is None else str(weights),
        device=device,
        workers=workers,
        wanted=tuple(name.strip() for name in (measures or "").split(",") if name.strip()),
    )
    with open_progress() if out is None else resumable_progress(out) as progress:
        if protocol is not None:
            text = _run_protocol(paths, rows, config, out, form, progress)
        else:
            measurement = measure(rows, config, out, progress)
    if protocol is not None:
        click.echo(text, nl=False)
        return
    if out is not None:
        write_report(out, measurement)
    everything = everything or measures is not None
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    shown = measurement.only(config.wanted)
    text = format_measurement(shown, form, width=width, everything=everything)  # type: ignore[arg-type]
    click.echo(text, nl=False)
    if form == "text" and not everything:
        click.echo("--all prints more: each measure by emotion, and over the shift alone")
    if any(result.error for result in measurement.results):
        sys.exit(1)


def _run_protocol(
    paths: tuple[Path, ...],
    rows: "list[Row]",
    config: "MeasureConfig",
    out: Path | None,
    form: str,
    progress: "Progress",
) -> str:
    """Return the table of the published protocol; beside it our measures, if there are clips."""
    from stccl_train.measures.measure import measure, work_folder
    from stccl_train.measures.spfem2024.protocol import (
        faces_of_folders,
        faces_of_rows,
        run_protocol,
    )
    from stccl_train.measures.spfem2024.table import format_protocol, protocol_json

    if form not in ("text", "json"):
        raise click.UsageError("--protocol prints text or json")
    with work_folder(out) as work:
        ours = measure(rows, replace(config, wanted=()), work.parent, progress) if rows else None
        faces = faces_of_rows(rows, work) if rows else faces_of_folders(paths[0], paths[1:])
        result = run_protocol(faces, config.weights, config.device, progress)
    return format_protocol(result, ours) if form == "text" else protocol_json(result, ours)
