"""`stccl scan RAW`: what a raw corpus holds, what it would make, and what is wrong with it."""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import click

from stccl_data.clip import EMOTIONS
from stccl_data.corpora import CORPORA, LAYOUTS, Finding, Scan, ScanError, scan_corpus
from stccl_data.errors import Reason
from stccl_data.pipeline.estimate import size_words
from stccl_data.pipeline.survey import Survey, as_dict, survey

EXAMPLES = 3


def words(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> list[str] | None:
    """A comma-separated option as a list."""
    return None if value is None else [word.strip() for word in value.split(",") if word.strip()]


@click.command(name="scan")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option(
    "--corpus", type=click.Choice(["auto", *CORPORA]), default="auto", help="Which corpus RAW is."
)
@click.option(
    "--views",
    callback=words,
    help="Cameras, by commas, or 'all'.  [default: front for MEAD, all otherwise]",
)
@click.option("--speakers", callback=words, help="Only these speakers, by commas.")
@click.option("--emotions", callback=words, help="Only these emotions, by commas.")
@click.option(
    "--transcripts",
    type=click.Path(path_type=Path),
    help="What MEAD clips say: lines ACTOR_level_N_EMOTION_NNN TEXT.",
)
@click.option("--json", "as_json", is_flag=True, help="Everything, each finding included, as JSON.")
def command(
    raw: Path,
    corpus: str,
    views: list[str] | None,
    speakers: list[str] | None,
    emotions: list[str] | None,
    transcripts: Path | None,
    as_json: bool,
) -> None:
    """List what RAW holds: clips, files that cannot be used and why, the pairs to be made, estimated time and disk.

    RAW is a folder that holds MEAD, RAVDESS or CREMA-D, or a manifest of your own. No media file is opened, nothing is written.
    """
    try:
        scan = scan_corpus(
            raw, corpus, views=views, speakers=speakers, emotions=emotions, transcripts=transcripts
        )
    except ScanError as error:
        raise click.UsageError(str(error)) from error
    counts = survey(scan)
    if as_json:
        click.echo(json.dumps(as_dict(scan, counts), indent=1))
    else:
        _print(scan, counts)
    if not scan.clips:
        click.echo(f"No clip was found in {raw}. What is recognised, at any depth:", err=True)
        for name, layout in LAYOUTS.items():
            click.echo(f"  {name:8} {layout}", err=True)
        sys.exit(1)


def _print(scan: Scan, counts: Survey) -> None:
    if scan.clips:
        there = {emotion for row in counts.speakers.values() for emotion in row}
        held = f"{len(counts.speakers)} speakers, {len(there)} emotions, {len(counts.sentences)} sentences"
        click.echo(f"{scan.corpus} in {_line(str(scan.root))}")
        click.echo(f"{counts.clips:,} clips: {held}")
        if counts.sentence_unknown:
            click.echo(f"{counts.sentence_unknown:,} of them say a sentence that is not known")
        click.echo(
            f"views: {', '.join(f'{view} {count:,}' for view, count in counts.views.items())}"
        )
        if counts.sound_files:
            click.echo(f"{counts.sound_files:,} clips have their sound in a file of its own")
        _print_table(scan, counts)
        _print_plans(counts)
    _print_findings(scan.findings)


def _print_table(scan: Scan, counts: Survey) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    sentences: defaultdict[str, set[str]] = defaultdict(set)
    for clip in scan.clips:
        if clip.sentence is not None:
            sentences[clip.speaker].add(clip.sentence)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    table.add_column("speaker", no_wrap=True)
    emotions = [
        emotion for emotion in EMOTIONS if any(emotion in row for row in counts.speakers.values())
    ]
    for heading in (*emotions, "levels", "sentences"):
        table.add_column(heading, justify="right", no_wrap=True)
    for speaker, row in counts.speakers.items():
        levels = sorted({level for by_level in row.values() for level in by_level})
        cells = [
            f"{sum(row[emotion].values()):,}" if emotion in row else "-" for emotion in emotions
        ]
        table.add_row(
            Text(_line(speaker)), *cells, " ".join(map(str, levels)), str(len(sentences[speaker]))
        )
    if not console.is_terminal:
        console.width = 1000
    console.print(table)


def _print_plans(counts: Survey) -> None:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    click.echo()
    for reference, plan in counts.estimates.items():
        left = "".join(f"; {count:,} {reason}" for reason, count in plan.alone.items())
        click.echo(f"--reference {reference}: {plan.pairs:,} pairs of {plan.clips:,} clips{left}")
        if plan.frames:
            here = f"{_duration(plan.core_hours)} on one core, {_duration(plan.core_hours / cores)} on the {cores} of this machine"
            click.echo(f"    estimated: {plan.frames:,} frames, {here}, {size_words(plan.bytes)}")


def _print_findings(findings: tuple[Finding, ...]) -> None:
    by_reason: defaultdict[Reason, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_reason[finding.reason].append(finding)
    for reason, found in by_reason.items():
        files = sum(finding.files for finding in found)
        counted = (
            f"{files:,} {'file' if files == 1 else 'files'}"
            if files
            else "clips that are used all the same"
        )
        click.echo(f"\n{reason} ({counted}): {reason.advice}")
        for finding in found[:EXAMPLES]:
            click.echo(f"    {_line(finding.detail)}")
        if len(found) > EXAMPLES:
            click.echo(f"    and {len(found) - EXAMPLES:,} more; --json lists all")


def _duration(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"


def _line(text: str) -> str:
    """`text` on one line, with what does not print escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
