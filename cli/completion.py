"""`stccl completion`: print the completion script of a shell."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that completes the commands and options of stccl in SHELL.

    \b
    bash: stccl completion bash >> ~/.bashrc
    zsh:  stccl completion zsh >> ~/.zshrc
    fish: stccl completion fish > ~/.config/fish/completions/stccl.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(context.find_root().command, {}, "stccl", "_STCCL_COMPLETE").source())
