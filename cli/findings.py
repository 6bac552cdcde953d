"""Print the findings about the files of a folder."""

from collections import defaultdict
from collections.abc import Sequence

import click

from stccl_data.corpora import Finding
from stccl_data.errors import Reason
from stccl_data.words import counted

from .printable import printable

#: Findings printed per reason.
_MAX_EXAMPLES = 3


def echo_findings(findings: Sequence[Finding]) -> None:
    """Print findings by their reason."""
    by_reason: defaultdict[Reason, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_reason[finding.reason].append(finding)
    for reason, group in by_reason.items():
        files = sum(finding.files for finding in group)
        count = counted(files, "file") if files else "the clips are used anyway"
        click.echo(f"\n{reason} ({count}): {reason.advice}")
        for finding in group[:_MAX_EXAMPLES]:
            click.echo(f"    {printable(finding.detail)}")
        if len(group) > _MAX_EXAMPLES:
            click.echo(f"    and {len(group) - _MAX_EXAMPLES:,} more; see --json")
