"""`stccl train`: train the correlation metric on a prepared dataset."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import echo_json
from .progress import open_progress

if TYPE_CHECKING:
    from stccl_train.train.trainer import TrainingResult


def _list_keys(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print every key of the training config with its default and help, and exit."""
    if not wanted:
        return
    from stccl_train.config import known_keys

    for key in known_keys():
        default = ",".join(map(str, key.default)) if isinstance(key.default, tuple) else key.default
        setting = f"{key.name}={'null' if default is None else default}"
        click.echo(f"{setting:<36} {key.help}")
    context.exit()


@click.command(context_settings={"show_default": True})
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--preset",
    help="Start from the preset paper, default or tiny.  [default: the config of RUN, or default]",
)
@click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file that overrides the preset.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value, such as metric.tau=0.1; may be repeated.",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, ...: short for --set device=...")
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile the backbone: short for --set compile=true.",
)
@click.option(
    "--keys",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_keys,
    help="List all keys of the config.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    out: Path,
    run: Path,
    preset: str | None,
    file: Path | None,
    settings: tuple[str, ...],
    device: str | None,
    compiled: bool,
    as_json: bool,
) -> None:
    """Train the correlation metric on the shards in OUT, into the folder RUN.

    Run the same command again to resume. On several GPUs:
    torchrun --nproc-per-node N --no-python stccl train OUT RUN.
    """
    from stccl_train.config import load_config
    from stccl_train.train.run_folder import config_of_run
    from stccl_train.train.trainer import fit

    settings += (f"device={device}",) if device else ()
    settings += ("compile=true",) if compiled else ()
    config = None if preset or file else config_of_run(run, settings)
    config = config or load_config(preset or "default", file, settings)
    try:
        with open_progress() as progress:
            result = fit(out, run, config, progress)
    except KeyboardInterrupt as interrupt:
        saved = str(interrupt) or "steps since the last checkpoint are lost"
        raise KeyboardInterrupt(f"{saved}; the same command resumes {run}") from None
    if os.environ.get("RANK", "0") != "0":
        return  # torchrun started several processes; only the first one prints
    if as_json:
        echo_json(result)
    else:
        click.echo(_format_result(result, out))


def _format_result(result: "TrainingResult", out: Path) -> str:
    if not result.made:
        lines = [f"Nothing to do: {result.run} is finished after {result.steps} steps."]
    else:
        lines = [
            f"steps   {result.made} of {result.steps} in {result.seconds:.0f} s, "
            f"final train loss {result.loss:.4f}"
        ]
    if result.best is not None:
        lines.append(f"best    val loss {result.best:.4f} after step {result.best_step}")
    lines.append(f"metric  {result.run / 'metric.safetensors'}, {result.run / 'metric.json'}")
    lines.append(f"next    stccl eval {result.run} {out}")
    return "\n".join(lines)
