"""Output shared by the commands: JSON, tables and reason codes."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from stccl_data.errors import Reason

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: How many lines of a kind are printed; --json has all of them.
MAX_LINES = 200


def echo_json(record: Any, indent: int | None = None) -> None:
    """Print a dataclass or plain values as JSON, paths as strings."""
    values = record if isinstance(record, dict) else asdict(record)
    click.echo(json.dumps(values, default=str, indent=indent))


def advice_for(reason: str) -> str:
    """Return what a user can do about a reason code; empty for an unknown one."""
    return next((known.advice for known in Reason if known == reason), "")


def reason_lines(counts: Mapping[str, int]) -> str:
    """Format rejections by reason, one indented line each, with advice; reason "" is success."""
    return "".join(
        f"\n          {count:,} {reason}: {advice_for(reason)}"
        for reason, count in sorted(counts.items())
        if reason
    )


def count_lines(counts: Mapping[str, int]) -> str:
    """Format counts, one indented line each."""
    return "".join(f"\n          {count:,} {what}" for what, count in counts.items())


def open_console() -> "Console":
    """Return a console on stdout; into a file or pipe it never wraps lines."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = 1000
    return console


def make_table(console: "Console", first: str, *others: str) -> "Table":
    """Return an empty table: the first column to the left, the others to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
