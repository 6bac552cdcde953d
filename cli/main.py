"""The `stccl` command group: imports commands when they are called, and handles every error."""

import errno
import importlib
import os
import sys
from typing import Any

import click

from stccl_data.errors import StcclError

from .commands import COMMANDS, GROUPS
from .printable import printable
from .verbosity import add_verbosity

# Read when numpy is loaded, by a command: our matrices are small, more threads wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

#: Modules that come with an extra.
EXTRAS = {
    "torch": "train",
    "yaml": "train",
    "safetensors": "train",
    "onnxruntime": "export",
    "onnxscript": "export",
}

INTERRUPTED = 130


class CommandError(click.ClickException):
    """An error of stccl, shown by click as one line without a traceback."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(printable(message, keep="\n"))
        self.exit_code = exit_code  # type: ignore[misc]  # click declares a class variable


class LazyGroup(click.Group):
    """A click group whose commands each live in a module of this package, with a `command` object.

    A module is imported when its command is called, which keeps `stccl --help` fast.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        command.epilog = f"Example: stccl {COMMANDS[name].example}"
        add_verbosity(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), entry.help) for name, entry in commands.items()]
                )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        An error of stccl or of a file, a missing extra, and Ctrl-C become a message and an exit
        code; any other exception is a bug and keeps its traceback.
        """
        try:
            return super().invoke(ctx)
        except StcclError as error:
            raise CommandError(str(error), error.exit_code) from error
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            extra = EXTRAS[error.name]
            raise CommandError(
                f"{error.name} is not installed; install the extra: pip install 'stccl[{extra}]'"
            ) from error
        except OSError as error:
            if (
                error.errno == errno.EPIPE
            ):  # the reader of stdout has closed it; click exits quietly
                raise
            place = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise CommandError(place) from error
        except KeyboardInterrupt as interrupt:
            click.echo(f"Interrupted{f': {interrupt}' if str(interrupt) else ''}.", err=True)
            sys.exit(INTERRUPTED)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="stccl")
def stccl() -> None:
    """Paired-emotion talking-face datasets, and the metrics learned from them.

    Start with `stccl scan RAW`, then `stccl prepare RAW OUT`, then look: `stccl report OUT`.
    """


def main() -> None:
    """Run the `stccl` script.

    Exit codes: 0 success, 1 finished with failures, 2 usage error, 130 interrupted.
    """
    try:
        stccl(standalone_mode=False)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
