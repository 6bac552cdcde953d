"""Find out what a run would do, without doing it: the work of `stccl prepare --dry-run`."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.dataset.layout import PROVENANCE
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import Cost, core_hours, free_bytes, needed_bytes, total_frames
from stccl_data.pipeline.extract_stage import ExtractionWork, expected_rows, extraction_work
from stccl_data.pipeline.pair_stage import outstanding
from stccl_data.pipeline.request import resolve_request
from stccl_data.pipeline.run import PrepareError, rare_garbage_collection
from stccl_data.pipeline.state import StateError, Store


@dataclass(frozen=True, slots=True)
class Plan:
    """What `prepare` would do with these options, as far as can be said without opening a clip."""

    out: Path
    #: stage -> (units in all, units still to do)
    stages: dict[str, tuple[int, int]]
    #: clips to extract by cause: `new`, `changed` (extracted before with other options or from
    #: another file), `again` (failed before)
    extract: dict[str, int]
    #: clips that failed before and are not retried
    failed: int
    #: option -> (value of the dataset in OUT, value now), of the options that affect the result
    changed: dict[str, tuple[Any, Any]]
    #: sentences for the user
    notes: list[str]
    #: estimated extraction time of one core
    core_hours: float
    #: estimated growth of OUT
    bytes: int
    #: what `--paired-only` would save of both: the clips to extract that are in no pair
    unpaired: Cost
    #: free space of the disk of OUT, bytes
    free: int


def plan_run(raw: Path, out: Path, config: PrepareConfig | None = None) -> Plan:
    """Plan a run. Writes nothing and opens no clip.

    Raises:
        StcclError: whatever `prepare` raises before it starts.
    """
    config = config or PrepareConfig()
    out = out.absolute()
    with rare_garbage_collection():
        request = resolve_request(raw, out, config)
        store = Store(out, config.array_job)
        try:
            work = extraction_work(config, store, request.scan.root, request.clips)
        except StateError as error:
            raise PrepareError(str(error)) from error
        rows = request.unread | expected_rows(store, work)
        corpus, to_read = request.scan.corpus, work.to_read
        unpaired = request.unpaired
        alone = [clip for clip in to_read if clip.clip_id in unpaired]
        return Plan(
            out=out,
            stages={
                "extract": (len(work.keys), len(work.units)),
                **outstanding(config, store, request.pairs, rows),
            },
            extract=dict(Counter(_cause(work, clip) for clip in to_read)),
            failed=sum(row.failed for row in rows.values()),
            changed=_changed_options(out, config),
            notes=request.notes,
            core_hours=_core_hours(corpus, work, to_read),
            bytes=needed_bytes(config, corpus, to_read, unpaired),
            unpaired=Cost(
                clips=len(alone),
                frames=total_frames(corpus, alone),
                core_hours=_core_hours(corpus, work, alone),
                bytes=needed_bytes(config, corpus, alone, unpaired),
            ),
            free=free_bytes(out),
        )


def _cause(work: ExtractionWork, clip: Clip) -> str:
    before = work.states.get(clip.clip_id)
    if before is None:
        return "new"
    return "again" if before.key == work.keys[clip.clip_id] else "changed"


def _core_hours(corpus: str, work: ExtractionWork, to_read: list[Clip]) -> float:
    """Estimate by the clips already extracted into OUT, or else by the measured frame rate."""
    seconds = [state.seconds for state in work.states.values() if state.seconds]
    if seconds:
        return len(to_read) * sum(seconds) / len(seconds) / 3600
    return core_hours(total_frames(corpus, to_read))


def _changed_options(out: Path, config: PrepareConfig) -> dict[str, tuple[Any, Any]]:
    try:
        before = json.loads((out / PROVENANCE).read_text())["config"]
    except (OSError, ValueError, KeyError):
        return {}
    now = json.loads(json.dumps(config.result_options()))
    return {
        name: (before[name], value)
        for name, value in now.items()
        if name in before and before[name] != value
    }
