"""`stccl demo`: render a small paired-emotion corpus with known ground truth."""

from pathlib import Path

import click

from stccl_data.demo import DEFAULT_EMOTIONS, render_corpus
from stccl_data.demo.recording import RECORDING, SCRIPT, TRUTH, render_recording
from stccl_data.words import counted

from .progress import open_progress


def _words(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _count_or_names(
    context: click.Context, parameter: click.Parameter, value: str
) -> int | tuple[str, ...]:
    if value.isdigit() and not value.startswith("0"):  # 01 is an actor of RAVDESS
        return int(value)
    return _words(context, parameter, value)


def _count_or_ids(
    context: click.Context, parameter: click.Parameter, value: str
) -> int | tuple[int, ...]:
    ids = _words(context, parameter, value)
    if not ids or not all(word.isdigit() for word in ids):
        raise click.BadParameter("write a count such as 3, or sentence ids such as 5,9,1")
    return int(value) if value.isdigit() else tuple(map(int, ids))


@click.command("demo")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(["mead", "ravdess"]),
    default="mead",
    help="Name the files as this corpus does.",
)
@click.option(
    "--speakers",
    default="4",
    callback=_count_or_names,
    help="Number of speakers, up to 8; or names such as M003,W009.",
)
@click.option(
    "--emotions",
    default=",".join(DEFAULT_EMOTIONS),
    callback=_words,
    help="Emotions, comma-separated.",
)
@click.option(
    "--sentences",
    default="3",
    callback=_count_or_ids,
    help="Number of sentences; or ids such as 5,9, (with a comma).",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1, 2),
    default=1,
    help="Takes of each sentence; only ravdess has 2.",
)
@click.option("--size", type=int, default=256, help="Side of a frame, pixels.")
@click.option("--fps", default="25", help="Frames per second, also a fraction such as 30000/1001.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, help="The same seed gives the same files."
)
@click.option(
    "--uncut",
    is_flag=True,
    help="Render one uncut recording session of the first speaker, with mistakes and other talk.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, help="Worker processes.")
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
    uncut: bool,
    workers: int,
) -> None:
    """Render a small paired-emotion corpus into FOLDER, with its ground truth.

    One photograph plays several speakers; a speech synthesiser says the sentences, and its phoneme
    times move the mouth. FOLDER/truth has the phonemes, the mouth opening of every frame, and the
    true frame map between the emotions of each sentence. Nothing is downloaded.
    """
    if uncut:
        if not isinstance(sentences, int):
            raise click.UsageError("--uncut takes a number of --sentences, not ids")
        events = render_recording(
            folder, emotions=emotions, sentences=sentences, size=size, fps=fps, seed=seed
        )
        takes = sum(event.kind == "take" for event in events)
        click.echo(f"{takes} takes in {folder / RECORDING}; {TRUTH} lists all that happens.")
        click.echo(
            f"Next: stccl segment {folder / RECORDING} --script {folder / SCRIPT} "
            f"-o {folder / 'manifest.csv'}"
        )
        return
    if layout == "ravdess" and isinstance(sentences, int):
        sentences = min(sentences, 2)  # RAVDESS has two
    with open_progress() as progress:
        corpus = render_corpus(
            folder, layout, speakers, emotions, sentences, size, fps, seed,
            repetitions=repetitions, workers=workers, progress=progress,
        )  # fmt: skip
    clips, people = len(corpus.clips), len({clip.speaker for clip in corpus.clips})
    click.echo(
        f"{counted(clips, 'clip')} ({corpus.duration:.0f} s) "
        f"of {counted(people, 'speaker')} in {folder}; "
        f"{folder / 'truth' / 'pairs.csv'} lists the true frame maps of "
        f"{counted(len(corpus.pairs), 'pair')}."
    )
    click.echo(f"Next: stccl prepare {folder} OUT")
