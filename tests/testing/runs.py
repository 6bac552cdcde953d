"""Run `prepare` quickly, and look at what it left."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stccl_data.pipeline.config import PrepareConfig

#: Sound alone, in this process: a run takes about a second.
QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=1")
#: The same as options of the command line.
QUICK_OPTIONS = (
    *("--crops", "none", "--align", "audio"),
    *("--executor", "inline", "--split", "train=1"),
)


def snapshot(folder: Path, *excluded: str) -> dict[str, tuple[str, int]]:
    """Map each file, by its path below `folder`, to its SHA-256 and modification time in ns.

    Args:
        folder: where to look.
        excluded: names of top-level folders to skip.
    """
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in excluded
    }


def copy_tree(source: Path, target: Path) -> Path:
    """Copy a folder with its modification times, so that `prepare` sees the same files."""
    return Path(shutil.copytree(source, target))


def shard_digests(out: Path) -> dict[str, str]:
    """Map each shard to its SHA-256."""
    return {path: digest for path, (digest, _) in snapshot(out / "shards").items()}


def rows(out: Path, table: str = "clips") -> list[dict[str, Any]]:
    """Return the rows of clips.parquet or pairs.parquet."""
    result: list[dict[str, Any]] = pq.read_table(out / f"{table}.parquet").to_pylist()
    return result
