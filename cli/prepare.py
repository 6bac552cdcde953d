"""`stccl prepare`: raw videos in, verified shards of aligned pairs out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from stccl_data.config import PrepareConfig

from .options import config_of, options_of
from .progress import PlainProgress, TerminalProgress, open_progress


@click.command(context_settings={"show_default": True})
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@options_of(PrepareConfig)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(raw: Path, out: Path, as_json: bool, **values: Any) -> None:
    """Make webdataset shards in OUT of the aligned pairs in RAW, a corpus folder or a manifest.

    RAW is never written to. Run the same command again to go on after an interruption.
    """
    from stccl_data.corpora import ScanError
    from stccl_data.prepare import prepare
    from stccl_data.splits import SplitError

    config = config_of(PrepareConfig, values)
    try:
        with watched_run(out) as progress:
            summary = prepare(raw, out, config, progress)
    except (ScanError, SplitError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(json.dumps({**asdict(summary), "out": str(summary.out)}) if as_json else summary_words(summary))
    if summary.failed:
        sys.exit(1)


@contextmanager
def watched_run(out: Path) -> Iterator[TerminalProgress | PlainProgress]:
    """The progress of a run into `out`. What stops the run becomes the command's answer: a sentence, or exit code 130."""
    from stccl_data.landmarks import ModelError
    from stccl_data.prepare import PrepareError
    from stccl_data.store import StoreBusyError

    try:
        with open_progress() as progress:
            yield progress
    except (PrepareError, ModelError, StoreBusyError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo(f"Interrupted. What is done is kept in {out}: the same command goes on from there.", err=True)
        sys.exit(130)


def summary_words(summary: Any) -> str:
    """The summary for people."""
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    lines = []
    if not summary.made:
        lines.append(f"Nothing to do: {summary.out} is complete.")
    lines.append(f"clips   {summary.clips.get('', 0)} of {clips} in accepted pairs{_by_reason(summary.clips)}")
    lines.append(f"pairs   {summary.pairs.get('', 0)} of {pairs} accepted{_by_reason(summary.pairs)}")
    shards = ", ".join(f"{n} {split}" for split, n in summary.shards.items())
    none = "no pair could be aligned" if pairs else "no two clips make a pair"
    lines.append(f"shards  {shards} in {summary.out / 'shards'}" if shards else f"shards  none: {none}")
    if summary.findings:
        found = ", ".join(f"{n} {reason}" for reason, n in sorted(summary.findings.items()))
        lines.append(f"raw     findings: {found} (findings.jsonl)")
    lines += [f"note    {note}" for note in summary.notes]
    lines.append(f"time    {summary.seconds:.1f} s, {summary.frames} frames of extracted clips")
    if summary.shards:
        lines.append(f"next    stccl verify {summary.out}; stccl info {summary.out}; stccl preview {summary.out} ...")
    elif not pairs:
        lines.append(f"next    {summary.out / 'clips.parquet'} says for each clip why it is in no pair")
    return "\n".join(lines)


def _by_reason(counts: dict[str, int]) -> str:
    from stccl_data.reasons import Reason

    told = [f"\n          {n} {reason}: {Reason[reason.upper()].advice}" for reason, n in sorted(counts.items()) if reason]
    return "".join(told)
