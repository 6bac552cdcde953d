"""`stccl status OUT`: how far a run is, from any terminal."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from stccl_data.pipeline.status import RunStatus, Stage, Status


@click.command("status")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Say how far the work on OUT is: by whom, which stage, how fast, what failed. It may be going on, or have ended.

    Nothing is written and nobody is disturbed: watch -n 5 stccl status OUT.
    """
    from stccl_data.pipeline.state import StateError
    from stccl_data.pipeline.status import read_status

    try:
        found = read_status(out.absolute())
    except (FileNotFoundError, StateError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        json.dumps({**asdict(found), "out": str(found.out)}, indent=1) if as_json else _words(found)
    )


def _words(found: "Status") -> str:
    lines = [line for run in found.runs for line in _run(run)]
    reasons = "".join(
        f"\n          {n:,} {reason}" for reason, n in sorted(found.clips.items()) if reason
    )
    each = f", {found.clip_seconds:.1f} s of a core each" if found.clip_seconds else ""
    lines.append(
        f"clips     {found.clips.get('', 0):,} of {sum(found.clips.values()):,} extracted so far{each}{reasons}"
    )
    return "\n".join(lines)


def _run(run: "RunStatus") -> list[str]:
    part = "" if run.job is None else f"part {run.job.replace('-of-', '/')} "
    at = f"at work: process {run.process}" if run.process else "nobody is at work"
    began = (
        f", began {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(run.stages[0].began))}"
        if run.stages
        else ""
    )
    return [
        f"run       {part}{at}{began}",
        *(_stage(stage, run.process is not None) for stage in run.stages),
    ]


def _stage(stage: "Stage", working: bool) -> str:
    words = f"{stage.name:<10}{stage.done:,} of {stage.total:,}"
    if stage.per_hour:
        words += f", {stage.per_hour:,.0f}/h"
    if working and stage.done < stage.total and stage.left_s:
        words += f", {_duration(stage.left_s)} left"
    return words + "".join(f", {reason} {n:,}" for reason, n in sorted(stage.reasons.items()))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"
