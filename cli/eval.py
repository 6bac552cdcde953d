"""`stccl eval`: does a trained metric mean anything?"""

import json
from pathlib import Path
from typing import Any

import click

from stccl_train.config import EvaluateConfig
from stccl_train.eval.evaluate import evaluate
from stccl_train.eval.report import write_report
from stccl_train.model.export import MetricError

from .options import config_of, options_of


@click.command("eval", context_settings={"show_default": True})
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where results go.  [default: RUN/eval-SPLIT]",
)
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--json", "as_json", is_flag=True, help="Print eval.json instead of the tables.")
@options_of(EvaluateConfig)
def command(
    run: Path, out: Path, report: Path | None, device: str, as_json: bool, **values: Any
) -> None:
    """Evaluate the metric of RUN on the held-out speakers of the dataset in OUT.

    Matched and mismatched cosines, R@1 against chance, MRR and AUC, with heads, without them and untrained, by layer, emotion
    and region; beside controls that have to fail: noise, the same pair shifted in time, another sentence. One verdict a term.
    """
    from stccl_data.dataset import ShardError, open_dataset

    from .progress import open_progress

    config = config_of(EvaluateConfig, values)
    folder = report or run / f"eval-{config.split}"
    _check_report(folder, out)
    try:
        with open_progress() as progress:
            evaluation = evaluate(run, open_dataset(out), config, device, progress)
        text = write_report(
            folder, evaluation, {"run": str(run), "data": str(out), "split": config.split}, run
        )
    except (MetricError, ShardError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from error
    if as_json:
        click.echo(json.dumps(json.loads((folder / "eval.json").read_text())))
    else:
        click.echo(text)
        click.echo(f"{folder / 'eval.json'}, eval.txt and pictures beside it")


def _check_report(folder: Path, out: Path) -> None:
    """Raises UsageError where the folder holds the evaluation on another dataset."""
    try:
        before = Path(json.loads((folder / "eval.json").read_bytes())["data"])
    except (OSError, ValueError, LookupError, TypeError):
        return
    if before.resolve() != out.resolve():
        raise click.UsageError(
            f"{folder} holds the evaluation on {before}: give another folder by --report"
        )
