"""The summary and the dry-run plan of `stccl prepare`, as text."""

import json
import shlex
import sys
from typing import TYPE_CHECKING

import click
from humanize import naturalsize

from stccl_data.pipeline.config import PrepareConfig

from .output import count_lines, echo_json, paired_only_saving, reason_lines

if TYPE_CHECKING:
    from stccl_data.pipeline.plan import Plan
    from stccl_data.pipeline.prepare import Summary

#: What the verdict of `stccl eval` needs at least.
LEAST_PAIRS, LEAST_SENTENCES = 5, 2

#: What a stage counts.
_UNITS = {"extract": "clips", "align": "utterances", "content": "speakers"}

#: Why a clip would be extracted.
_CAUSES = {
    "new": "new",
    "changed": "made with other options or from another file",
    "again": "failed before",
}


def finish(summary: "Summary", as_json: bool) -> None:
    """Print the summary of a run, and exit with 1 if anything failed."""
    if as_json:
        echo_json(summary)
    else:
        click.echo(format_summary(summary))
    if summary.failed:
        sys.exit(1)


def format_summary(summary: "Summary") -> str:
    """Format what a run left in OUT, and the next command."""
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    used = "in accepted pairs" if summary.job is None else "usable"
    lines = [] if summary.made else [f"Nothing to do: {summary.out} is complete."]
    lines += [
        f"clips   {summary.clips.get('', 0)} of {clips} {used}{reason_lines(summary.clips)}",
        f"pairs   {summary.pairs.get('', 0)} of {pairs} accepted{reason_lines(summary.pairs)}",
    ]
    if summary.job is None:
        lines += _format_dataset(summary, pairs)
    if summary.footage:
        lines.append(
            f"footage clips.parquet notes how clips were read{count_lines(summary.footage)}"
        )
    lines += [f"note    {note}" for note in summary.notes]
    lines.append(f"time    {summary.seconds:.1f} s, {summary.frames} frames extracted")
    lines.append(f"next    {_next_step(summary, pairs)}")
    return "\n".join(lines)


def _format_dataset(summary: "Summary", pairs: int) -> list[str]:
    """Format the shards and the findings of a whole dataset."""
    shards = ", ".join(f"{count} {split}" for split, count in summary.shards.items())
    missing = "no pair could be aligned" if pairs else "no two clips make a pair"
    lines = [f"shards  {f'{shards} in {summary.out}/shards' if shards else f'none: {missing}'}"]
    if shards:
        lines += _format_splits(summary)
    if summary.findings:
        counts = ", ".join(f"{n} {reason}" for reason, n in sorted(summary.findings.items()))
        lines.append(f"raw     findings: {counts} (findings.jsonl)")
    return lines


def _format_splits(summary: "Summary") -> list[str]:
    """Format the pairs of each split, and whether `stccl eval` can judge a metric on the test."""
    from stccl_data.dataset.summary import summarise

    splits = {name: split for name, split in summarise(summary.out).splits.items() if split.pairs}
    counts = ", ".join(f"{split.pairs:,} {name}" for name, split in splits.items())
    lines = [f"splits  accepted pairs: {counts}"]
    test = splits.get("test")
    if test is None:
        lines.append("note    no pair is left for the split test, so `stccl eval` has none")
    elif test.pairs < LEAST_PAIRS or test.utterances < LEAST_SENTENCES:
        lines.append(
            f"note    the split test is too small for a verdict of `stccl eval`: its pairs are "
            f"{test.pairs} (at least {LEAST_PAIRS}), its sentences {test.utterances} "
            f"(at least {LEAST_SENTENCES})"
        )
    return lines


def _next_step(summary: "Summary", pairs: int) -> str:
    out, quoted = summary.out, shlex.quote(str(summary.out))
    if summary.job is not None:
        return f"job {summary.job} has finished; when all have: stccl merge {quoted}"
    if summary.shards:
        return f"look at the pairs: stccl report {quoted}; check every byte: stccl verify {quoted}"
    if pairs:
        return f"why no pair was accepted: stccl report {quoted}"
    return f"{out / 'clips.parquet'} has the reason why each clip is in no pair"


def format_plan(plan: "Plan", config: PrepareConfig) -> str:
    """Format what a run would do."""
    lines = [
        f"changed {name}: {json.dumps(before)} -> {json.dumps(now)}"
        for name, (before, now) in plan.changed.items()
    ]
    for stage, (total, missing) in plan.stages.items():
        units = _UNITS[stage]
        rest = f"{total - missing:,} are done or stay as they are"
        lines.append(f"{stage:<8}{missing:,} of {total:,} {units}; {rest}")
        if stage == "extract":
            lines += [f"          {n:,} {_CAUSES[cause]}" for cause, n in plan.extract.items()]
            if plan.failed:
                lines.append(f"          {plan.failed:,} failed before (--retry-failed)")
    if not any(missing for _, missing in plan.stages.values()):
        lines.append("shards  written again only if they would change")
    elif config.array_job is None:
        lines.append("shards  written again")
    lines += [f"note    {note}" for note in plan.notes]
    workers = f"{config.workers or 'all'} cores"
    lines += [
        f"time    about {plan.core_hours:.1f} core hours of extraction, on {workers}",
        f"disk    about {naturalsize(plan.bytes)} more in {plan.out}; "
        f"{naturalsize(plan.free)} are free",
    ]
    if saving := paired_only_saving(plan.unpaired, plan.core_hours):
        lines.append(f"less    {saving}")
    lines.append("Nothing was written: --dry-run.")
    return "\n".join(lines)
