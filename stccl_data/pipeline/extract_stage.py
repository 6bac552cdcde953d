"""The first stage of a run: every clip extracted once, and known by what became of it."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.executors import Unit
from stccl_data.extract import SCHEMA, FaceTracking
from stccl_data.face.crop_config import CropConfig
from stccl_data.landmarks import landmarker_identity
from stccl_data.pairs.candidates import Candidates
from stccl_data.pipeline import tasks as stages
from stccl_data.pipeline.artefacts import ClipArtefact, read_header
from stccl_data.pipeline.config import PrepareConfig, landmark_config
from stccl_data.pipeline.records import ClipRow
from stccl_data.pipeline.run import Run
from stccl_data.pipeline.state import ClipState, Store, fingerprint, key_of, record_clips


@dataclass(frozen=True, slots=True)
class ExtractionWork:
    """What there is to extract of `clips`. `keys`: clip -> the artefact that it wants. `units`: artefact -> the work that makes it;
    a file that two clips name is read once. `there`: complete artefacts and their bytes; `cut_short`: those that are not, and go.
    `states`: of what earlier runs came to."""

    clips: tuple[Clip, ...]
    keys: Mapping[str, str]
    units: Mapping[str, Unit]
    there: Mapping[str, int]
    cut_short: Sequence[str]
    states: Mapping[str, ClipState]

    @property
    def to_read(self) -> list[Clip]:
        """The clips that are not extracted yet."""
        return [clip for clip in self.clips if self.keys[clip.clip_id] in self.units]


def selected(
    config: PrepareConfig, clips: Sequence[Clip], candidates: Candidates
) -> tuple[list[Clip], dict[str, ClipRow]]:
    """The clips that are to be read, and a row with the reason for each that is not. A limit takes those of the first pairs."""
    alone = {clip.clip_id: reason for clip, reason in candidates.unpaired}
    within = (
        {clip.clip_id for clip in clips}
        if config.limit is None
        else _first(config.limit, clips, candidates)
    )
    wanted: list[Clip] = []
    rows: dict[str, ClipRow] = {}
    for clip in clips:
        if clip.clip_id not in within:
            rows[clip.clip_id] = ClipRow(
                clip, Reason.NOT_SELECTED, f"{clip.path} is beyond --limit {config.limit}"
            )
        elif config.paired_only and clip.clip_id in alone:
            rows[clip.clip_id] = ClipRow(
                clip, alone[clip.clip_id], _alone_detail(clip, alone[clip.clip_id])
            )
        else:
            wanted.append(clip)
    return wanted, rows


def _first(limit: int, clips: Sequence[Clip], candidates: Candidates) -> set[str]:
    """The ids of so many clips: those of the first pairs, then those that are in none."""
    return set(
        islice(
            dict.fromkeys(
                clip.clip_id for clip in chain(chain.from_iterable(candidates.pairs), clips)
            ),
            limit,
        )
    )


def plan_extraction(
    config: PrepareConfig, store: Store, root: Path, clips: Iterable[Clip]
) -> ExtractionWork:
    """Which of these clips have to be extracted. Nothing is written. Raises ModelError."""
    clips = tuple(clips)
    plan = _extract_plan(config)
    identity = landmarker_identity(plan.landmarks) if plan.face_tracking != "never" else ""
    crops = asdict(plan.crops)
    states, there = store.clip_states(), store.there("clips")
    cut_short: list[str] = []
    keys: dict[str, str] = {}
    units: dict[str, Unit] = {}
    for clip in clips:
        files = [
            os.path.relpath(clip.path, root),
            fingerprint(clip.path),
            fingerprint(clip.audio_path),
        ]
        key = key_of(SCHEMA, clip.corpus, files, crops, plan.face_tracking, plan.audio, identity)
        keys[clip.clip_id] = key
        before = states.get(clip.clip_id)
        if before is not None and before.key == key and before.size not in (0, there.get(key)):
            cut_short += [key] if there.pop(key, None) is not None else []
        if key not in there and (
            before is None or before.key != key or _again(before, config.retry_failed)
        ):
            artefact = str(store.artefact("clips", key))
            units[key] = Unit(
                clip.path, (clip, artefact, plan), _timeout(clip.path, config.timeout)
            )
    return ExtractionWork(clips, keys, units, there, cut_short, states)


def extract_all(run: Run, plan: ExtractionWork, candidates: Candidates) -> dict[str, ClipRow]:
    """Extract what is not extracted yet. Returns a row for every clip of the plan, by id."""
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for clip_id, key in plan.keys.items():
        wanted[key].append(clip_id)
    run.progress.stage("extract", len(wanted), len(wanted) - len(plan.units))
    for key in plan.cut_short:
        run.store.artefact("clips", key).unlink(missing_ok=True)
    key_of_unit = {id(unit): key for key, unit in plan.units.items()}
    ended: dict[str, ClipState] = {}
    for outcome in run.execute(list(plan.units.values()), stages.extract_unit):
        key = key_of_unit[id(outcome.unit)]
        header, size = outcome.result or ("", 0)
        said = str(outcome.reason or ""), outcome.detail, outcome.seconds, header, size, time.time()
        found = [ClipState(clip_id, key, *said) for clip_id in wanted[key]]
        record_clips(run.state, found)
        ended |= {state.clip_id: state for state in found}
    alone = {clip.clip_id: reason for clip, reason in candidates.unpaired}
    rows: dict[str, ClipRow] = {}
    unrecorded: list[ClipState] = []
    for clip in plan.clips:
        key = plan.keys[clip.clip_id]
        state = ended.get(clip.clip_id) or plan.states.get(clip.clip_id)
        if state is not None and state.key == key and state.reason and key not in plan.there:
            rows[clip.clip_id] = ClipRow(
                clip, Reason[state.reason.upper()], state.detail, failed=True
            )
            continue
        artefact = ClipArtefact(run.store.artefact("clips", key))
        if (
            state is None or state.key != key or not state.header
        ):  # complete, but the run that made it did not write it down
            state = ClipState(
                clip.clip_id, key, header=artefact.header(), size=plan.there[key], ended=time.time()
            )
            unrecorded.append(state)
        rows[clip.clip_id] = _row(clip, state, alone.get(clip.clip_id), artefact)
    record_clips(run.state, unrecorded)
    return rows


def foreseen(store: Store, plan: ExtractionWork) -> dict[str, ClipRow]:
    """The rows that `extract_all` will give if every clip can be read that was not found to fail before. Nothing is read."""
    rows = {}
    for clip in plan.clips:
        key = plan.keys[clip.clip_id]
        if key in plan.there or key in plan.units:
            rows[clip.clip_id] = ClipRow(clip, artefact=ClipArtefact(store.artefact("clips", key)))
        else:
            state = plan.states[clip.clip_id]
            rows[clip.clip_id] = ClipRow(
                clip, Reason[state.reason.upper()], state.detail, failed=True
            )
    return rows


def _again(before: ClipState, retry_failed: Sequence[str]) -> bool:
    """Whether to do a clip that has ended before, without an artefact that is there: one that failed only where asked for."""
    return not before.reason or before.reason in retry_failed or "all" in retry_failed


def _row(clip: Clip, state: ClipState, alone: Reason | None, artefact: ClipArtefact) -> ClipRow:
    filled, scores = read_header(state.header)
    detail = "" if alone is None else _alone_detail(clip, alone)
    return ClipRow(_with_labels(filled, clip), alone, detail, scores=scores, artefact=artefact)


def _extract_plan(config: PrepareConfig) -> stages.ExtractOptions:
    if config.crops != "none" or config.align in ("visual", "both"):
        face_tracking: FaceTracking = "always"
    else:
        face_tracking = "if_silent" if config.align == "auto" else "never"
    return stages.ExtractOptions(
        landmarks=landmark_config(config),
        crops=CropConfig(
            crops=config.crops,
            face_size=config.face_size,
            mouth_size=config.mouth_size,
            jpeg_quality=config.jpeg_quality,
        ),
        face_tracking=face_tracking,
        audio=config.audio,
    )


def _timeout(path: str, least: float) -> float:
    """A file's time limit, seconds: compressed video is at least 10 kB a second, so a megabyte is at most 100 s of it."""
    try:
        return least + 60 * Path(path).stat().st_size / 2**20
    except OSError:
        return least


def _alone_detail(clip: Clip, reason: Reason) -> str:
    if reason is Reason.SENTENCE_UNKNOWN:
        return f"which sentence {clip.path} says is not known"
    return (
        f"no other emotion of sentence {clip.sentence} by {clip.speaker} was found for {clip.path}"
    )


def _with_labels(filled: Clip, labels: Clip) -> Clip:
    """What the file said of itself, under the labels that it has now."""
    said = ("fps", "n_frames", "width", "height", "duration_s", "audio_rate")
    return replace(labels, **{name: getattr(filled, name) for name in said})
