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
    """Print every key of the training config with its value and help, and exit."""
    if not wanted:
        return
    from stccl_train.config import known_keys, load_config, value_of

    chosen = context.params  # those that were given
    config = load_config(
        chosen.get("preset") or "default", chosen.get("file"), chosen.get("settings", ())
    )
    for key in known_keys():
        value = value_of(config, key.name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else value
        setting = f"{key.name}={'null' if value is None else text}"
        click.echo(f"{setting:<36} {key.help}")
    context.exit()


class _TrainCommand(click.Command):
    """A command whose --keys is read after the options that choose the values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        return super().parse_args(ctx, sorted(args, key="--keys".__eq__))


@click.command(cls=_TrainCommand, context_settings={"show_default": True})
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--preset",
    is_eager=True,
    help="Start from the preset paper, default or tiny.  [default: the config of RUN, or default]",
)
@click.option(
    "--config",
    "file",
    is_eager=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file that overrides the preset.",
)
@click.option(
    "--set",
    "settings",
    is_eager=True,
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value, such as metric.tau=0.1; may be repeated.",
)
@click.option(
    "--init",
    "start",
    type=click.Path(exists=True, file_okay=False),
    help="Start from the metric of another run: short for --set init=...",
)
@click.option("--device", help="auto, cpu, cuda, cuda:1, ...: short for --set device=...")
@click.option("--threads", type=click.IntRange(min=1), help="Short for --set threads=...")
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Slow to start, steps on a GPU twice as fast: short for --set compile=true.",
)
@click.option(
    "--keys",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_keys,
    help="List all keys of the config, with their values in the preset.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    out: Path,
    run: Path,
    preset: str | None,
    file: Path | None,
    settings: tuple[str, ...],
    start: str | None,
    device: str | None,
    threads: int | None,
    compiled: bool,
    as_json: bool,
) -> None:
    """Train the correlation metric on the shards in OUT, into the folder RUN.

    Run the same command again to resume, and with a larger --set epochs=N to go on. On several
    GPUs:
    torchrun --nproc-per-node N --no-python stccl train OUT RUN.
    """
    from stccl_train.config import load_config
    from stccl_train.train.run_folder import config_of_run
    from stccl_train.train.trainer import fit

    settings += (f"init={start}",) if start else ()
    settings += (f"device={device}",) if device else ()
    settings += (f"threads={threads}",) if threads else ()
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
        lines = [
            f"Nothing to do: {result.run} is finished after {result.steps} steps. "
            "A larger --set epochs=N resumes it"
        ]
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
