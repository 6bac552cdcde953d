"""`stccl train`: shards in, the correlation metric out."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stccl_train.train.trainer import TrainingResult


@click.command(context_settings={"show_default": True})
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--preset", help="Begin from paper, default or tiny.  [default: that of RUN, or default]"
)
@click.option(
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Values in YAML, over the preset.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="One value, such as metric.tau=0.1; as often as needed.",
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
    callback=lambda c, p, v: _keys(c, v),
    help="List all keys.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
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

    The same command goes on after an interruption. On several GPUs: torchrun --nproc-per-node N --no-python stccl train OUT RUN.
    """
    from stccl_data.dataset import ShardError
    from stccl_train.config import load_config
    from stccl_train.train.errors import CheckpointError, TrainingError
    from stccl_train.train.run_folder import config_of_run
    from stccl_train.train.trainer import fit

    from .progress import open_progress

    settings += (f"device={device}",) if device else ()
    settings += ("compile=true",) if compiled else ()
    try:
        config = None if preset or file else config_of_run(run, settings)
        config = config or load_config(preset or "default", file, settings)
        with open_progress() if _is_main() else nullcontext() as progress:
            result = fit(out, run, config, progress)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (TrainingError, CheckpointError, ShardError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{run} cannot be written: {error}") from error
    except KeyboardInterrupt as interrupt:
        when = str(interrupt) or "at once; steps since the last checkpoint are made again"
        click.echo(f"Interrupted: {when}. The same command goes on from {run}.", err=True)
        sys.exit(130)
    if _is_main():
        click.echo(
            json.dumps({**asdict(result), "run": str(run)}) if as_json else _summary(result, out)
        )


def _keys(context: click.Context, wanted: bool) -> None:
    """Print every key of the training config with its default."""
    if wanted:
        from stccl_train.config import known_keys

        for key in known_keys():
            default = (
                ",".join(map(str, key.default)) if isinstance(key.default, tuple) else key.default
            )
            shown = f"{key.name}={'null' if default is None else default}"
            click.echo(f"{shown:<36} {key.help}")
        context.exit()


def _summary(result: "TrainingResult", out: Path) -> str:
    """Format the outcome for people."""
    if not result.made:
        lines = [f"Nothing to do: {result.run} is finished after {result.steps} steps."]
    else:
        lines = [
            f"steps   {result.made} of {result.steps} in {result.seconds:.0f} s, train loss {result.loss:.4f} at the end"
        ]
    if result.best is not None:
        lines.append(f"best    val loss {result.best:.4f} after step {result.best_step}")
    lines.append(f"metric  {result.run / 'metric.safetensors'}, {result.run / 'metric.json'}")
    lines.append(f"next    stccl eval {result.run} {out}")
    return "\n".join(lines)


def _is_main() -> bool:
    """Whether this process shows progress, of those that torchrun started."""
    import os

    return os.environ.get("RANK", "0") == "0"
