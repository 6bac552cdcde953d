"""`stccl verify`: check every byte and rule of a prepared dataset."""

import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from humanize import naturalsize

from stccl_data.pipeline.withdraw import find_speaker
from stccl_data.pipeline.withdrawn import is_withdrawn
from stccl_data.words import counted

from .output import echo_json
from .progress import open_progress

if TYPE_CHECKING:
    from stccl_data.dataset.verify import Problem

#: How many problems of one kind are printed per file.
_MAX_ALIKE = 8


@click.command("verify")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--decode",
    is_flag=True,
    help="Decode every frame and sound too; takes about a millisecond per frame.",
)
@click.option("--absent", metavar="SPEAKER", help="Only check that nothing of a speaker is left.")
@click.option("--json", "as_json", is_flag=True, help="Print every problem as JSON.")
def command(out: Path, decode: bool, absent: str | None, as_json: bool) -> None:
    """Read every byte of the dataset in OUT and print one line per problem.

    Checks checksums, ends of tars, keys, the index, each clip's members, frame maps and paths, the
    tables, speakers in two splits, and files that do not belong. The exit code is 1 if there is a
    problem.
    """
    from stccl_data.dataset.verify import Problem, verify

    if absent is not None:
        problems = [
            Problem(trace.file, trace.what, f"run `stccl withdraw {out} {absent}`")
            for trace in find_speaker(out, absent)
        ]
        if not problems and not is_withdrawn(out, absent):
            note = f"{absent!r} was never withdrawn from {out}: check how the name is spelled"
            click.echo(f"note    {note}", err=True)
        _report(out, problems, as_json)
        return
    with open_progress() as progress:
        problems = verify(out, decode=decode, progress=progress)
    _report(out, problems, as_json)


def _report(out: Path, problems: "list[Problem]", as_json: bool) -> None:
    if as_json:
        echo_json({"problems": [asdict(problem) for problem in problems]}, indent=1)
    else:
        _print_problems(problems)
        click.echo(_format_total(out, len(problems)))
    if problems:
        sys.exit(1)


def _print_problems(problems: "list[Problem]") -> None:
    alike: defaultdict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        alike[problem.file, problem.advice].append(problem)
    for (file, _), group in alike.items():
        for problem in group[:_MAX_ALIKE]:
            click.echo(problem)
        if len(group) > _MAX_ALIKE:
            click.echo(f"{file}: and {len(group) - _MAX_ALIKE:,} more like these; see --json")


def _format_total(out: Path, problems: int) -> str:
    from stccl_data.dataset import ShardError
    from stccl_data.dataset.index import read_shard_list

    result = counted(problems, "problem") if problems else "no problems"
    try:
        shards = read_shard_list(out)
    except ShardError:
        return f"{out}: {result}"
    samples = sum(shard.utterances for shard in shards)
    size = naturalsize(sum(shard.bytes for shard in shards))
    return (
        f"{out}: {result} ({counted(samples, 'sample')} in {counted(len(shards), 'shard')}, {size})"
    )
