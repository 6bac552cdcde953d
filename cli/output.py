"""Output shared by the commands: JSON, tables and reason codes."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from humanize import naturaldelta, naturalsize

from stccl_data.errors import Reason

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stccl_data.pipeline.estimate import Cost

#: What `--paired-only` has to save for it to be suggested: a coffee break, and a share that one
#: notices.
_LEAST_HOURS, _LEAST_SHARE = 0.25, 0.05
#: How many lines of a kind are printed; --json has all of them.
MAX_LINES = 200


def echo_json(record: Any, indent: int | None = None) -> None:
    """Print a dataclass or plain values as JSON, paths as strings."""
    values = record if isinstance(record, dict) else asdict(record)
    click.echo(json.dumps(values, default=str, indent=indent))


def format_hours(hours: float) -> str:
    """Format a duration; in hours where days would be too coarse."""
    return naturaldelta(timedelta(hours=hours)) if hours < 10 else f"{hours:,.0f} hours"


def paired_only_saving(unpaired: "Cost", core_hours: float) -> str | None:
    """Return what `--paired-only` saves, or None if it is not worth a word.

    Args:
        unpaired: the clips that are in no pair.
        core_hours: of all clips.
    """
    if unpaired.core_hours < max(_LEAST_HOURS, _LEAST_SHARE * core_hours):
        return None
    return (
        f"--paired-only leaves out {unpaired.clips:,} clips that are in no pair: "
        f"{format_hours(unpaired.core_hours)} on one core and {naturalsize(unpaired.bytes)} less; "
        "the content check then has fewer clips to compare with"
    )


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
