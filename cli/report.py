"""`stccl report`: write pages about a dataset, a run or a measurement that open from disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stccl_data.dataset.layout import CLIPS, PAIRS, SHARDS
from stccl_data.errors import UsageError
from stccl_data.report import ReportConfig
from stccl_train.measures.files import JSON as MEASUREMENT

from .options import config_of, options_of
from .output import echo_json
from .progress import open_progress

if TYPE_CHECKING:
    from stccl_data.progress import Progress
    from stccl_data.report import ReportResult

#: Files that `stccl train` and `stccl eval` leave in a run.
_RUN_FILES = ("metrics.jsonl", "metric.json", "config.yaml")
#: What `stccl prepare` leaves in a dataset, finished or not.
_DATASET_FILES = (SHARDS, CLIPS, PAIRS, "work")


@click.command("report", context_settings={"show_default": True})
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the report.  [default: report, in PATH or beside it]",
)
@options_of(ReportConfig)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(path: Path, to: Path | None, as_json: bool, **values: Any) -> None:
    """Write a report about PATH: a folder with an index.html that opens from disk.

    \b
    PATH is one of
      OUT            a dataset of `stccl prepare`: pairs side by side, scores, rejections
      RUN            a run of `stccl train`: curves, controls, similarity maps
      DIR            of `stccl measure --out`, or measure.json in it: the methods side by side
    """
    config = config_of(ReportConfig, values)
    with open_progress() as progress:
        result = _write(path, to, config, progress)
    if as_json:
        echo_json(result)
    else:
        click.echo(f"{result.page}: open it in a browser")


def _write(
    path: Path, to: Path | None, config: ReportConfig, progress: "Progress"
) -> "ReportResult":
    if path.is_dir() and (path / MEASUREMENT).is_file():
        path = path / MEASUREMENT
    if path.is_file():
        from stccl_train.report import write_measure_report

        return write_measure_report(path, to, config.single_file)
    if any((path / name).exists() for name in _RUN_FILES):
        from stccl_train.report import write_run_report

        return write_run_report(path, to, config.single_file, progress)
    if not any((path / name).exists() for name in _DATASET_FILES):
        raise UsageError(
            f"{path} is neither a dataset, a run nor a measurement; give the folder of "
            "`stccl prepare`, `stccl train` or `stccl measure --out`"
        )
    from stccl_data.report import write_dataset_report

    return write_dataset_report(path, to, config, progress)
