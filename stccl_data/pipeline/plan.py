"""What a run would do, without doing it: the work of `stccl prepare --dry-run`."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.dataset.layout import PROVENANCE
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import free_bytes, needed_bytes
from stccl_data.pipeline.extract_stage import ExtractionWork, foreseen, plan_extraction
from stccl_data.pipeline.pair_stage import outstanding
from stccl_data.pipeline.prepare import PrepareError, ask
from stccl_data.pipeline.state import StateError, Store
from stccl_data.pipeline.survey import FRAMES_PER_CORE_SECOND, frames_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What `prepare` would do with these options.

    stages: name -> (units in all, of these still to be done), as far as can be said before the clips are read. extract: how many
    clips would be read for which cause: `new`, `changed` (made before with other options or from another file), `again` (failed
    before). failed: clips that failed before and are left alone. changed: option -> (its value when the dataset in OUT was made,
    its value now), of those that decide what comes out. notes: sentences. core_hours and bytes: estimates, of the work of one core
    and of what would be added to the disk of OUT; free: bytes that are free there.
    """

    out: Path
    stages: dict[str, tuple[int, int]]
    extract: dict[str, int]
    failed: int
    changed: dict[str, tuple[Any, Any]]
    notes: list[str]
    core_hours: float
    bytes: int
    free: int


def plan_run(raw: Path, out: Path, config: PrepareConfig | None = None) -> Plan:
    """See `Plan`. Nothing is written, and no clip is opened. Raises what `prepare` raises before it begins."""
    config = config or PrepareConfig()
    out = out.absolute()
    asked = ask(raw, out, config)
    store = Store(out, config.array_job)
    try:
        extraction = plan_extraction(config, store, asked.scan.root, asked.wanted)
    except StateError as error:
        raise PrepareError(str(error)) from error
    rows = asked.unread | foreseen(store, extraction)
    wanted = len(extraction.keys)
    to_read = extraction.to_read
    frames = sum(frames_of(asked.scan.corpus, clip) for clip in to_read)
    return Plan(
        out=out,
        stages={
            "extract": (wanted, len(extraction.units)),
            **outstanding(config, store, asked.pairs, rows),
        },
        extract=dict(Counter(_cause(extraction, clip) for clip in to_read)),
        failed=sum(row.failed for row in rows.values()),
        changed=_changed(out, config),
        notes=asked.notes,
        core_hours=_core_hours(extraction, len(to_read), frames),
        bytes=needed_bytes(config, asked.scan.corpus, to_read),
        free=free_bytes(out),
    )


def _cause(extraction: ExtractionWork, clip: Clip) -> str:
    before = extraction.states.get(clip.clip_id)
    if before is None:
        return "new"
    return "again" if before.key == extraction.keys[clip.clip_id] else "changed"


def _core_hours(extraction: ExtractionWork, clips: int, frames: int) -> float:
    """By what the clips took that were extracted into OUT before; by the measured rate of frames where there are none."""
    seconds = [state.seconds for state in extraction.states.values() if state.seconds]
    return (
        clips * sum(seconds) / len(seconds) / 3600
        if seconds
        else frames / FRAMES_PER_CORE_SECOND / 3600
    )


def _changed(out: Path, config: PrepareConfig) -> dict[str, tuple[Any, Any]]:
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


def as_dict(plan: Plan) -> dict[str, Any]:
    """A plan as JSON takes it."""
    return {**asdict(plan), "out": str(plan.out)}
