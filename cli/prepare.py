"""`stccl prepare`: raw videos in, verified shards of aligned pairs out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from stccl_data.pipeline.config import PrepareConfig

from .options import config_of, options_of
from .progress import PlainProgress, TerminalProgress, open_progress


@click.command(context_settings={"show_default": True})
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@options_of(PrepareConfig)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be done, and what a changed option makes anew; write nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary, or the plan of a dry run, as JSON."
)
def command(raw: Path, out: Path, dry_run: bool, as_json: bool, **values: Any) -> None:
    """Make webdataset shards in OUT of the aligned pairs in RAW, a corpus folder or a manifest.

    RAW is never written to. Run the same command again to go on after an interruption.
    """
    from stccl_data.corpora import ScanError
    from stccl_data.corpora.splits import SplitError
    from stccl_data.pipeline.plan import as_dict, plan_run
    from stccl_data.pipeline.prepare import prepare

    config = config_of(PrepareConfig, values)
    try:
        if dry_run:
            with watched_run(out):
                plan = plan_run(raw, out, config)
            click.echo(json.dumps(as_dict(plan)) if as_json else plan_words(plan, config))
            return
        with watched_run(out) as progress:
            summary = prepare(raw, out, config, progress)
    except (ScanError, SplitError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(
        json.dumps({**asdict(summary), "out": str(summary.out)})
        if as_json
        else summary_words(summary)
    )
    if summary.failed:
        sys.exit(1)


@contextmanager
def watched_run(out: Path) -> Iterator[TerminalProgress | PlainProgress]:
    """The progress of a run into `out`. What stops the run becomes the command's answer: a sentence, or exit code 130.

    Libraries that talk (Ray of a lost machine) do so on stderr: stdout is the answer's.
    """
    from stccl_data.landmarks import ModelError
    from stccl_data.pipeline.job_array import JobArrayError
    from stccl_data.pipeline.prepare import PrepareError
    from stccl_data.pipeline.state import StoreBusyError

    try:
        with redirect_stdout(sys.stderr), open_progress() as progress:
            yield progress
    except (PrepareError, ModelError, JobArrayError, StoreBusyError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted. What is done is kept in {out}: the same command goes on from there.",
            err=True,
        )
        sys.exit(130)


def summary_words(summary: Any) -> str:
    """The summary for people."""
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    lines = []
    if not summary.made:
        lines.append(f"Nothing to do: {summary.out} is complete.")
    what = "in accepted pairs" if summary.job is None else "usable"
    lines.append(f"clips   {summary.clips.get('', 0)} of {clips} {what}{_by_reason(summary.clips)}")
    lines.append(
        f"pairs   {summary.pairs.get('', 0)} of {pairs} accepted{_by_reason(summary.pairs)}"
    )
    notes = [f"note    {note}" for note in summary.notes]
    shards = ", ".join(f"{n} {split}" for split, n in summary.shards.items())
    if summary.job is not None:
        lines += notes
        lines.append(
            f"part    {summary.job} is done; when all are, they are put together by: stccl merge {summary.out}"
        )
        lines.append(f"time    {summary.seconds:.1f} s, {summary.frames} frames of extracted clips")
        return "\n".join(lines)
    none = "no pair could be aligned" if pairs else "no two clips make a pair"
    lines.append(
        f"shards  {shards} in {summary.out / 'shards'}" if shards else f"shards  none: {none}"
    )
    if summary.findings:
        found = ", ".join(f"{n} {reason}" for reason, n in sorted(summary.findings.items()))
        lines.append(f"raw     findings: {found} (findings.jsonl)")
    lines += notes
    lines.append(f"time    {summary.seconds:.1f} s, {summary.frames} frames of extracted clips")
    if summary.shards:
        lines.append(
            f"next    stccl verify {summary.out}; stccl info {summary.out}; stccl preview {summary.out} ..."
        )
    elif not pairs:
        lines.append(
            f"next    {summary.out / 'clips.parquet'} says for each clip why it is in no pair"
        )
    return "\n".join(lines)


_CAUSES = {
    "new": "new",
    "changed": "made before with other options or from another file",
    "again": "failed before",
}


def plan_words(plan: Any, config: PrepareConfig) -> str:
    """A plan for people."""
    from stccl_data.pipeline.estimate import size_words

    lines = []
    for name, (before, now) in plan.changed.items():
        lines.append(f"changed {name}: {json.dumps(before)} -> {json.dumps(now)}")
    units = {"extract": "clips", "align": "utterances", "content": "speakers"}
    for stage, (total, left) in plan.stages.items():
        lines.append(
            f"{stage:<8}{left:,} of {total:,} {units[stage]}, {total - left:,} are there or left as they are"
        )
        if stage == "extract":
            lines += [f"          {n:,} {_CAUSES[cause]}" for cause, n in plan.extract.items()]
            lines += (
                [f"          {plan.failed:,} failed before and are left alone (--retry-failed)"]
                if plan.failed
                else []
            )
    if not any(left for _, left in plan.stages.values()):
        lines.append("shards  written again only where they would come out different")
    elif config.array_job is None:
        lines.append("shards  written again")
    lines += [f"note    {note}" for note in plan.notes]
    workers = f"{config.workers or 'all'} cores"
    lines.append(
        f"time    about {plan.core_hours:.1f} core hours of extraction, shared by {workers}"
    )
    lines.append(
        f"disk    about {size_words(plan.bytes)} more in {plan.out}, where {size_words(plan.free)} are free"
    )
    lines.append("Nothing was written: --dry-run.")
    return "\n".join(lines)


def _by_reason(counts: dict[str, int]) -> str:
    from stccl_data.errors import Reason

    told = [
        f"\n          {n} {reason}: {Reason[reason.upper()].advice}"
        for reason, n in sorted(counts.items())
        if reason
    ]
    return "".join(told)
