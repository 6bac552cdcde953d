"""`stccl doctor`: has this machine all that stccl needs?"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click


@click.command("doctor")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where the data would go: its free disk counts.",
)
@click.option("--json", "as_json", is_flag=True, help="Every check as JSON.")
def command(folder: Path, as_json: bool) -> None:
    """Check Python, system libraries, packages, the landmark model, ffmpeg and disk; say what to install.

    The exit code is 1 when something that stccl cannot do without is missing. Takes some seconds: the landmarker is really opened.
    """
    from stccl_data.doctor import examine

    checks = []
    for check in examine(folder):
        checks.append(check)
        if not as_json:
            click.echo(f"{check.state:<5} {check.name:<16} {check.text}")
    bad = [check for check in checks if check.state == "bad"]
    if as_json:
        click.echo(
            json.dumps({"ok": not bad, "checks": [asdict(check) for check in checks]}, indent=1)
        )
    elif bad:
        click.echo("\nTo do:")
        for advice in dict.fromkeys(check.advice for check in bad):
            click.echo(f"  {advice}")
    else:
        click.echo("\nAll that stccl needs is here.")
    if bad:
        sys.exit(1)
