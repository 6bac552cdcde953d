"""`stccl train`: shards in, the correlation metric out."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from stccl_train.train.trainer import Trained


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
    from stccl_train.train.checkpoint import CheckpointError
    from stccl_train.train.run_folder import config_of_run
    from stccl_train.train.trainer import TrainingError, fit

    settings += (f"device={device}",) if device else ()
    settings += ("compile=true",) if compiled else ()
    try:
        config = None if preset or file else config_of_run(run, settings)
        config = config or load_config(preset or "default", file, settings)
        with _open_progress() as progress:
            trained = fit(out, run, config, progress)
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
    if _first():
        click.echo(
            json.dumps({**asdict(trained), "run": str(run)}) if as_json else _words(trained, out)
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


def _words(trained: "Trained", out: Path) -> str:
    """The outcome for people."""
    if not trained.made:
        lines = [f"Nothing to do: {trained.run} is finished after {trained.steps} steps."]
    else:
        lines = [
            f"steps   {trained.made} of {trained.steps} in {trained.seconds:.0f} s, train loss {trained.loss:.4f} at the end"
        ]
    if trained.best is not None:
        lines.append(f"best    val loss {trained.best:.4f} after step {trained.best_step}")
    lines.append(f"metric  {trained.run / 'metric.safetensors'}, {trained.run / 'metric.json'}")
    lines.append(f"next    stccl eval {trained.run} {out}")
    return "\n".join(lines)


def _first() -> bool:
    """Whether this is the process that talks, of those that torchrun started."""
    import os

    return os.environ.get("RANK", "0") == "0"


class _Bar:
    """A bar on a terminal: loss, cosines of matched and mismatched tokens, images a second, time left."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._console = console
        self._bars = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> "_Bar":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def begin(self, steps: int, done: int) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        self._task = self._bars.add_task("", total=steps, completed=done, epoch="", shown="")

    def step(self, step: int, epoch: int, shown: Mapping[str, float]) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        self._bars.update(self._task, completed=step, epoch=epoch, shown=_shown(shown))

    def note(self, text: str) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        self._console.print(text, highlight=False, markup=False)


class _Lines:
    """A line every ten seconds: for logs and pipes."""

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def begin(self, steps: int, done: int) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        self._steps, self._done, self._began, self._last = steps, done, time.monotonic(), 0.0
        if done:
            click.echo(f"going on after step {done} of {steps}", err=True)

    def step(self, step: int, epoch: int, shown: Mapping[str, float]) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        now = time.monotonic()
        if step < self._steps and now - self._last < 10:
            return
        self._last = now
        left = (self._steps - step) * (now - self._began) / max(1, step - self._done)
        click.echo(
            f"epoch {epoch}, step {step} of {self._steps}: {_shown(shown)}, {left:.0f} s left",
            err=True,
        )

    def note(self, text: str) -> None:
        """See `stccl_train.train.trainer.Watcher`."""
        click.echo(text, err=True)


def _shown(shown: Mapping[str, float]) -> str:
    words = [f"loss {shown['loss']:.3f}"]
    words += [f"{name} {shown[name]:.2f}" for name in ("positive", "negative") if name in shown]
    pace = shown["images/s"]
    return ", ".join([*words, f"{pace:,.{0 if pace >= 10 else 1}f} images/s"])


def _open_progress() -> _Bar | _Lines:
    """A bar where stderr is a terminal, lines where it is not."""
    from rich.console import Console

    console = Console(stderr=True)
    return _Bar(console) if console.is_terminal and _first() else _Lines()
