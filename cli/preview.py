"""`stccl preview`: write a side-by-side video of an aligned pair."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .output import advice_for

if TYPE_CHECKING:
    from stccl_data.dataset import Dataset, Pair

#: Frames on a sheet.
_SHEET_FRAMES = 12


@click.command("preview")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("source_clip", required=False)
@click.argument("target_clip", required=False)
@click.option("--key", help="An utterance instead of two clips, such as mead/M003/front/s009.")
@click.option("--emotion", help="With --key: emotion of the target.")
@click.option("--source", help="With --key: emotion of the source.  [default: any]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The MP4 to write.  [default: preview-....mp4 in this folder]",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write a PNG with a dozen frames.",
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
    """Write an MP4 of a pair in OUT, side by side.

    Shows the source, beside it the target warped onto it, with the source's sound. SOURCE_CLIP and
    TARGET_CLIP are clip ids as in clips.parquet; or give an utterance by --key and the target by
    --emotion. Refused pairs are shown too.
    """
    if key is None and (source_clip is None or target_clip is None):
        raise click.UsageError("give SOURCE_CLIP and TARGET_CLIP, or --key and --emotion")
    if key is not None and (source_clip is not None or emotion is None):
        raise click.UsageError("--key needs --emotion, and no clips")
    _check_suffix("-o", output, ".mp4")
    _check_suffix("--sheet", sheet, ".png")

    from stccl_data.dataset import open_dataset
    from stccl_data.dataset.preview import preview_name, write_preview, write_sheet

    dataset = open_dataset(out)
    if source_clip is not None and target_clip is not None:
        pair = dataset.find_pair(source_clip, target_clip)
    else:
        pair = _find_by_key(dataset, str(key), str(emotion), source)
    if pair.reason is not None:
        click.echo(f"This pair was refused: {pair.reason}: {advice_for(pair.reason)}", err=True)
    preview = write_preview(dataset, pair, output or Path(preview_name(pair)))
    height, width = preview.size
    click.echo(f"{pair.source.clip_id} -> {pair.target.clip_id}")
    click.echo(
        f"{preview.path}: {preview.frames} frames of {width}x{height} "
        f"at {float(preview.fps):g} per second, {preview.sound}"
    )
    if sheet is not None:
        write_sheet(pair, sheet)
        click.echo(f"{sheet}: {min(_SHEET_FRAMES, len(pair.source))} frames")


def _check_suffix(option: str, path: Path | None, suffix: str) -> None:
    if path is not None and path.suffix.lower() != suffix:
        raise click.UsageError(
            f"{option} needs a name that ends in {suffix}, such as {path.with_suffix(suffix)}"
        )


def _find_by_key(dataset: "Dataset", key: str, emotion: str, source: str | None) -> "Pair":
    from stccl_data.dataset.preview import find_pair

    try:
        return find_pair(dataset, key, emotion, source)
    except (KeyError, ValueError) as error:  # unknown utterance, unknown emotion
        raise click.UsageError(str(error.args[0])) from error
