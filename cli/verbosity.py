"""How much a command says while it works: the options -q, -v and --progress of every command."""

import logging
from typing import Any

import click

#: The displays of progress: see `stccl_cli.progress.open_progress`.
DISPLAYS = ("auto", "bars", "lines", "json", "none")

_META = "stccl.progress"


def add_verbosity(command: click.Command) -> None:
    """Give a command, and those in a group, the options; they are not passed to its function."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            add_verbosity(part)
    elif not any(parameter.name == "progress_display" for parameter in command.params):
        command.params += _options()


def chosen_display() -> str:
    """Return the display that the running command was asked for."""
    context = click.get_current_context(silent=True)
    return "auto" if context is None else str(context.meta.get(_META, "auto"))


def _options() -> list[click.Option]:
    settings: dict[str, Any] = {"expose_value": False}
    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            callback=_be_quiet,
            help="Show no progress, only the result and errors.",
            **settings,
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            callback=_be_verbose,
            help="Log every step on stderr.",
            **settings,
        ),
        click.Option(
            ["--progress", "progress_display"],
            type=click.Choice(DISPLAYS),
            default="auto",
            callback=_choose,
            help="How progress is shown, on stderr: json is one object per line.",
            **settings,
        ),
    ]


def _be_quiet(context: click.Context, _parameter: click.Parameter, quiet: bool) -> None:
    if quiet:
        context.meta[_META] = "none"


def _be_verbose(_context: click.Context, _parameter: click.Parameter, verbose: bool) -> None:
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        for package in ("stccl_data", "stccl_train"):
            logging.getLogger(package).setLevel(logging.INFO)


def _choose(context: click.Context, _parameter: click.Parameter, display: str) -> None:
    context.meta.setdefault(_META, display)
    if display != "auto":
        context.meta[_META] = display
