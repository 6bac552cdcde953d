"""`stccl align`: align two clips in time."""

import csv
import sys
from pathlib import Path
from typing import Any

import click

from stccl_data.alignment.modes import MODES

from .output import echo_json

#: A content score without impostors below this is worth a warning: 6 % of right pairs are below it,
#: 83 % of wrong ones.
DOUBTFUL = 0.2


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option(
    "--align",
    "mode",
    default="auto",
    type=click.Choice(MODES),
    show_default=True,
    help="What to align by; auto: sound, or the mouth if a clip is silent; reference: the "
    "published recipe.",
)
@click.option(
    "--list",
    "listing",
    type=click.Path(path_type=Path),
    help="A CSV with columns source,target instead of two clips.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each alignment as one line of JSON.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Plot the cost matrix and the path into this file.",
)
def command(
    source: Path | None,
    target: Path | None,
    mode: str,
    listing: Path | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Align SOURCE with TARGET, two clips of one sentence.

    Times are seconds since the first frame of each clip; `source_time` and `target_time` are the
    warping path.
    """
    if listing is not None and (source is not None or plot is not None):
        raise click.UsageError("--list cannot be combined with SOURCE, TARGET or --plot")
    if listing is not None:
        pairs = _read_listing(listing)
    elif source is None or target is None:
        raise click.UsageError("give SOURCE and TARGET, or --list pairs.csv")
    else:
        pairs = [(source, target)]

    from stccl_data.alignment.align import AlignConfig
    from stccl_data.alignment.align_files import align_files

    failed = False
    config = AlignConfig(mode=mode)  # type: ignore[arg-type]
    for (a, b), result in zip(pairs, align_files(pairs, config), strict=True):
        failed |= result.error is not None
        if as_json:
            echo_json(result.record())
        elif result.error is not None:
            click.echo(f"{a} -> {b}: {result.error}", err=True)
        else:
            click.echo(format_alignment(result.record()))
        if plot is not None and result.alignment is not None:
            from stccl_data.alignment.plot import plot_alignment

            source_signals, target_signals = result.signals
            try:
                plot_alignment(plot, source_signals, target_signals, result.alignment)
            except ValueError as error:  # a suffix that matplotlib does not know
                raise click.ClickException(f"--plot {plot}: {error}") from error
    if failed:
        sys.exit(1)


def _read_listing(listing: Path) -> list[tuple[Path, Path]]:
    """Read the pairs of paths from a CSV. Raises click.UsageError."""
    try:
        with listing.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{listing} cannot be read: {error}") from None
    missing = [name for name in ("source", "target") if name not in columns]
    if missing:
        raise click.UsageError(
            f"{listing} has no column {' and no column '.join(missing)}; "
            "its first line must name source and target"
        )
    for line, row in rows:
        if not row["source"] or not row["target"]:
            raise click.UsageError(f"{listing}, line {line}: source or target is empty")
    if not rows:
        raise click.UsageError(f"{listing} names no pair; write source,target on each line")
    return [(_locate(listing, row["source"]), _locate(listing, row["target"])) for _, row in rows]


def _locate(listing: Path, name: str) -> Path:
    """Resolve a path relative to the CSV; if nothing is there, relative to the working folder."""
    path = listing.parent / name
    return path if path.exists() else Path(name)


def format_alignment(record: dict[str, Any]) -> str:
    """Format the record of an alignment for people."""
    source, target = record["source_time"], record["target_time"]
    lines = [
        f"{record['source']} -> {record['target']}",
        f"  by {record['mode']}: cost {record['cost']:.3f}, "
        f"duration ratio {record['duration_ratio']:.2f}, "
        f"longest repeat {record['longest_repeat']} frames, "
        f"{100 * record['diagonal_fraction']:.0f} % diagonal",
        f"  {source[0]:.2f}-{source[-1]:.2f} s -> {target[0]:.2f}-{target[-1]:.2f} s",
    ]
    lines += [f"  {side}: {note}" for side, notes in record["notes"].items() for note in notes]
    if record["coverage"] is not None and record["coverage"] < 1:
        lines.append(
            f"  a clip is cut: the path covers {100 * record['coverage']:.0f} % of the speech"
        )
    if record["lip_sync_s"]:
        lag = 1000 * record["lip_sync_s"]
        direction = "behind" if lag > 0 else "ahead of"
        lines.append(
            f"  the target's video runs {abs(lag):.0f} ms {direction} its sound, "
            "compared with the source's"
        )
    if record["content_score"] is not None and record["content_score"] < DOUBTFUL:
        lines.append(
            "  the cost is that of two different sentences; "
            "`stccl prepare` compares with other clips to decide"
        )
    return "\n".join(lines)
