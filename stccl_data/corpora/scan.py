"""What looking at a raw corpus brings back: its clips, and a finding for everything else."""

from dataclasses import dataclass
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.errors import Reason, UsageError


class ScanError(UsageError):
    """The question itself cannot be answered: RAW is missing, a manifest lacks a column, an option names what is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in RAW that is no clip, or a clip with a defect.

    `path` is the file or folder; `detail` one sentence that names it (and the row, in a table) and says what is wrong; what
    to do is `reason.advice`. `files` is how many files it stands for: many for a folder found twice or for clips that an
    option left out, 0 for a remark on clips that are used all the same.
    """

    path: str
    reason: Reason
    detail: str
    clip_id: str | None = None
    files: int = 1


@dataclass(frozen=True, slots=True)
class Scan:
    """One look at RAW. `corpus` is mead, ravdess, cremad, own, or unknown (then there are no clips).

    `clips` are sorted by `clip_id`, which are unique. Every media file under `root` is a clip's `path`, goes with one as its
    sound, or is counted in a finding.
    """

    corpus: str
    root: Path
    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]
