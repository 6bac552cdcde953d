"""`stccl demo`: render a small paired-emotion corpus with known truth."""

from pathlib import Path

import click

from stccl_data.demo import DEFAULT_EMOTIONS, DemoError, render_corpus
from stccl_data.executors import StopRunError

from .progress import open_progress


def _words(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _count_or_names(
    _context: click.Context, _parameter: click.Parameter, value: str
) -> int | tuple[str, ...]:
    names = _words(_context, _parameter, value)
    return (
        int(value) if value.isdigit() and not value.startswith("0") else names
    )  # 01 is an actor of RAVDESS


def _count_or_ids(
    _context: click.Context, _parameter: click.Parameter, value: str
) -> int | tuple[int, ...]:
    ids = _words(_context, _parameter, value)
    if not ids or not all(word.isdigit() for word in ids):
        raise click.BadParameter("write a count such as 3, or sentence ids such as 5,9,1")
    return int(value) if value.isdigit() else tuple(map(int, ids))


@click.command("demo")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(["mead", "ravdess"]),
    default="mead",
    help="Folders and names as in this corpus.",
)
@click.option(
    "--speakers",
    default="4",
    callback=_count_or_names,
    help="How many, up to 8; or names such as M003,W009.",
)
@click.option(
    "--emotions",
    default=",".join(DEFAULT_EMOTIONS),
    callback=_words,
    help="Emotions, with commas between.",
)
@click.option(
    "--sentences",
    default="3",
    callback=_count_or_ids,
    help="How many; or ids such as 5,9, (with a comma).",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1, 2),
    default=1,
    help="Takes of each sentence; ravdess alone has 2.",
)
@click.option("--size", type=int, default=256, help="Side of a frame, pixels.")
@click.option("--fps", default="25", help="Frames a second; a fraction such as 30000/1001 will do.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, help="The same seed gives the same files."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, help="Processes that render side by side."
)
def command(
    folder: Path,
    layout: str,
    speakers: int | tuple[str, ...],
    emotions: tuple[str, ...],
    sentences: int | tuple[int, ...],
    repetitions: int,
    size: int,
    fps: str,
    seed: int,
    workers: int,
) -> None:
    """Render a small paired-emotion corpus into FOLDER, with its truth beside it.

    One photograph plays several speakers; a speech synthesiser says the sentences and its phoneme times move the mouth.
    FOLDER/truth holds phonemes, mouth opening frame by frame, and the true map between the emotions of each sentence. Nothing is
    downloaded.
    """
    try:
        if layout == "ravdess" and isinstance(sentences, int):
            sentences = min(sentences, 2)  # RAVDESS has two
        with open_progress() as progress:
            corpus = render_corpus(
                folder, layout, speakers, emotions, sentences, size, fps, seed,
                repetitions=repetitions, workers=workers, progress=progress,
            )  # fmt: skip
    except DemoError as error:
        raise click.UsageError(str(error)) from None
    except StopRunError as error:
        raise click.ClickException(str(error)) from None
    people = len({clip.speaker for clip in corpus.clips})
    count = len(corpus.clips)
    click.echo(
        f"{count} clip{'s' * (count > 1)} ({corpus.duration:.0f} s) of {people} speaker{'s' * (people > 1)} in {folder}; "
        f"the true maps of {len(corpus.pairs)} pairs are listed in {folder / 'truth' / 'pairs.csv'}."
    )
    click.echo(f"Next: stccl prepare {folder} OUT")
