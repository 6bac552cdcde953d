"""The speakers who withdrew: kept as hashes in OUT, so that no run brings them back."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from stccl_data.corpora import Finding, Scan
from stccl_data.errors import Reason
from stccl_data.files.atomic import write_text
from stccl_data.words import counted

WITHDRAWN = "withdrawn.json"


def is_withdrawn(out: Path, speaker: str) -> bool:
    """Whether a speaker withdrew from the dataset in `out`."""
    return _hash(speaker) in _hashes(out)


def record_withdrawal(out: Path, speaker: str) -> None:
    """Leave a speaker out of every later run into `out`."""
    hashes = sorted({*_hashes(out), _hash(speaker)})
    write_text(out / WITHDRAWN, json.dumps({"speakers_sha256": hashes}, indent=1) + "\n")


def without_withdrawn(out: Path, scan: Scan) -> Scan:
    """Leave the clips of withdrawn speakers out of a scan; a finding counts them."""
    hashes = _hashes(out)
    gone = {s for s in {clip.speaker for clip in scan.clips} if _hash(s) in hashes}
    if not gone:
        return scan
    clips = tuple(clip for clip in scan.clips if clip.speaker not in gone)
    count = len(scan.clips) - len(clips)
    detail = f"clips of {counted(len(gone), 'speaker')} who withdrew"
    finding = Finding(str(out / WITHDRAWN), Reason.WITHDRAWN, detail, files=count)
    # findings name files, and these may name the speaker
    paths = {path for clip in scan.clips if clip.speaker in gone for path in (clip.path,)}
    findings = (f for f in scan.findings if f.path not in paths)
    return replace(scan, clips=clips, findings=(*findings, finding))


def _hashes(out: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads((out / WITHDRAWN).read_bytes())["speakers_sha256"])
    except FileNotFoundError:
        return frozenset()


def _hash(speaker: str) -> str:
    return hashlib.sha256(speaker.encode()).hexdigest()
