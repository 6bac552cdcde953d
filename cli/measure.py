"""`stccl measure`: measure generated clips against their sources, beside control rows."""

import sys
from pathlib import Path

import click

from .progress import open_progress, resumable_progress


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
@click.option("--device", default="cpu", help="Of the networks: cpu, cuda, cuda:1, ...")
@click.option("--workers", default=0, type=click.IntRange(min=0), help="Processes; 0: every core.")
def command(
    paths: tuple[Path, ...],
    run: Path | None,
    weights: Path | None,
    out: Path | None,
    form: str,
    device: str,
    workers: int,
) -> None:
    """Measure GENERATED clips against their SOURCE, beside control rows.

    \b
    PATHS are one of
      SOURCE GENERATED...   videos
      SOURCE GENERATED...   folders with equal file names, one GENERATED for each method
      ROWS.csv              with the columns source,generated and, if you like, method,
                            speaker,emotion,reference,audio

    Frames belong together at equal times. Exit code 1 if a clip could not be measured.
    """
    from stccl_train.measure.instruments import MeasureConfig
    from stccl_train.measure.measure import measure
    from stccl_train.measure.report import format_measurement, write_report
    from stccl_train.measure.request import read_rows

    rows = read_rows(paths)
    config = MeasureConfig(
        run=None if run is None else str(run),
        weights=None if weights is None else str(weights),
        device=device,
        workers=workers,
    )
    with open_progress() if out is None else resumable_progress(out) as progress:
        measurement = measure(rows, config, out, progress)
    if out is not None:
        write_report(out, measurement)
    click.echo(format_measurement(measurement, form), nl=False)  # type: ignore[arg-type]
    if any(result.error for result in measurement.results):
        sys.exit(1)
