"""The progress display of every command: live bars on a terminal, plain lines elsewhere."""

import json
import sys
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from pathlib import Path
from types import TracebackType

import click
import humanize
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from stccl_data.errors import Reason

from .verbosity import chosen_display

#: Seconds between two plain lines.
_INTERVAL_S = 10.0


class CommandProgress:
    """Counts the units of a stage, for subclasses to display; a context manager.

    Implements `Progress`.
    """

    def __init__(self) -> None:
        self.name = ""
        self.total = 0
        self.done = 0
        self._resumed = 0
        self._began = 0.0
        self._reasons: Counter[str] = Counter()
        self._values: Mapping[str, float] = {}

    def __enter__(self) -> "CommandProgress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the display."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress.stage`."""
        self.name, self.total, self.done, self._resumed = name, total, done, done
        self._began = time.monotonic()
        self._reasons.clear()
        self._values = {}
        self.show_stage()

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress.step`."""
        self.done += 1
        if reason is not None:
            self._reasons[reason] += 1
        self._values = values or self._values
        self.show_step()

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        click.echo(text, err=True)

    @property
    def details(self) -> str:
        """Rate, time left, values and rejections so far, in one line."""
        per_second = (self.done - self._resumed) / max(1e-6, time.monotonic() - self._began)
        words = [f"{per_second:,.1f}/s" if per_second >= 1 else f"{3600 * per_second:,.0f}/h"]
        if per_second and self.done < self.total:
            left = timedelta(seconds=(self.total - self.done) / per_second)
            words.append(f"{humanize.naturaldelta(left)} left")
        words += [f"{name} {_figure(value)}" for name, value in self._values.items()]
        words += [f"{reason} {count:,}" for reason, count in self._reasons.most_common()]
        return ", ".join(words)

    @abstractmethod
    def show_stage(self) -> None:
        """Show that a stage has started."""

    @abstractmethod
    def show_step(self) -> None:
        """Show that a unit has finished."""


class TerminalProgress(CommandProgress):
    """One bar per stage. Nothing is drawn before the first stage."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}", markup=False),
            console=console,
        )
        self._task: TaskID | None = None

    def close(self) -> None:
        self._bars.stop()

    def show_stage(self) -> None:
        self._bars.start()
        self._task = self._bars.add_task(
            self.name, total=self.total, completed=self.done, details=""
        )

    def show_step(self) -> None:
        assert self._task is not None, "a stage comes first"
        self._bars.update(self._task, completed=self.done, details=self.details)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self._console.print(text, highlight=False, markup=False)


class PlainProgress(CommandProgress):
    """One line on stderr every ten seconds and at the end of a stage, for logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = 0.0

    def show_stage(self) -> None:
        self._shown = time.monotonic()
        if self.done:
            click.echo(f"{self.name}: {self.done:,} of {self.total:,} already done", err=True)

    def show_step(self) -> None:
        now = time.monotonic()
        if self.done < self.total and now - self._shown < _INTERVAL_S:
            return
        self._shown = now
        self._print()

    def _print(self) -> None:
        click.echo(f"{self.name}: {self.done:,} of {self.total:,}, {self.details}", err=True)


class JsonProgress(PlainProgress):
    """The same lines as JSON objects, for programs."""

    def show_stage(self) -> None:
        self._shown = time.monotonic()
        self._print()

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        click.echo(json.dumps({"note": text}), err=True)

    def _print(self) -> None:
        record = {"stage": self.name, "done": self.done, "total": self.total}
        details = {"reasons": dict(self._reasons), "values": dict(self._values)}
        click.echo(json.dumps({**record, **details}), err=True)


class NoProgress(CommandProgress):
    """Shows nothing."""

    def show_stage(self) -> None:
        """Show nothing."""

    def show_step(self) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


def open_progress() -> CommandProgress:
    """Return the display that the command was asked for.

    By default bars if stderr is a terminal, else plain lines.
    """
    console = Console(stderr=True)
    display = chosen_display()
    if display == "auto":
        display = "bars" if console.is_terminal else "lines"
    if display == "bars":
        return TerminalProgress(console)
    return {"lines": PlainProgress, "json": JsonProgress, "none": NoProgress}[display]()


@contextmanager
def resumable_progress(out: Path) -> Iterator[CommandProgress]:
    """Open the progress display of a run into `out` that the same command resumes.

    Libraries that print, such as Ray about a lost machine, do so on stderr: stdout is for the
    result.
    """
    try:
        with redirect_stdout(sys.stderr), open_progress() as progress:
            yield progress
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"finished work is kept in {out}, the same command resumes it"
        ) from None


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
