"""The result of `stccl pairs audit`, as text."""

import click

from stccl_data.interchange.audit import Audit, AuditFinding

from .output import MAX_LINES

#: Heading of each column, and the counts of `EmotionCounts` and `Audit` in it.
_COLUMNS = {
    "pairs": "pairs",
    "wrong": "wrong",
    "unknown": "unknown",
    "bad path": "faulty_paths",
    "frame pairs": "frame_pairs",
    "of them wrong": "wrong_frame_pairs",
}


def print_audit(audit: Audit) -> None:
    """Print the counts by emotion, every finding, and the verdict."""
    widths = [max(len(heading), 7) + 2 for heading in _COLUMNS]
    rows = {**audit.emotions, "all": audit}
    cells = [[f"{getattr(row, name):,}" for name in _COLUMNS.values()] for row in rows.values()]
    for first, line in zip(("emotion", *rows), (list(_COLUMNS), *cells), strict=True):
        padded = (f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo(f"{first:<12}" + "".join(padded))
    click.echo()
    for finding in audit.findings[:MAX_LINES]:
        place = f"{finding.speaker} {finding.emotion} {finding.pair}"
        click.echo(f"{finding.verdict:<8} {place}: {_format_finding(finding)}")
    if len(audit.findings) > MAX_LINES:
        click.echo(f"... and {len(audit.findings) - MAX_LINES} more; see --json")
    if audit.wrong:
        click.echo(
            f"\n{audit.wrong} of {audit.pairs} pairs join two different sentences, "
            f"{audit.wrong_frame_pairs:,} of {audit.frame_pairs:,} frame pairs."
        )
    elif not audit.unknown:
        click.echo(f"All {audit.pairs} pairs join clips of one sentence.")


def _format_finding(finding: AuditFinding) -> str:
    text = finding.detail
    if finding.suggestion is not None:
        text += f"; {finding.suggested_key} would be right"
    elif finding.verdict == "wrong":
        text += f"; no {finding.emotion} clip of that level says {finding.source_sentence}"
    if finding.length_ratio is not None and finding.verdict == "wrong":
        ratio, repeat = f"1 : {finding.length_ratio:.2f}", finding.longest_repeat
        text += f" (lengths {ratio}, longest repeat {repeat})"
    if finding.faults:
        text += f"; its path: {', '.join(finding.faults)}"
    return text
