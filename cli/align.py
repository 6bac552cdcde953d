"""`stccl align`: lay two clips on each other in time."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import click

from stccl_data.alignment.modes import MODES

DOUBTFUL = 0.2  # a content score without impostors below this is worth a word; 6 % of right pairs are below, 83 % of wrong ones


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option(
    "--align",
    "mode",
    default="auto",
    type=click.Choice(MODES),
    show_default=True,
    help="What to align by; auto: the sound, and the mouth where a clip is silent; reference: the published recipe.",
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
    help="Write a picture of the cost matrix and the path.",
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

    Times are seconds on the clocks of the files; `source_time` and `target_time` are the warping path.
    """
    if listing is not None and (source is not None or plot is not None):
        raise click.UsageError("--list takes the place of SOURCE and TARGET, and has no --plot")
    if listing is None and (source is None or target is None):
        raise click.UsageError("give SOURCE and TARGET, or --list pairs.csv")
    pairs = [(source, target)] if listing is None else _read_listing(listing)

    from stccl_data.alignment.align import AlignConfig
    from stccl_data.alignment.align_files import align_files

    failed = 0
    for (a, b), outcome in zip(pairs, align_files(pairs, AlignConfig(mode=mode)), strict=True):  # type: ignore[arg-type]
        if outcome.error is not None:
            failed += 1
            if as_json:
                click.echo(json.dumps(outcome.record()))
            else:
                click.echo(f"{a} -> {b}: {outcome.error}", err=True)
            continue
        if plot is not None:
            from stccl_data.alignment.plot import plot_alignment

            assert outcome.alignment is not None
            try:
                plot_alignment(plot, outcome.signals[0], outcome.signals[1], outcome.alignment)
            except (OSError, ValueError) as error:
                raise click.ClickException(f"the plot {plot} cannot be written: {error}") from error
        click.echo(json.dumps(outcome.record()) if as_json else _summary(outcome.record()))
    if failed:
        sys.exit(1)


def _read_listing(listing: Path) -> list[tuple[Path, Path]]:
    """The pairs of paths."""
    try:
        with listing.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [
                name for name in ("source", "target") if name not in (reader.fieldnames or [])
            ]
            if missing:
                names = " and no column ".join(missing)
                raise click.UsageError(
                    f"{listing} has no column {names}; its first line must name both"
                )
            rows = list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise click.UsageError(f"{listing} cannot be read: {error}") from None
    for line, row in rows:
        if not row["source"] or not row["target"]:
            raise click.UsageError(f"{listing}, line {line}: source or target is empty")
    if not rows:
        raise click.UsageError(
            f"{listing} names no pair; each line below the first has a source and a target"
        )
    return [(_beside(listing, row["source"]), _beside(listing, row["target"])) for _, row in rows]


def _beside(listing: Path, name: str) -> Path:
    """A relative path is relative to the CSV, or where nothing is there, to where the command was called."""
    path = listing.parent / name
    return path if path.exists() else Path(name)


def _summary(record: dict[str, Any]) -> str:
    s, t = record["source_time"], record["target_time"]
    lines = [
        f"{record['source']} -> {record['target']}",
        f"  by {record['mode']}: cost {record['cost']:.3f}, duration ratio {record['duration_ratio']:.2f}, longest repeat "
        f"{record['longest_repeat']} frames, {100 * record['diagonal_fraction']:.0f} % diagonal",
        f"  {s[0]:.2f}-{s[-1]:.2f} s -> {t[0]:.2f}-{t[-1]:.2f} s",
    ]
    if record["lip_sync_s"]:
        lag = 1000 * record["lip_sync_s"]
        behind = "behind" if lag > 0 else "ahead of"
        lines.append(
            f"  the target's pictures run {abs(lag):.0f} ms {behind} its sound, compared with the source's"
        )
    if record["content_score"] is not None and record["content_score"] < DOUBTFUL:
        lines.append(
            "  the path costs as much as between two sentences; `stccl prepare` compares with other clips and can tell"
        )
    return "\n".join(lines)
