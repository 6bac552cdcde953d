"""`stccl doctor`: check that this machine has everything stccl needs."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import echo_json

if TYPE_CHECKING:
    from stccl_data.doctor import Check


@click.command("doctor")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the data will go; its free disk space is checked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every check as JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Check Python, libraries, packages, the landmark model, encoders and disk.

    Names what to install. The exit code is 1 if something required is missing. Takes some seconds,
    as it opens the landmarker.
    """
    from stccl_data.doctor import run_checks

    checks = []
    for check in chain(run_checks(folder), _report_weights()):
        checks.append(check)
        if not as_json:
            click.echo(f"{check.state:<5} {check.name:<16} {check.text}")
    bad = [check for check in checks if check.state == "bad"]
    if as_json:
        echo_json({"ok": not bad, "checks": [asdict(check) for check in checks]}, indent=1)
    elif bad:
        click.echo("\nTo do:")
        for advice in dict.fromkeys(check.advice for check in bad):
            click.echo(f"  {advice}")
    else:
        click.echo("\nThis machine has everything stccl needs.")
    if bad:
        sys.exit(1)


def _report_weights() -> "Iterator[Check]":
    """Report the files of weights that users bring for `stccl measure`."""
    from stccl_data.doctor import Check
    from stccl_train.measures.networks.weight_files import WEIGHT_FILES

    for file in WEIGHT_FILES:
        path = file.find()
        text = file.missing() if path is None else f"{path}; enables {file.enables}"
        yield Check("weights", "note", text)
