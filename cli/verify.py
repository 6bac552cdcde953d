"""`stccl verify OUT`: check every byte and rule of a prepared dataset."""

import json
import sys
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import click

from .progress import open_progress

SHOWN = 8


@click.command("verify")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--decode",
    is_flag=True,
    help="Decode every picture and sound too: about a millisecond a frame.",
)
@click.option("--json", "as_json", is_flag=True, help="Every problem as JSON: file, what, advice.")
def command(out: Path, decode: bool, as_json: bool) -> None:
    """Read the dataset in OUT to its last byte and print what is wrong with it, a line each.

    Checksums, the ends of tars, keys, the index, each clip's members, maps and paths, the tables, speakers in two splits, files
    that do not belong. The exit code is 1 when anything is off.
    """
    from stccl_data.dataset.verify import Problem, verify

    with open_progress() as progress:
        problems = verify(out, decode=decode, progress=progress)
    if as_json:
        click.echo(json.dumps({"problems": [asdict(problem) for problem in problems]}, indent=1))
    else:
        alike: defaultdict[tuple[str, str], list[Problem]] = defaultdict(list)
        for problem in problems:
            alike[problem.file, problem.advice].append(problem)
        for (file, _), found in alike.items():
            for problem in found[:SHOWN]:
                click.echo(problem)
            if len(found) > SHOWN:
                click.echo(f"{file}: and {len(found) - SHOWN:,} more like these; --json lists all")
        click.echo(_summary(out, len(problems)))
    if problems:
        sys.exit(1)


def _summary(out: Path, problems: int) -> str:
    from stccl_data.dataset import ShardError
    from stccl_data.dataset.index import read_shard_list

    try:
        shards = read_shard_list(out)
    except ShardError:
        return f"{out}: {problems} problem{'s' * (problems != 1)}"
    count, size = sum(shard.utterances for shard in shards), sum(shard.bytes for shard in shards)
    held = f"{count:,} samples in {len(shards)} shards, {size / 1e6:,.1f} MB"
    return f"{out}: {f'{problems} problem' + 's' * (problems != 1) if problems else 'all is well'} ({held})"
