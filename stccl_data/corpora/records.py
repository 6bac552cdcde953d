"""The records of a scan: the clips of a raw corpus, and the findings about everything else."""

from dataclasses import dataclass
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.errors import Reason, UsageError


class ScanError(UsageError):
    """The scan cannot run: RAW is missing, a manifest lacks a column, or an option is invalid."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file in RAW that is not a clip, or a clip with a defect."""

    #: the file or folder
    path: str
    #: `reason.advice` says what to do
    reason: Reason
    #: one sentence that names the file (and the row, in a table) and says what is wrong
    detail: str
    clip_id: str | None = None
    #: number of files it stands for: many for a duplicated folder or for clips excluded by an
    #: option, 0 for a remark on clips that are used anyway
    files: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """What one adapter reads from a raw folder or a manifest, in no particular order."""

    clips: list[Clip]
    findings: list[Finding]
    #: speakers whose consent is not valid, see `apply_ledger`
    without_consent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of `scan_corpus`.

    Every media file under `root` is the `path` of a clip, the audio of a clip, or counted in a
    finding.
    """

    #: one of `CORPORA`, or `unknown` (without clips)
    corpus: str
    root: Path
    #: sorted by `clip_id`, which is unique
    clips: tuple[Clip, ...]
    #: sorted by reason and path
    findings: tuple[Finding, ...]
    #: speakers whose consent is not valid, see `apply_ledger`
    without_consent: frozenset[str] = frozenset()
