"""`stccl pairs`: audit a published pair file, prepare the pairs that it names, and judge a dataset's pairs anew."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from stccl_data.corpora import ScanError
from stccl_data.interchange.audit import Audit, AuditFinding, audit, mead_sentences
from stccl_data.interchange.pair_file import PairFileError, read_pair_file
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.state import StoreBusyError

from .options import config_of, options_of
from .prepare import summary_words, watched_run
from .progress import open_progress

SHOWN = 200


@click.group("pairs")
def command() -> None:
    """Audit or import a published pair file, apply other thresholds to a dataset's pairs, or have a recogniser listen to it."""


@command.command("audit")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--level", type=click.IntRange(1, 3), default=3, help="Level of the file's emotional clips."
)
@click.option(
    "--transcripts",
    type=click.Path(path_type=Path),
    help="What MEAD clips say: lines ACTOR_level_N_EMOTION_NNN TEXT.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Counts and every finding as one JSON object."
)
def audit_command(file: Path, level: int, transcripts: Path | None, as_json: bool) -> None:
    """Say which pairs of FILE, a pair file of MEAD as published with the method, join two different sentences.

    Judged by MEAD's numbering alone; no video is needed. The exit code is 0 whatever is found: the findings are what was asked for.
    """
    try:
        found = audit(read_pair_file(file), mead_sentences(transcripts), level)
    except (PairFileError, ScanError) as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"file": str(file), **asdict(found)}, indent=1))
    else:
        _print_audit(found)


def _print_audit(found: Audit) -> None:
    emotions = [(emotion, counts) for emotion, counts in found.emotions.items()]
    rows = [
        (emotion, c.pairs, c.wrong, c.unknown, c.faulty_paths, c.frame_pairs, c.wrong_frame_pairs)
        for emotion, c in emotions
    ]
    total = (
        found.pairs,
        found.wrong,
        found.unknown,
        found.faulty_paths,
        found.frame_pairs,
        found.wrong_frame_pairs,
    )
    heads = ("emotion", "pairs", "wrong", "unknown", "bad path", "frame pairs", "of them wrong")
    for row in (heads, *rows, ("all", *total)):
        first, *cells = (cell if isinstance(cell, str) else f"{cell:,}" for cell in row)
        padded = (
            f"{cell:>{max(len(head), 7) + 2}}" for cell, head in zip(cells, heads[1:], strict=True)
        )
        click.echo(f"{first:<12}" + "".join(padded))
    click.echo()
    for finding in found.findings[:SHOWN]:
        click.echo(
            f"{finding.verdict:<8} {finding.speaker} {finding.emotion} {finding.pair}: {_finding_words(finding)}"
        )
    if len(found.findings) > SHOWN:
        click.echo(f"... and {len(found.findings) - SHOWN} more; --json lists all")
    if found.wrong:
        click.echo(
            f"\n{found.wrong} of {found.pairs} pairs join two different sentences, "
            f"{found.wrong_frame_pairs:,} of {found.frame_pairs:,} frame pairs."
        )
    elif not found.unknown:
        click.echo(f"All {found.pairs} pairs join clips of one sentence.")


def _finding_words(finding: AuditFinding) -> str:
    words = finding.detail
    if finding.suggestion is not None:
        words += f"; {finding.suggested_key} would be right"
    elif finding.verdict == "wrong":
        words += f"; no {finding.emotion} clip of that level says {finding.source_sentence}"
    if finding.length_ratio is not None and finding.verdict == "wrong":
        words += (
            f" (lengths 1 : {finding.length_ratio:.2f}, longest repeat {finding.longest_repeat})"
        )
    if finding.faults:
        words += f"; its path: {', '.join(finding.faults)}"
    return words


@command.command("import")
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
    help="The folder of the new dataset.",
)
@click.option(
    "--level",
    type=click.IntRange(min=0),
    help="Level of the emotional clips.  [default: each emotion's highest]",
)
@options_of(PrepareConfig)
@click.option(
    "--json", "as_json", is_flag=True, help="Counts, contradicted pairs and the summary as JSON."
)
def import_command(
    file: Path, raw: Path, out: Path, level: int | None, as_json: bool, **values: Any
) -> None:
    """Prepare exactly the pairs that FILE, a pair file as published with the method, names; with the paths that it says.

    A pair whose clips say two sentences by their labels, or whose path names frames that the clips do not have, is refused with a
    reason. --align says by what the content of the others is checked. Run again to go on after an interruption.
    """
    from stccl_data.interchange.import_pairs import import_pairs

    try:
        with watched_run(out) as progress:
            found = import_pairs(file, raw, out, config_of(PrepareConfig, values), level, progress)
    except (PairFileError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(asdict(found), default=str))
    else:
        missing = (
            f"; of {found.not_found} no two clips are in {raw} (findings.jsonl)"
            if found.not_found
            else ""
        )
        click.echo(f"file    {found.named} pairs{missing}")
        for what, rows in (("labels", found.numbering), ("content", found.content)):
            click.echo(f"{what:<8}contradict{'s' * (what == 'content')} {len(rows)} of them")
            for row in rows[:SHOWN]:
                click.echo(f"          {row['source']} -> {row['target']}: {row['detail']}")
        click.echo(summary_words(found.summary))
    if found.summary.failed:
        sys.exit(1)


@command.command("regate")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options_of(GateConfig, unset=True)
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Counts and changes as one JSON object.")
def regate_command(out: Path, dry_run: bool, as_json: bool, **thresholds: float | None) -> None:
    """Judge the pairs of the dataset OUT by other thresholds; those that are not given stay as they are.

    Stored scores alone decide: nothing is read, aligned or cut again. clips.parquet, pairs.parquet, the counts and the card are
    rewritten, the shards are not, and readers follow the tables.
    """
    from stccl_data.dataset.tables import TableError
    from stccl_data.pipeline.refilter import RefilterError, refilter, stored_gates

    try:
        given: dict[str, Any] = {
            name: value for name, value in thresholds.items() if value is not None
        }
        found = refilter(out, replace(stored_gates(out), **given), dry_run)
    except ValueError as error:  # a threshold that is none, such as nan
        raise click.UsageError(str(error)) from error
    except (RefilterError, StoreBusyError, TableError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({**asdict(found), "out": str(found.out)}, indent=1))
        return
    for change in found.changes:
        click.echo(
            f"{change.pairs:>7,} pairs: {change.before or 'accepted'} -> {change.after or 'accepted'}"
        )
    if not found.changes:
        click.echo("No pair changes.")
    click.echo(
        f"pairs   {found.accepted_before:,} -> {found.accepted:,} accepted of {found.pairs:,}"
    )
    click.echo(f"clips   {found.clips_before:,} -> {found.clips:,} in accepted pairs")
    if dry_run:
        click.echo("Nothing was written: --dry-run.")


@command.command("listen")
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--rivals",
    type=click.IntRange(min=1),
    default=5,
    help="Other texts that each clip's own is compared with first.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Counts and contradicted clips as one JSON object."
)
def listen_command(out: Path, rivals: int, as_json: bool) -> None:
    """Ask a speech recogniser which clips of the dataset OUT sound more like another text than like their own.

    English; needs pip install 'stccl[asr]', and texts: `stccl prepare --transcripts`, or a manifest's column `text`. It reports
    and changes nothing. The exit code is 0 whatever is found.
    """
    from stccl_data.asr.listen import ListenError, listen
    from stccl_data.asr.recogniser import RecogniserError
    from stccl_data.dataset.tables import TableError

    try:
        with open_progress() as progress:
            found = listen(out, rivals, progress)
    except (ListenError, RecogniserError, TableError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"out": str(out), **found.record()}, indent=1))
        return
    for one in found.contradictions[:SHOWN]:
        click.echo(
            f"{one.clip_id}: labelled {one.sentence} ({one.text!r}), sounds like {one.sounds_like!r}"
        )
    if len(found.contradictions) > SHOWN:
        click.echo(f"... and {len(found.contradictions) - SHOWN} more; --json lists all")
    click.echo(
        f"{len(found.contradictions)} of {found.compared} clips sound more like another text than like their own"
    )
    for what, names in (
        ("no text that the recogniser knows every word of", found.without_text),
        ("nothing to hear", found.unusable),
    ):
        if names:
            click.echo(f"left out: {len(names)} clips with {what}")
