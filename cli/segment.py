"""`stccl segment`: find the lines of a script in long recordings."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click

from stccl_data.recordings.position import Order
from stccl_data.recordings.segment import (
    Labels,
    SegmentReport,
    SpokenOrder,
    segment_recordings,
)
from stccl_data.words import counted

from .new_file import NewFile
from .printable import printable
from .progress import open_progress

#: Lines of the script that are listed if no take of them was found.
_MAX_MISSING = 10


@click.command(name="segment")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--script",
    type=click.Path(path_type=Path),
    help="The lines: a text file, or a table with the columns text, emotion, sentence.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=NewFile(),
    help="The manifest to write; it must not exist.",
)
@click.option("--speaker", help="Who speaks.  [default: the name of the file]")
@click.option("--emotion", help="Emotion of all takes, if the script has none.")
@click.option(
    "--takes", type=click.IntRange(0), default=0, help="Takes of each row of the script; 0: any."
)
@click.option("--consent", help="Consent that the recordings rest on; kept in the manifest.")
@click.option("--license", "license_", help="Licence of the recordings; kept in the manifest.")
@click.option(
    "--annotations",
    type=click.Path(path_type=Path),
    help="Use these intervals instead: .TextGrid .eaf .srt .vtt, Audacity labels, Kaldi segments.",
)
@click.option("--tier", help="Tier of the TextGrid or .eaf.")
def command(
    recordings: tuple[Path, ...],
    script: Path | None,
    output: Path,
    speaker: str | None,
    emotion: str | None,
    takes: int,
    consent: str | None,
    license_: str | None,
    annotations: Path | None,
    tier: str | None,
) -> None:
    """Find each line of a script in RECORDINGS and write a manifest for `stccl prepare`.

    Lines may be spoken in any order and any number of times. Everything else has a row with a
    reason: other speech, incomplete takes, noise. English only; for other languages give
    --annotations.
    """
    labels = Labels(speaker, emotion, takes, consent, license_)
    with open_progress() as progress:
        report = segment_recordings(
            recordings,
            script,
            output,
            labels,
            annotations=annotations,
            tier=tier,
            progress=progress,
        )
    _print(report, output)
    if report.unreadable or not report.counts.get("take"):
        sys.exit(1)


def _order_lines(spoken: SpokenOrder) -> Iterator[str]:
    """Say how the emotions were told, so that it can be checked."""
    if spoken.order is Order.AS_WRITTEN:
        if not spoken.blocks:
            return
        yield (
            f"{spoken.speaker}: no beep is heard, so the order of the script alone tells the "
            "emotions. Check that they were spoken so:"
        )
        for block in spoken.blocks:
            takes = counted(block.takes, "take")
            part = f"{_clock(block.start)} to {_clock(block.end)}"
            yield f"    {block.path.name} {part}: {block.emotion}, {takes}"
        return
    seems = f"{spoken.speaker}: the script seems to be spoken {spoken.order}"
    if spoken.order is Order.UNKNOWN:
        yield f"{seems}, so lines in several emotions have none."
    else:
        yield f"{seems}, not in its own order, so lines in several emotions have none."
    yield (
        "    Put its rows into the order in which they were spoken and run again, or write the "
        "emotions into the manifest. If one emotion was recorded, give a script without emotions, "
        "and --emotion."
    )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


def _print(report: SegmentReport, output: Path) -> None:
    counts = dict(report.counts)
    takes = counts.pop("take", 0)
    click.echo(f"{counted(takes, 'take')} in {printable(str(output))}")
    for reason, count in sorted(counts.items()):
        click.echo(f"{count:,} {reason}")
    for order in report.orders:
        for line in _order_lines(order):
            click.echo(printable(line))
    for why in report.unreadable.values():
        click.echo(f"left out: {printable(why)}", err=True)
    if report.missing:
        click.echo(f"No take of {len(report.missing):,} lines:")
        for text in report.missing[:_MAX_MISSING]:
            click.echo(f"    {printable(text)}")
        if len(report.missing) > _MAX_MISSING:
            click.echo(f"    and {len(report.missing) - _MAX_MISSING:,} more")
