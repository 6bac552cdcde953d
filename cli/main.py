"""The `stccl` command group. A command's module is imported when it is called, so `stccl --help` stays instant."""

import importlib
import sys

import click

COMMANDS = {
    "align": "Align two clips in time by dynamic time warping.",
    "demo": "Render a small paired-emotion corpus with known truth.",
    "doctor": "Check that this machine has all that stccl needs.",
    "eval": "Measure what a trained metric is worth on held-out speakers.",
    "export": "Write a dataset's pairs in the forms that existing trainers read.",
    "info": "Summarise a prepared dataset.",
    "merge": "Put the parts of a job array together.",
    "pairs": "Audit or import a published pair file; judge a dataset's pairs anew.",
    "prepare": "Make webdataset shards of aligned pairs from raw videos.",
    "preview": "Write a side-by-side video of an aligned pair.",
    "scan": "List what a raw corpus holds, without reading a frame.",
    "score": "Score how well one clip keeps the speech of another.",
    "status": "Say how far a run is, from any terminal.",
    "train": "Train the correlation metric on a prepared dataset.",
    "verify": "Check every byte and rule of a prepared dataset.",
}


#: What the extra [train] brings, by the names that are imported.
TRAINING = ("torch", "yaml", "safetensors")


class LazyGroup(click.Group):
    """A click group whose commands live in modules of this package, one a command, each with a `command` object."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{name}", __package__)
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="stccl")
def stccl() -> None:
    """Paired-emotion talking-face datasets, and the metrics learned from them.

    Start with `stccl scan RAW`, then `stccl prepare RAW OUT`.
    """


def main() -> None:
    """Entry point of the `stccl` script. Exit codes: 0 all well, 1 finished with failures, 2 usage, 130 interrupted."""
    try:
        stccl(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING:
            raise
        click.echo(
            f"Error: {error.name} is not installed; training needs the extra: pip install 'stccl[train]'",
            err=True,
        )
        sys.exit(1)
    except click.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
