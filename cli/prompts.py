"""`stccl prompts`: plan a recording."""

from pathlib import Path

import click

from stccl_data.recordings.mouth_shapes import describe_mouth_shapes
from stccl_data.recordings.prompts import LINES, PAGE, SCRIPT, make_prompts, write_prompts
from stccl_data.recordings.script import read_script

from .new_file import check_new


@click.command("prompts")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--sentences", type=click.IntRange(1), default=10, help="Number of lines.")
@click.option("--emotions", default="neutral,happy,angry,sad", help="Emotions, comma-separated.")
@click.option(
    "--takes", type=click.IntRange(1), default=1, help="Takes of each line in each emotion."
)
@click.option(
    "--lines", type=click.Path(path_type=Path), help="Choose from these lines instead of our own."
)
def command(folder: Path, sentences: int, emotions: str, takes: int, lines: Path | None) -> None:
    """Write a balanced script into FOLDER, and a page that shows it line by line.

    prompts.html is a teleprompter for a browser: big text, emotion, countdown, and a beep and a
    flash when to speak. script.csv is what `stccl segment` needs afterwards.
    """
    texts = LINES if lines is None else read_script(lines).texts
    words = [word.strip() for word in emotions.split(",") if word.strip()]
    prompts = make_prompts(sentences, words, takes, texts)
    for name in (SCRIPT, PAGE):
        check_new(folder / name)
    script, page = write_prompts(prompts, folder)
    missing = f"; no line has {' '.join(prompts.missing)}" if prompts.missing else ""
    click.echo(f"{len(prompts.takes)} takes in {page}{missing}")
    click.echo(describe_mouth_shapes(prompts.mouth_shapes))
    click.echo(f"Then: stccl segment RECORDING --script {script} -o manifest.csv")
