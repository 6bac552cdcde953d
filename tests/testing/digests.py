"""Compare datasets byte for byte."""

import hashlib
from pathlib import Path

#: Below OUT: what belongs to the runs, and how the dataset was made, may differ.
_NOT_COMPARED = ("work", "logs", "provenance.json")


def digests(out: Path) -> dict[str, str]:
    """Map each file of the dataset OUT, by its path below OUT, to its SHA-256."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(out)): sha256(path)
        for path in files
        if path.relative_to(out).parts[0] not in _NOT_COMPARED
    }


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
