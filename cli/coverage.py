"""`stccl coverage`: what a dataset still lacks."""

from pathlib import Path

import click

from stccl_data.clip import emotion_order
from stccl_data.errors import Reason
from stccl_data.recordings.coverage import coverage
from stccl_data.recordings.mouth_shapes import describe_mouth_shapes

from .printable import printable

#: Takes that are listed.
_MAX_RETAKES, _MAX_BROKEN = 40, 10


@click.command("coverage")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
def command(out: Path) -> None:
    """Say what the dataset in OUT lacks: takes to record, and why; minutes; phonemes.

    Complete is a dataset in which each speaker says each of their sentences in each of their
    emotions, in an accepted pair.
    """
    result = coverage(out)
    for speaker, minutes in sorted(result.minutes.items()):
        listed = ", ".join(
            f"{emotion} {minutes[emotion]:.1f}" for emotion in sorted(minutes, key=emotion_order)
        )
        total = sum(minutes.values())
        click.echo(printable(f"{speaker}: {total:.1f} usable minutes ({listed})"))
    if not result.retakes:
        click.echo("Nothing is missing.")
    for retake in result.retakes[:_MAX_RETAKES]:
        why = (
            "not recorded"
            if retake.reason is None
            else f"{retake.reason}: {_advice(retake.reason)}"
        )
        what = f"{retake.speaker} {retake.view} {retake.emotion} {retake.sentence}"
        text = f" ({retake.text})" if retake.text else ""
        click.echo(printable(f"record {what}{text}: {why}"))
    if len(result.retakes) > _MAX_RETAKES:
        click.echo(f"and {len(result.retakes) - _MAX_RETAKES:,} more")
    if result.broken_takes:
        click.echo(f"{len(result.broken_takes):,} takes were recorded, but are no clips:")
        for take in result.broken_takes[:_MAX_BROKEN]:
            click.echo(printable(f"    {take}"))
        if len(result.broken_takes) > _MAX_BROKEN:
            click.echo(f"    and {len(result.broken_takes) - _MAX_BROKEN:,} more")
    if result.missing_phonemes:
        click.echo(f"No text has the phonemes {' '.join(result.missing_phonemes)}.")
    if result.missing_phonemes is not None:
        click.echo(describe_mouth_shapes(result.mouth_shapes))


def _advice(reason: str) -> str:
    return next((code.advice for code in Reason if code == reason), "")
