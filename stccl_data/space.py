"""The disk of OUT: what a run will take of it, what is left, and the sentence for when that is nothing."""

import shutil
from pathlib import Path

from .config import PrepareConfig
from .reasons import Reason
from .survey import BYTES_PER_FRAME

#: Bytes that a run leaves free: for the tables, the state and the log.
LEAST_FREE = 32 * 2**20


def needed_bytes(config: PrepareConfig, frames: int) -> int:
    """Roughly what extracting so many frames adds to the disk: the crops in `work`, and again in the shards."""
    return 2 * frames * BYTES_PER_FRAME if config.crops != "none" else 0


def free_bytes(out: Path) -> int:
    """What is free on the disk where `out` is or will be."""
    return shutil.disk_usage(next(folder for folder in (out, *out.parents) if folder.exists())).free


def full_disk(place: Path, detail: str) -> str:
    """The sentence for a disk that is full."""
    return f"nothing more can be written to {place} ({detail}): {Reason.DISK_FULL.advice}"
