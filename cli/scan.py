"""`stccl scan`: list the contents of a raw corpus."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from humanize import naturalsize

from stccl_data.clip import emotion_order
from stccl_data.corpora import CORPORA, LAYOUTS, Scan, scan_corpus
from stccl_data.executors import usable_cores
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.survey import Survey, as_dict, survey
from stccl_data.words import counted

from .findings import echo_findings
from .options import options_of
from .output import echo_json, format_hours, make_table, open_console, paired_only_saving
from .printable import printable


@click.command(name="scan")
@click.argument("raw", type=click.Path(path_type=Path))
@options_of(
    PrepareConfig,
    only=("corpus", "views", "speakers", "emotions", "transcripts", "accept_proposed"),
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print everything as JSON, every finding too."
)
def command(raw: Path, as_json: bool, **selection: Any) -> None:
    """List the contents of RAW.

    Shows clips, unusable files with reasons, candidate pairs, estimated time and disk space. RAW is
    a folder with MEAD, RAVDESS, CREMA-D or another known corpus (docs/corpora.md), or a manifest of
    your own. Nothing is written, and recordings are not read.
    """
    scan = scan_corpus(raw, **selection)
    counts = survey(scan)
    if as_json:
        echo_json(as_dict(scan, counts), indent=1)
    else:
        _print_scan(scan, counts)
    if not scan.clips:
        _print_no_clip(scan)
        sys.exit(1)


def _print_no_clip(scan: Scan) -> None:
    root = printable(str(scan.root))
    if scan.corpus in CORPORA:
        click.echo(f"No clip of {root} ({scan.corpus}) can be used as it is.", err=True)
        return
    click.echo(f"No clip was found in {root}. Recognised layouts, at any depth:", err=True)
    for name, layout in LAYOUTS.items():
        click.echo(f"  {name:8} {layout}", err=True)
    click.echo(
        "Of your own recordings, `stccl manifest` writes such a table from the names of files, and "
        "`stccl segment` from an uncut recording and its script (docs/recordings.md).",
        err=True,
    )


def _print_scan(scan: Scan, counts: Survey) -> None:
    if scan.clips:
        emotions = {emotion for row in counts.speakers.values() for emotion in row}
        click.echo(f"{scan.corpus} in {printable(str(scan.root))}")
        click.echo(
            f"{counted(counts.clips, 'clip')}: {counted(len(counts.speakers), 'speaker')}, "
            f"{counted(len(emotions), 'emotion')}, {counted(len(counts.sentences), 'sentence')}"
        )
        if counts.sentence_unknown:
            click.echo(f"{counts.sentence_unknown:,} of them without a known sentence")
        views = ", ".join(f"{view} {count:,}" for view, count in counts.views.items())
        click.echo(f"views: {views}")
        if counts.sound_files:
            click.echo(f"{counts.sound_files:,} clips have a separate sound file")
        if counts.sound_alone:
            click.echo(f"{counts.sound_alone:,} clips are sound alone: prepare needs --crops none")
        if "neutral" not in emotions:
            click.echo("no clip is neutral: prepare pairs any two emotions, or --reference EMOTION")
        _print_table(scan, counts)
        _print_estimates(counts)
    echo_findings(scan.findings)


def _print_table(scan: Scan, counts: Survey) -> None:
    """Print the clips of each speaker by emotion."""
    from rich.text import Text

    sentences: defaultdict[str, set[str]] = defaultdict(set)
    for clip in scan.clips:
        if clip.sentence is not None:
            sentences[clip.speaker].add(clip.sentence)
    emotions = sorted(
        {emotion for row in counts.speakers.values() for emotion in row}, key=emotion_order
    )
    console = open_console()
    table = make_table(console, "speaker", *emotions, "levels", "sentences")
    for speaker, row in counts.speakers.items():
        levels = sorted({level for by_level in row.values() for level in by_level})
        cells = [
            f"{sum(row[emotion].values()):,}" if emotion in row else "-" for emotion in emotions
        ]
        name = Text(printable(speaker))
        table.add_row(name, *cells, " ".join(map(str, levels)), str(len(sentences[speaker])))
    console.print(table)


def _print_estimates(counts: Survey) -> None:
    """Print the pairs and the cost of each choice of --reference."""
    cores = usable_cores()
    click.echo()
    for reference, estimate in counts.estimates.items():
        alone = "".join(f"; {count:,} {reason}" for reason, count in estimate.alone.items())
        pairs = f"{counted(estimate.pairs, 'pair')} of {counted(estimate.clips, 'clip')}"
        click.echo(f"--reference {reference}: {pairs}{alone}")
        hours = estimate.core_hours + estimate.unpaired.core_hours
        if not hours:
            continue
        one, all_ = (format_hours(hours / count) for count in (1, cores))
        in_work = estimate.bytes + estimate.unpaired.bytes
        frames = counted(estimate.frames + estimate.unpaired.frames, "frame")
        click.echo(
            f"    estimated: {frames}, {one} on one core, {all_} on the {cores} of this machine, "
            f"{naturalsize(in_work)} in work/ and at most {naturalsize(estimate.bytes)} in shards/"
        )
        if saving := paired_only_saving(estimate.unpaired, hours):
            click.echo(f"    {saving}")
