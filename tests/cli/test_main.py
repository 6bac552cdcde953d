"""The command group: help, errors and exit codes shared by all commands."""

import errno
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from stccl_cli import main
from stccl_cli.commands import COMMANDS, GROUPS
from stccl_cli.main import stccl

from stccl_data.errors import StcclError, UsageError


def run_command(monkeypatch, error: BaseException):
    """Run a command that raises `error`."""

    @click.command
    def command():
        raise error

    monkeypatch.setattr(main.LazyGroup, "get_command", lambda self, context, name: command)
    return CliRunner().invoke(stccl, ["info"])


def test_the_help_lists_every_command():
    result = CliRunner().invoke(stccl, ["--help"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)
    assert all(f"\n{title}:\n" in result.output for title in GROUPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    result = CliRunner().invoke(stccl, [name, "--help"])
    assert result.exit_code == 0 and f"Usage: stccl {name}" in result.output
    assert f"Example: stccl {COMMANDS[name].example}" in " ".join(result.output.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell):
    result = CliRunner().invoke(stccl, ["completion", shell])
    assert result.exit_code == 0 and "_STCCL_COMPLETE" in result.output


def test_a_shell_is_told_the_commands():
    words = {"_STCCL_COMPLETE": "bash_complete", "COMP_WORDS": "stccl pre", "COMP_CWORD": "1"}
    code = "from stccl_cli.main import main; import sys; sys.argv[0] = 'stccl'; main()"
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True
    )
    assert {line.partition(",")[2] for line in result.stdout.split()} == {"prepare", "preview"}


def test_the_help_of_the_group_imports_no_command():
    code = (
        "import sys; from stccl_cli.main import stccl\n"
        "try: stccl(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'numpy', 'pydantic', 'rich', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (StcclError("a.mp4: broken"), 1),
        (UsageError("a.mp4: broken"), 2),
        (OSError(errno.EACCES, "broken", "a.mp4"), 1),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(monkeypatch, error, exit_code):
    result = run_command(monkeypatch, error)
    assert result.exit_code == exit_code
    assert result.stderr == "Error: a.mp4: broken\n" and not result.stdout


def test_ctrl_c_exits_130(monkeypatch):
    result = run_command(monkeypatch, KeyboardInterrupt("saved in RUN"))
    assert result.exit_code == 130 and result.stderr == "Interrupted: saved in RUN.\n"


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch):
    result = run_command(monkeypatch, ModuleNotFoundError("no torch", name="torch"))
    assert result.exit_code == 1 and "pip install 'stccl[train]'" in result.stderr


def test_a_bug_keeps_its_traceback(monkeypatch):
    error = ZeroDivisionError()
    assert run_command(monkeypatch, error).exception is error
