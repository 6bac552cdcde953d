"""The progress display of the commands."""

import io
import json

import click
import pytest
from click.testing import CliRunner
from rich.console import Console
from stccl_cli.progress import (
    PlainProgress,
    TerminalProgress,
    open_progress,
    resumable_progress,
)
from stccl_cli.verbosity import add_verbosity

from stccl_data.errors import Reason


def test_plain_lines_name_the_resumed_units_and_the_end_of_a_stage(capsys):
    with PlainProgress() as progress:
        progress.stage("extract", 12, 10)
        progress.step()
        progress.step(Reason.NO_FACE, {"loss": 0.3125})
    first, last = capsys.readouterr().err.splitlines()
    assert first == "extract: 10 of 12 already done"
    assert last.startswith("extract: 12 of 12, ") and last.endswith(", loss 0.312, no_face 1")


def test_plain_lines_come_at_intervals(capsys, monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("stccl_cli.progress.time.monotonic", lambda: float(next(clock)))
    with PlainProgress() as progress:
        progress.stage("extract", 100)
        for _ in range(20):
            progress.step()
    assert 2 <= len(capsys.readouterr().err.splitlines()) < 20


def test_a_terminal_shows_a_bar_per_stage():
    screen = io.StringIO()
    with TerminalProgress(Console(file=screen, force_terminal=True, width=120)) as progress:
        progress.note("a note")
        for stage in ("extract", "align"):
            progress.stage(stage, 2)
            progress.step()
            progress.step(Reason.CRASHED)
    text = screen.getvalue()
    assert "a note" in text and "extract" in text and "align" in text
    assert "2/2" in text and "crashed 1" in text


def test_a_terminal_shows_nothing_without_a_stage():
    screen = io.StringIO()
    with TerminalProgress(Console(file=screen, force_terminal=True)):
        pass
    assert screen.getvalue().strip() == ""


def test_an_interrupted_run_names_its_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt, match=str(tmp_path)), resumable_progress(tmp_path):
        raise KeyboardInterrupt


def test_what_libraries_print_during_a_run_goes_to_stderr(tmp_path, capsys):
    with resumable_progress(tmp_path):
        print("from a library")
    captured = capsys.readouterr()
    assert "from a library" in captured.err and not captured.out


def progress_of(*options):
    """What a command with these options writes on stderr about two units."""

    @click.command
    def command():
        with open_progress() as progress:
            progress.stage("extract", 2)
            progress.step()
            progress.step(Reason.NO_FACE)

    add_verbosity(command)
    return CliRunner().invoke(command, options).stderr


def test_json_lines_are_for_programs():
    lines = [json.loads(line) for line in progress_of("--progress", "json").splitlines()]
    assert lines[0]["done"] == 0
    assert lines[-1] == {
        "stage": "extract", "done": 2, "total": 2, "reasons": {"no_face": 1}, "values": {},
    }  # fmt: skip


def test_quiet_shows_no_progress():
    assert progress_of("-q") == "" and progress_of().startswith("extract: 2 of 2")
