"""Watching a run: live bars on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from stccl_data.errors import Reason

#: Seconds between two plain lines.
_EVERY_S = 10.0


class TerminalProgress:
    """A bar a stage: done, rate, refused by reason, time left. A context manager; implements `Progress`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[values]}"),
            TimeRemainingColumn(),
            TextColumn("[yellow]{task.fields[refused]}"),
            console=console,
        )
        self._task: TaskID | None = None
        self._refused: Counter[str] = Counter()
        self._started, self._done = 0.0, 0

    def __enter__(self) -> "TerminalProgress":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress`."""
        self._refused.clear()
        self._started, self._done = time.monotonic(), 0
        self._task = self._bars.add_task(
            name, total=total, completed=done, rate="", values="", refused=""
        )

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress`."""
        assert self._task is not None
        self._done += 1
        if reason is not None:
            self._refused[reason] += 1
        per_hour = 3600 * self._done / max(1e-6, time.monotonic() - self._started)
        refused = ", ".join(f"{name} {n}" for name, n in self._refused.most_common())
        self._bars.update(
            self._task,
            advance=1,
            rate=f"{per_hour:,.0f}/h",
            values=_format_values(values),
            refused=refused,
        )

    def note(self, text: str) -> None:
        """See `Progress`."""
        self._console.print(text, highlight=False)


class PlainProgress:
    """A line on stderr every ten seconds and at the end of a stage: for logs and pipes."""

    def __init__(self) -> None:
        self._name, self._total, self._done = "", 0, 0
        self._began, self._already, self._last = 0.0, 0, 0.0
        self._refused: Counter[str] = Counter()

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress`."""
        self._name, self._total, self._done, self._already = name, total, done, done
        self._refused.clear()
        self._began = self._last = time.monotonic()
        if done:
            click.echo(f"{name}: {done} of {total} are there already", err=True)

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress`."""
        self._done += 1
        if reason is not None:
            self._refused[reason] += 1
        now = time.monotonic()
        if self._done < self._total and now - self._last < _EVERY_S:
            return
        self._last = now
        rate = (self._done - self._already) / max(1e-6, now - self._began)
        left = (self._total - self._done) / rate if rate else 0.0
        refused = "".join(f", {name} {n}" for name, n in self._refused.most_common())
        shown = f", {_format_values(values)}" if values else ""
        click.echo(
            f"{self._name}: {self._done} of {self._total}, {3600 * rate:,.0f}/h, {left:.0f} s left{shown}{refused}",
            err=True,
        )

    def note(self, text: str) -> None:
        """See `Progress`."""
        click.echo(text, err=True)


def _format_values(values: Mapping[str, float] | None) -> str:
    """`name value` of each figure, with three significant digits."""
    return ", ".join(f"{name} {value:.3g}" for name, value in (values or {}).items())


def open_progress() -> TerminalProgress | PlainProgress:
    """Bars where stderr is a terminal, lines where it is not."""
    console = Console(stderr=True)
    return TerminalProgress(console) if console.is_terminal else PlainProgress()
