"""`stccl preview OUT SOURCE_CLIP TARGET_CLIP`: a pair side by side, as a film."""

from pathlib import Path

import click


@click.command("preview")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("source_clip", required=False)
@click.argument("target_clip", required=False)
@click.option("--key", help="An utterance instead of two clips, such as mead/M003/front/s009.")
@click.option("--emotion", help="With --key: the target's emotion.")
@click.option("--source", help="With --key: the source's emotion.  [default: any]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The MP4.  [default: preview-....mp4 here]",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a PNG with a dozen moments.",
)
def command(
    out: Path,
    source_clip: str | None,
    target_clip: str | None,
    key: str | None,
    emotion: str | None,
    source: str | None,
    output: Path | None,
    sheet: Path | None,
) -> None:
    """Write an MP4 of a pair in OUT: the source, and beside it the target warped onto it, with the source's sound.

    SOURCE_CLIP and TARGET_CLIP are clip ids as in clips.parquet; or name an utterance by --key and the target by --emotion.
    A refused pair is shown too.
    """
    if key is None and (source_clip is None or target_clip is None):
        raise click.UsageError("give SOURCE_CLIP and TARGET_CLIP, or --key and --emotion")
    if key is not None and (source_clip is not None or emotion is None):
        raise click.UsageError("--key goes with --emotion, and without clips")
    if output is not None and output.suffix.lower() != ".mp4":
        raise click.UsageError(f"-o takes the name of an MP4, such as {output.with_suffix('.mp4')}")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise click.UsageError(
            f"--sheet takes the name of a PNG, such as {sheet.with_suffix('.png')}"
        )

    from stccl_data.dataset import ShardError, open_dataset
    from stccl_data.dataset.preview import find_pair, preview_name, write_preview, write_sheet
    from stccl_data.errors import Reason

    try:
        dataset = open_dataset(out)
        if key is None:
            assert source_clip is not None and target_clip is not None
            pair = dataset.find_pair(source_clip, target_clip)
        else:
            assert emotion is not None
            try:
                pair = find_pair(dataset, key, emotion, source)
            except (KeyError, ValueError) as error:  # no such utterance, no such emotion
                raise click.UsageError(str(error.args[0])) from error
        if pair.reason is not None:
            advice = {str(reason): reason.advice for reason in Reason}.get(pair.reason, "")
            click.echo(f"This pair was refused: {pair.reason}: {advice}", err=True)
        made = write_preview(dataset, pair, output or Path(preview_name(pair)))
        if sheet is not None:
            write_sheet(pair, sheet)
    except ShardError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error
    height, width = made.size
    click.echo(f"{pair.source.clip_id} -> {pair.target.clip_id}")
    click.echo(
        f"{made.path}: {made.frames} frames of {width}x{height} at {float(made.fps):g} a second, {made.sound}"
    )
    if sheet is not None:
        click.echo(f"{sheet}: {min(12, len(pair.source))} moments")
