"""The first stage of a run: extract every clip once, and record each outcome."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.executors import Outcome, Unit
from stccl_data.extract import SCHEMA, FaceTracking
from stccl_data.face.crop_config import CropConfig
from stccl_data.features.phonemes import phoneme_model_identity
from stccl_data.landmarks import landmarker_identity
from stccl_data.pairs.candidates import Candidates
from stccl_data.pipeline import tasks
from stccl_data.pipeline.clip_artefact import ClipArtefact, read_header
from stccl_data.pipeline.config import PrepareConfig, landmark_config
from stccl_data.pipeline.records import ClipRow
from stccl_data.pipeline.run import Run
from stccl_data.pipeline.state import ClipState, Store, fingerprint, key_of, record_clips


@dataclass(frozen=True, slots=True)
class ExtractionWork:
    """The clips that a run needs, and the units that extract the missing ones."""

    clips: tuple[Clip, ...]
    #: clip id -> key of the artefact that the clip needs
    keys: Mapping[str, str]
    #: the work, one unit per missing artefact: a file that two clips name is read once
    units: Mapping[str, Unit]
    #: key -> bytes of the complete artefacts
    existing: Mapping[str, int]
    #: keys of truncated artefacts, which are removed
    truncated: Sequence[str]
    #: clip id -> what earlier runs recorded
    states: Mapping[str, ClipState]

    @property
    def to_read(self) -> list[Clip]:
        """The clips that are not extracted yet."""
        return [clip for clip in self.clips if self.keys[clip.clip_id] in self.units]


def extraction_work(
    config: PrepareConfig, store: Store, root: Path, clips: Iterable[Clip]
) -> ExtractionWork:
    """Find out which of the clips have to be extracted. Writes nothing.

    Raises:
        ModelError: the landmark model cannot be used.
        StateError: a state database cannot be read.
    """
    clips = tuple(clips)
    options = _extract_options(config)
    identity = landmarker_identity(options.landmarks) if options.face_tracking != "never" else ""
    crops, phonemes = asdict(options.crops), phoneme_model_identity()
    states, existing = store.clip_states(), store.existing("clips")
    truncated: list[str] = []
    keys: dict[str, str] = {}
    units: dict[str, Unit] = {}
    for clip in clips:
        path = os.path.relpath(clip.path, root)
        files = [path, fingerprint(clip.path), fingerprint(clip.audio_path)]
        key = key_of(
            SCHEMA,
            clip.corpus,
            files,
            clip.face,
            *_cut_key(clip),
            crops,
            options.face_tracking,
            options.audio,
            identity,
            phonemes,
        )
        keys[clip.clip_id] = key
        state = states.get(clip.clip_id)
        if state is not None and state.key != key:
            state = None  # made with other options or from another file
        if state is not None and state.size not in (0, existing.get(key)):
            truncated += [key] if existing.pop(key, None) is not None else []
        if key not in existing and (state is None or _to_retry(state, config.retry_failed)):
            work = clip, str(store.artefact("clips", key)), options
            units[key] = Unit(key, work, _timeout(clip, config.timeout), label=clip.path)
    return ExtractionWork(clips, keys, units, existing, truncated, states)


def extract_all(run: Run, work: ExtractionWork, candidates: Candidates) -> dict[str, ClipRow]:
    """Extract the missing clips, and return clip id -> row for every clip of `work`."""
    for key in work.truncated:
        run.store.artefact("clips", key).unlink(missing_ok=True)
    states = {**work.states, **_extract_missing(run, work)}
    alone = {clip.clip_id: reason for clip, reason in candidates.unpaired}
    rows: dict[str, ClipRow] = {}
    unrecorded: list[ClipState] = []
    for clip in work.clips:
        key = work.keys[clip.clip_id]
        state = states.get(clip.clip_id)
        if state is not None and state.key == key and state.reason and key not in work.existing:
            rows[clip.clip_id] = _failed_row(clip, state)
            continue
        artefact = ClipArtefact(run.store.artefact("clips", key))
        if state is None or state.key != key or not state.header:
            # Complete, but the run that made it did not record it.
            size = work.existing[key]
            state = ClipState(
                clip.clip_id, key, header=artefact.header(), size=size, ended=time.time()
            )
            unrecorded.append(state)
        rows[clip.clip_id] = _extracted_row(clip, state, alone.get(clip.clip_id), artefact)
    record_clips(run.state, unrecorded)
    return rows


def expected_rows(store: Store, work: ExtractionWork) -> dict[str, ClipRow]:
    """Return the rows of `extract_all` if no further clip fails. Reads no clip."""
    rows = {}
    for clip in work.clips:
        key = work.keys[clip.clip_id]
        if key in work.existing or key in work.units:
            rows[clip.clip_id] = ClipRow(clip, artefact=ClipArtefact(store.artefact("clips", key)))
        else:
            rows[clip.clip_id] = _failed_row(clip, work.states[clip.clip_id])
    return rows


def unpaired_detail(clip: Clip, reason: Reason) -> str:
    """Return the sentence for a clip that is in no candidate pair."""
    if reason is Reason.SENTENCE_UNKNOWN:
        return f"which sentence {clip.path} says is not known"
    return (
        f"no other emotion of sentence {clip.sentence} by {clip.speaker} was found for {clip.path}"
    )


def _extract_missing(run: Run, work: ExtractionWork) -> dict[str, ClipState]:
    """Do the units, record each outcome, and return clip id -> new state."""
    clip_ids: defaultdict[str, list[str]] = defaultdict(list)
    for clip_id, key in work.keys.items():
        clip_ids[key].append(clip_id)
    run.progress.stage("extract", len(clip_ids), len(clip_ids) - len(work.units))
    states: dict[str, ClipState] = {}
    for outcome in run.execute(list(work.units.values()), tasks.extract_unit):
        new = [_state(clip_id, outcome) for clip_id in clip_ids[outcome.unit.key]]
        record_clips(run.state, new)
        states |= {state.clip_id: state for state in new}
    return states


def _state(clip_id: str, outcome: Outcome) -> ClipState:
    header, size = outcome.result or ("", 0)
    return ClipState(
        clip_id=clip_id,
        key=outcome.unit.key,
        reason=str(outcome.reason or ""),
        detail=outcome.detail,
        seconds=outcome.seconds,
        header=header,
        size=size,
        ended=time.time(),
    )


def _to_retry(state: ClipState, retry_failed: Sequence[str]) -> bool:
    """Tell whether to extract a clip whose artefact is missing: a failed one only on request."""
    return not state.reason or state.reason in retry_failed or "all" in retry_failed


def _failed_row(clip: Clip, state: ClipState) -> ClipRow:
    return ClipRow(clip, Reason[state.reason.upper()], state.detail, failed=True)


def _extracted_row(
    clip: Clip, state: ClipState, alone: Reason | None, artefact: ClipArtefact
) -> ClipRow:
    header = read_header(state.header)
    detail = "" if alone is None else unpaired_detail(clip, alone)
    return ClipRow(
        _with_media_properties(clip, header.clip),
        alone,
        detail,
        scores=header.scores,
        notes=header.notes,
        expression=header.expression,
        frames=header.frames,
        artefact=artefact,
    )


def _with_media_properties(labels: Clip, probed: Clip) -> Clip:
    """Merge probed media properties into the current labels, which may have changed since."""
    names = ("fps", "n_frames", "width", "height", "duration_s", "audio_rate")
    return replace(labels, **{name: getattr(probed, name) for name in names})


def _extract_options(config: PrepareConfig) -> tasks.ExtractOptions:
    if config.crops != "none" or config.align in ("visual", "both"):
        face_tracking: FaceTracking = "always"
    else:
        face_tracking = "if_silent" if config.align == "auto" else "never"
    return tasks.ExtractOptions(
        landmarks=landmark_config(config),
        crops=CropConfig(
            crops=config.crops,
            speaker=config.speaker,
            face_size=config.face_size,
            mouth_size=config.mouth_size,
            jpeg_quality=config.jpeg_quality,
        ),
        face_tracking=face_tracking,
        audio=config.audio,
    )


def _cut_key(clip: Clip) -> tuple[float | None, ...]:
    """Return what the key of an artefact has of the clip's cut: nothing for a whole file."""
    return () if clip.cut is None else (clip.start, clip.end)


def _timeout(clip: Clip, minimum: float) -> float:
    """Return the time limit of a clip in seconds: `minimum`, and one minute more per megabyte.

    Compressed video has at least 10 kB per second, so one megabyte is at most 100 s of it. A cut
    counts as the whole file, since a file that cannot be searched is decoded from its start.
    """
    try:
        return minimum + 60 * Path(clip.path).stat().st_size / 2**20
    except OSError:
        return minimum
