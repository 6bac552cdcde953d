"""`stccl status`: show the progress of a run, from any terminal."""

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from humanize import naturaldelta

from .output import echo_json

if TYPE_CHECKING:
    from stccl_data.pipeline.status import RunStatus, Stage, Status


@click.command("status")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(out: Path, as_json: bool) -> None:
    """Show the progress of the runs into OUT: process, stages, rate, failures.

    Nothing is written and no run is disturbed: watch -n 5 stccl status OUT.
    """
    from stccl_data.pipeline.status import read_status

    status = read_status(out.absolute())
    if as_json:
        echo_json(status, indent=1)
    else:
        click.echo(_format_status(status))


def _format_status(status: "Status") -> str:
    lines = [line for run in status.runs for line in _format_run(run)]
    reasons = "".join(
        f"\n          {n:,} {reason}" for reason, n in sorted(status.clips.items()) if reason
    )
    done, total = status.clips.get("", 0), sum(status.clips.values())
    each = f", {status.clip_seconds:.1f} s of a core each" if status.clip_seconds else ""
    lines.append(f"clips     {done:,} of {total:,} extracted so far{each}{reasons}")
    return "\n".join(lines)


def _format_run(run: "RunStatus") -> list[str]:
    job = "" if run.job is None else f"job {run.job.replace('-of-', '/')}, "
    state = f"in progress: process {run.process}" if run.process else "not in progress"
    started = ""
    if run.stages:
        began = time.localtime(run.stages[0].began)
        started = f", started {time.strftime('%Y-%m-%d %H:%M:%S', began)}"
    stages = [_format_stage(stage, run.process is not None) for stage in run.stages]
    return [f"run       {job}{state}{started}", *stages]


def _format_stage(stage: "Stage", running: bool) -> str:
    text = f"{stage.name:<10}{stage.done:,} of {stage.total:,}"
    if stage.per_hour:
        text += f", {stage.per_hour:,.0f}/h"
    if running and stage.done < stage.total and stage.left_s:
        text += f", {naturaldelta(timedelta(seconds=stage.left_s))} left"
    return text + "".join(f", {reason} {n:,}" for reason, n in sorted(stage.reasons.items()))
