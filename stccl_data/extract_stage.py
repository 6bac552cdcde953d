"""The first stage of a run: every clip extracted once, and known by what became of it."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from . import extract, stages
from .artefacts import ClipArtefact
from .clip import Clip
from .config import PrepareConfig, landmark_config
from .dataset import ClipRow
from .executors import Unit
from .job import Job
from .landmarks import landmarker_identity
from .pairing import Candidates
from .reasons import Reason
from .store import ClipState, clip_states, fingerprint, key_of, record_clips


def extract_all(
    job: Job, root: Path, clips: Sequence[Clip], candidates: Candidates
) -> tuple[dict[str, ClipRow], int]:
    """Extract what is not extracted yet. Returns a row for every clip, by id, and how many were extracted now."""
    plan = _extract_plan(job.config)
    identity = landmarker_identity(plan.landmarks) if plan.pictures != "never" else ""
    alone = {clip.clip_id: reason for clip, reason in candidates.alone}
    rows: dict[str, ClipRow] = {}
    states = clip_states(job.state)
    keys: dict[str, str] = {}  # clip -> the artefact it wants
    units: dict[str, Unit] = {}  # artefact -> the work that makes it; a file that two clips name is read once
    for i, clip in enumerate(clips):
        if job.config.limit is not None and i >= job.config.limit:
            rows[clip.clip_id] = ClipRow(clip, Reason.NOT_SELECTED, f"{clip.path} is beyond --limit {job.config.limit}")
            continue
        if job.config.paired_only and clip.clip_id in alone:
            rows[clip.clip_id] = ClipRow(clip, alone[clip.clip_id], _alone_detail(clip, alone[clip.clip_id]))
            continue
        place = os.path.relpath(clip.path, root)
        files = [place, fingerprint(clip.path), fingerprint(clip.audio_path)]
        key = key_of(extract.SCHEMA, clip.corpus, files, asdict(plan.crops), plan.pictures, plan.audio, identity)
        keys[clip.clip_id] = key
        artefact = job.store.artefact("clips", key)
        before = states.get(clip.clip_id)
        if artefact.exists():  # complete, whether or not the run that made it came to write it down
            states[clip.clip_id] = ClipState(clip.clip_id, key)
        elif before is None or before.key != key or not before.reason or job.config.retry_failed:
            units[key] = Unit(clip.path, (clip, str(artefact), plan), _timeout(clip.path, job.config.timeout))
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for clip_id, key in keys.items():
        wanted[key].append(clip_id)
    job.progress.stage("extract", len(wanted), len(wanted) - len(units))
    key_of_unit = {id(unit): key for key, unit in units.items()}
    for outcome in job.run(list(units.values()), stages.extract_unit):
        key = key_of_unit[id(outcome.unit)]
        ended = [ClipState(clip_id, key, str(outcome.reason or ""), outcome.detail) for clip_id in wanted[key]]
        record_clips(job.state, ended)
        states |= {state.clip_id: state for state in ended}
    for clip in clips:
        if clip.clip_id not in keys:
            continue
        state = states[clip.clip_id]
        if state.reason:
            rows[clip.clip_id] = ClipRow(clip, Reason[state.reason.upper()], state.detail, failed=True)
            continue
        extracted = ClipArtefact(job.store.artefact("clips", state.key))
        filled, scores = extracted.header()
        reason = alone.get(clip.clip_id)
        detail = "" if reason is None else _alone_detail(clip, reason)
        rows[clip.clip_id] = ClipRow(_with_labels(filled, clip), reason, detail, scores=scores, artefact=extracted)
    return rows, len(units)


def _extract_plan(config: PrepareConfig) -> stages.ExtractPlan:
    if config.crops != "none" or config.align in ("visual", "both"):
        pictures = "always"
    else:
        pictures = "if_silent" if config.align == "auto" else "never"
    return stages.ExtractPlan(
        landmarks=landmark_config(config),
        crops=extract.CropConfig(
            crops=config.crops, face_size=config.face_size, mouth_size=config.mouth_size, jpeg_quality=config.jpeg_quality
        ),
        pictures=pictures,
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
    return f"no other emotion of sentence {clip.sentence} by {clip.speaker} was found for {clip.path}"


def _with_labels(filled: Clip, labels: Clip) -> Clip:
    """What the file said of itself, under the labels that it has now."""
    said = ("fps", "n_frames", "width", "height", "duration_s", "audio_rate")
    return replace(labels, **{name: getattr(filled, name) for name in said})
