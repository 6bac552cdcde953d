"""`stccl eval`: evaluate a trained metric on held-out speakers."""

import json
from pathlib import Path
from typing import Any

import click

from stccl_train.config import EvaluateConfig

from .options import config_of, options_of
from .output import echo_json
from .progress import open_progress


@click.command("eval", context_settings={"show_default": True})
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results.  [default: RUN/eval-SPLIT]",
)
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--json", "as_json", is_flag=True, help="Print eval.json instead of the tables.")
@options_of(EvaluateConfig)
def command(
    run: Path, out: Path, report: Path | None, device: str, as_json: bool, **values: Any
) -> None:
    """Evaluate the metric of RUN on the held-out speakers of the dataset in OUT.

    Reports matched and mismatched cosines, R@1 against chance, MRR and AUC, with heads, without
    heads and untrained, by layer, emotion and region, beside controls that must fail: noise, the
    same pair shifted in time, another sentence. Begins with a verdict on each form of each term.
    """
    from stccl_data.dataset import open_dataset
    from stccl_train.eval.evaluate import evaluate
    from stccl_train.eval.report import write_report

    config = config_of(EvaluateConfig, values)
    folder = report or run / f"eval-{config.split}"
    _check_report(folder, out)
    with open_progress() as progress:
        evaluation = evaluate(run, open_dataset(out), config, device, progress)
    origin = {"run": str(run), "data": str(out), "split": config.split}
    text = write_report(folder, evaluation, origin, run)
    if as_json:
        echo_json(json.loads((folder / "eval.json").read_text()))
    else:
        click.echo(text)
        click.echo(f"{folder / 'eval.json'}, with eval.txt and figures beside it")


def _check_report(folder: Path, out: Path) -> None:
    """Refuse a folder that holds the evaluation on another dataset. Raises click.UsageError."""
    try:
        dataset = Path(json.loads((folder / "eval.json").read_bytes())["data"])
    except (OSError, ValueError, LookupError, TypeError):
        return
    if dataset.resolve() != out.resolve():
        raise click.UsageError(
            f"{folder} holds the evaluation on {dataset}; give another folder with --report"
        )
