"""Check OUT before a run: nothing foreign is overwritten, and an earlier dataset is compared."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.corpora import Scan
from stccl_data.dataset.layout import PROVENANCE, SHARDS
from stccl_data.dataset.tables import TableError, read_clips
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.run import PrepareError

#: Files by which an OUT of `stccl prepare` is recognised.
_OWN_FILES = ("work/lock", PROVENANCE, SHARDS)


def check_output_folder(raw: Path, out: Path) -> None:
    """Check that OUT is a folder outside RAW that is empty or was written by `stccl prepare`.

    Raises:
        PrepareError: it is not.
    """
    advice = "give another folder for the result"
    if out.exists() and not out.is_dir():
        raise PrepareError(f"{out} is a file: {advice}")
    if raw.is_dir() and out.resolve() == raw.resolve():
        raise PrepareError(f"{out} is the raw corpus itself, which is never written to: {advice}")
    if raw.is_dir() and out.resolve().is_relative_to(raw.resolve()):
        raise PrepareError(
            f"{out} is inside the raw corpus {raw}, which is never written to: {advice}"
        )
    if raw.is_file() and out.resolve() == raw.resolve().parent:
        raise PrepareError(f"{out} contains the manifest {raw.name}: {advice}")
    if [path.name for path in out.glob("*")] == ["work"] and not any((out / "work").iterdir()):
        return  # another job of an array has only just started
    if (
        out.is_dir()
        and any(out.iterdir())
        and not any((out / name).exists() for name in _OWN_FILES)
    ):
        raise PrepareError(
            f"{out} contains files that `stccl prepare` did not write: give an empty or new folder"
        )


def compare_with_dataset(
    out: Path, scan: Scan, config: PrepareConfig, clips: Sequence[Clip]
) -> list[str]:
    """Return notes on what this run changes in the dataset that is in OUT, if there is one.

    Args:
        out: the output folder.
        scan: the scan of RAW.
        config: the options of this run.
        clips: the clips of this run.

    Raises:
        PrepareError: the dataset was made from different clips, and would be replaced.
    """
    try:
        rows = read_clips(out, ["clip_id", "state"])
        gates = json.loads((out / PROVENANCE).read_text())["config"]["gates"]
    except (TableError, OSError, ValueError, KeyError, TypeError):
        return []
    existing = {row["clip_id"] for row in rows}
    paired = {row["clip_id"] for row in rows if row["state"] == "paired"}
    if existing and existing.isdisjoint(clip.clip_id for clip in scan.clips):
        raise PrepareError(
            f"{out} has a dataset of other clips than {scan.root}: "
            "give another folder, or delete it"
        )
    notes = []
    dropped = paired.difference(clip.clip_id for clip in clips)
    if config.array_job is None and dropped:
        notes.append(
            f"{len(dropped):,} of the {len(paired):,} clips of the dataset in OUT are not selected "
            f"by these options: it is rewritten without them (they stay in {out / 'work'})"
        )
    if gates != asdict(config.gates):
        notes.append(
            "the thresholds differ from those of the tables in OUT (`stccl pairs refilter`?): "
            "its pairs are judged again"
        )
    return notes
