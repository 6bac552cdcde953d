"""`stccl info OUT`: a prepared dataset in numbers."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stccl_data.pipeline.estimate import size_words

if TYPE_CHECKING:
    from rich.table import Table

    from stccl_data.dataset.summary import DatasetSummary


@click.command("info")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Count what the dataset in OUT holds: clips, pairs, speakers, hours, sizes, refusals by reason, scores.

    The tables alone are read; `stccl verify` looks at the shards.
    """
    from stccl_data.dataset import ShardError
    from stccl_data.dataset.summary import summarise

    try:
        summary = summarise(out)
    except ShardError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(summary.as_dict(), indent=1))
    else:
        _print(summary)


def _print(summary: "DatasetSummary") -> None:
    from rich.console import Console

    from stccl_data.errors import Reason

    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = 1000
    advice = {str(reason): reason.advice for reason in Reason}
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    total = sum(split.bytes for split in summary.splits.values())
    console.print(
        f"{', '.join(summary.corpora) or 'an empty dataset'} in {summary.path}", markup=False
    )
    console.print(f"{clips:,} clips, {summary.clips.get('', 0):,} of them in an accepted pair")
    console.print(f"{pairs:,} candidate pairs, {summary.pairs.get('', 0):,} of them accepted")
    console.print(
        f"{size_words(total)} in {sum(split.shards for split in summary.splits.values())} shards\n"
    )
    for table in (_splits, _emotions, _joined) if summary.emotion_pairs else (_splits,):
        console.print(table(summary, console.is_terminal))
        if not console.is_terminal:
            console.print()
    for what, counts in (("clips", summary.clips), ("pairs", summary.pairs)):
        refused = {reason: count for reason, count in counts.items() if reason}
        if refused:
            console.print(f"{what} not in use:")
            for reason, count in refused.items():
                console.print(f"  {count:>7,}  {reason}: {advice.get(reason, '')}", markup=False)
            console.print()
    console.print(_scores(summary, console.is_terminal))


def _table(terminal: bool, first: str, *others: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _splits(summary: "DatasetSummary", terminal: bool) -> "Table":
    table = _table(
        terminal,
        "split",
        "speakers",
        "utterances",
        "clips",
        "pairs",
        "frames",
        "length",
        "shards",
        "size",
    )
    for name, split in summary.splits.items():
        counts = (split.speakers, split.utterances, split.clips, split.pairs, split.frames)
        table.add_row(
            name,
            *(f"{n:,}" for n in counts),
            _length(split.hours),
            str(split.shards),
            size_words(split.bytes),
        )
    return table


def _emotions(summary: "DatasetSummary", terminal: bool) -> "Table":
    table = _table(terminal, "emotion", *summary.splits, "clips")
    for emotion, by_split in summary.emotions.items():
        table.add_row(
            emotion,
            *(f"{by_split.get(split, 0):,}" for split in summary.splits),
            f"{sum(by_split.values()):,}",
        )
    return table


def _joined(summary: "DatasetSummary", terminal: bool) -> "Table":
    table = _table(terminal, "pairs of", "accepted", "refused")
    for counts in summary.emotion_pairs:
        emotions = f"{counts.source} -> {counts.target}"
        table.add_row(emotions, f"{counts.accepted:,}", f"{counts.refused:,}")
    return table


def _scores(summary: "DatasetSummary", terminal: bool) -> "Table":
    from stccl_data.dataset.summary import QUANTILES

    table = _table(
        terminal, "score", "of", *("median" if q == 0.5 else f"{100 * q:.0f} %" for q in QUANTILES)
    )
    for score, spread in summary.scores.items():
        values = [f"{value:.4g}" for value in spread.values] or ["-"] * len(QUANTILES)
        table.add_row(score, f"{spread.count:,}", *values)
    return table


def _length(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"
