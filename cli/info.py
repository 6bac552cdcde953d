"""`stccl info`: summarise a prepared dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from humanize import naturalsize

from stccl_data.words import counted

from .output import advice_for, count_lines, echo_json, make_table, open_console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stccl_data.dataset.summary import DatasetSummary


@click.command("info")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Summarise the dataset in OUT.

    Counts clips, pairs, speakers, hours, sizes, rejections by reason, and scores. Reads only the
    tables; `stccl verify` reads the shards.
    """
    from stccl_data.dataset.summary import summarise

    summary = summarise(out)
    if as_json:
        echo_json(summary.as_dict(), indent=1)
    else:
        _print_summary(summary)


def _print_summary(summary: "DatasetSummary") -> None:
    console = open_console()
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    shards = sum(split.shards for split in summary.splits.values())
    size = naturalsize(sum(split.bytes for split in summary.splits.values()))
    corpora = ", ".join(summary.corpora) or "an empty dataset"
    console.print(f"{corpora} in {summary.path}", markup=False)
    console.print(
        f"{counted(clips, 'clip')}, {summary.clips.get('', 0):,} of them in an accepted pair"
    )
    console.print(f"{pairs:,} candidate pairs, {summary.pairs.get('', 0):,} of them accepted")
    console.print(f"{size} in {shards} shards\n")
    tables = [_split_table(summary, console)]
    if summary.emotion_pairs:
        tables += [_emotion_table(summary, console), _pair_table(summary, console)]
    for table in tables:
        console.print(table)
        if not console.is_terminal:
            console.print()
    _print_rejections(console, "clips", summary.clips)
    _print_rejections(console, "pairs", summary.pairs)
    if summary.footage:
        console.print(f"how unusual clips were read:{count_lines(summary.footage)}\n", markup=False)
    console.print(_score_table(summary, console))


def _print_rejections(console: "Console", what: str, counts: Mapping[str, int]) -> None:
    rejected = {reason: count for reason, count in counts.items() if reason}
    if not rejected:
        return
    console.print(f"{what} not in use:")
    for reason, count in rejected.items():
        console.print(f"  {count:>7,}  {reason}: {advice_for(reason)}", markup=False)
    console.print()


def _split_table(summary: "DatasetSummary", console: "Console") -> "Table":
    counted = ("speakers", "utterances", "clips", "pairs", "frames")
    table = make_table(console, "split", *counted, "length", "shards", "size")
    for name, split in summary.splits.items():
        counts = [f"{getattr(split, count):,}" for count in counted]
        length, size = _format_hours(split.hours), naturalsize(split.bytes)
        table.add_row(name, *counts, length, str(split.shards), size)
    return table


def _emotion_table(summary: "DatasetSummary", console: "Console") -> "Table":
    table = make_table(console, "emotion", *summary.splits, "clips")
    for emotion, by_split in summary.emotions.items():
        counts = [by_split.get(split, 0) for split in summary.splits]
        table.add_row(emotion, *(f"{count:,}" for count in (*counts, sum(by_split.values()))))
    return table


def _pair_table(summary: "DatasetSummary", console: "Console") -> "Table":
    table = make_table(console, "pairs of", "accepted", "refused")
    for counts in summary.emotion_pairs:
        emotions = f"{counts.source} -> {counts.target}"
        table.add_row(emotions, f"{counts.accepted:,}", f"{counts.refused:,}")
    return table


def _score_table(summary: "DatasetSummary", console: "Console") -> "Table":
    from stccl_data.dataset.summary import QUANTILES

    headings = ["median" if q == 0.5 else f"{100 * q:.0f} %" for q in QUANTILES]
    table = make_table(console, "score", "of", *headings)
    for score, spread in summary.scores.items():
        values = [f"{value:.4g}" for value in spread.values] or ["-"] * len(QUANTILES)
        table.add_row(score, f"{spread.count:,}", *values)
    return table


def _format_hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"
