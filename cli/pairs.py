"""`stccl pairs`: audit and import published pair files, filter and check a dataset's pairs."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.config import PrepareConfig

from .options import config_of, options_of
from .output import MAX_LINES, echo_json
from .prepare_summary import format_summary
from .progress import open_progress, resumable_progress

if TYPE_CHECKING:
    from stccl_data.asr.listen import ListenReport
    from stccl_data.interchange.import_pairs import Imported
    from stccl_data.pipeline.refilter import RefilterResult


class PairsGroup(click.Group):
    """A click group in which `regate`, the earlier name of `refilter`, still works."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, "refilter" if name == "regate" else name)


@click.group("pairs", cls=PairsGroup)
def command() -> None:
    """Audit or import a published pair file, or filter and check a dataset's pairs."""


@command.command("audit", epilog="Example: stccl pairs audit aligned_path36.json")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--level", type=click.IntRange(1, 3), default=3, help="Level of the file's emotional clips."
)
@click.option(
    "--transcripts",
    type=click.Path(path_type=Path),
    help="Transcripts of MEAD: lines `ACTOR_level_N_EMOTION_NNN TEXT`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and every finding as JSON.")
def audit_command(file: Path, level: int, transcripts: Path | None, as_json: bool) -> None:
    """Find the pairs of FILE, a published pair file of MEAD, that join two different sentences.

    Uses only MEAD's numbering, no video. The exit code is 0 whatever is found.
    """
    from stccl_data.interchange.audit import audit, mead_sentences
    from stccl_data.interchange.pair_file import read_pair_file

    from .audit_summary import print_audit

    result = audit(read_pair_file(file), mead_sentences(transcripts), level)
    if as_json:
        echo_json({"file": str(file), **asdict(result)}, indent=1)
    else:
        print_audit(result)


@command.command("import", epilog="Example: stccl pairs import FILE --clips /data/MEAD --out OUT")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--clips",
    "raw",
    required=True,
    type=click.Path(path_type=Path),
    help="The raw corpus, as for `stccl prepare`.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the new dataset.",
)
@click.option(
    "--level",
    type=click.IntRange(min=0),
    help="Level of the emotional clips.  [default: the highest of each emotion]",
)
@options_of(PrepareConfig)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print counts, contradicted pairs and the summary as JSON.",
)
def import_command(
    file: Path, raw: Path, out: Path, level: int | None, as_json: bool, **values: Any
) -> None:
    """Prepare exactly the pairs of FILE, a published pair file, with the paths in it.

    A pair is refused with a reason if its clips are labelled with two sentences, or if its path
    names frames that the clips lack. --align sets what the content of the other pairs is checked
    by. Run again to resume.
    """
    from stccl_data.interchange.import_pairs import import_pairs

    with resumable_progress(out) as progress:
        result = import_pairs(file, raw, out, config_of(PrepareConfig, values), level, progress)
    if as_json:
        echo_json(result)
    else:
        _print_import(result, raw)
    if result.summary.failed:
        sys.exit(1)


def _print_import(result: "Imported", raw: Path) -> None:
    missing = f"; {result.not_found} have no clips in {raw} (findings.jsonl)"
    click.echo(f"file    {result.named} pairs{missing if result.not_found else ''}")
    for label, verb, rows in (
        ("labels", "contradict", result.numbering),
        ("content", "contradicts", result.content),
    ):
        click.echo(f"{label:<8}{verb} {len(rows)} of them")
        for row in rows[:MAX_LINES]:
            click.echo(f"          {row['source']} -> {row['target']}: {row['detail']}")
    click.echo(format_summary(result.summary))


@command.command(
    "refilter", epilog="Example: stccl pairs refilter OUT --dry-run --min-content-score 0.9"
)
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options_of(GateConfig, unset=True)
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print counts and changes as JSON.")
def refilter_command(out: Path, dry_run: bool, as_json: bool, **thresholds: float | None) -> None:
    """Judge the pairs of the dataset OUT again by other thresholds.

    Thresholds that are not given keep their values. Uses stored scores only: nothing is read,
    aligned or cropped again. Rewrites clips.parquet, pairs.parquet, the counts and the card, not
    the shards; readers follow the tables.
    """
    from stccl_data.pipeline.refilter import refilter, stored_gates

    changes: dict[str, Any] = {
        name: value for name, value in thresholds.items() if value is not None
    }
    result = refilter(out, replace(stored_gates(out), **changes), dry_run)
    if as_json:
        echo_json(result, indent=1)
    else:
        _print_refilter(result)


def _print_refilter(result: "RefilterResult") -> None:
    for change in result.changes:
        before, after = change.before or "accepted", change.after or "accepted"
        click.echo(f"{change.pairs:>7,} pairs: {before} -> {after}")
    if not result.changes:
        click.echo("No pair changes.")
    accepted = f"{result.accepted_before:,} -> {result.accepted:,} accepted"
    click.echo(f"pairs   {accepted} of {result.pairs:,}")
    click.echo(f"clips   {result.clips_before:,} -> {result.clips:,} in accepted pairs")
    if not result.written:
        click.echo("Nothing was written: --dry-run.")


@command.command("listen", epilog="Example: stccl pairs listen OUT")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--rivals",
    type=click.IntRange(min=1),
    default=5,
    help="Other texts to compare with each clip's own at first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and clips as JSON.")
def listen_command(out: Path, rivals: int, as_json: bool) -> None:
    """Find the clips of the dataset OUT that sound more like another text than like their own.

    English only; needs pip install 'stccl[asr]', and texts from `stccl prepare --transcripts` or a
    manifest's column `text`. Changes nothing. The exit code is 0 whatever is found.
    """
    from stccl_data.asr.listen import listen

    with open_progress() as progress:
        report = listen(out, rivals, progress)
    if as_json:
        echo_json({"out": str(out), **report.record()}, indent=1)
    else:
        _print_report(report)


def _print_report(report: "ListenReport") -> None:
    for clip in report.contradictions[:MAX_LINES]:
        label = f"labelled {clip.sentence} ({clip.text!r})"
        click.echo(f"{clip.clip_id}: {label}, sounds like {clip.sounds_like!r}")
    count = len(report.contradictions)
    if count > MAX_LINES:
        click.echo(f"... and {count - MAX_LINES} more; see --json")
    click.echo(
        f"{count} of {report.compared} clips sound more like another text than like their own"
    )
    if report.without_text:
        click.echo(f"skipped: {len(report.without_text)} clips without a text of known words")
    if report.unusable:
        click.echo(f"skipped: {len(report.unusable)} clips without usable sound")
