"""From a raw corpus to a verified dataset: scan, extract, pair, align, judge, write. The work of `stccl prepare`."""

import os
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import align, extract, stages
from .artefacts import ClipArtefact, Refusal, load_alignments
from .assemble import assemble
from .clip import Clip
from .config import PrepareConfig, Progress, Quiet, landmark_config
from .corpora import scan_corpus
from .dataset import ClipRow, PairRow
from .executors import DISK_FULL, Outcome, StopRunError, Unit, run
from .gates import GateConfig, judge
from .landmarks import landmarker_identity
from .pairing import Candidates, candidate_pairs, utterance_key
from .reasons import Reason
from .splits import assign_splits, split_note
from .store import ClipState, Store, clip_states, fingerprint, key_of, record_clips


class PrepareError(Exception):
    """The run cannot start, or had to stop. The message says why and what to do; what was done is kept."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run left in OUT.

    made: units of work that this run did; 0 says that everything was there already. clips, pairs: how many by reason, `""` for
    those that are in use. failed: clips that could not be read. findings: files by the scan's reasons. shards: how many by split.
    """

    out: Path
    made: int
    seconds: float
    clips: dict[str, int]
    pairs: dict[str, int]
    findings: dict[str, int]
    failed: int
    shards: dict[str, int]
    frames: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """What every stage needs."""

    config: PrepareConfig
    store: Store
    state: sqlite3.Connection
    progress: Progress
    log: Path

    def run(self, units: Sequence[Unit], function: Callable[..., None]) -> Iterable[Outcome]:
        """Do the units; failures go to the log. Raises PrepareError when the disk is full."""
        workers = max(1, min(self.config.n_workers, len(units)))
        for outcome in run(
            units,
            function,
            executor=self.config.executor,
            workers=workers,
            initializer=stages.start_worker if self.config.executor != "inline" else None,
            initargs=(str(self.log.with_suffix(".workers.log")),),
        ):
            if outcome.reason is not None:
                with self.log.open("a", encoding="utf-8") as log:
                    log.write(f"{outcome.unit.name}: {outcome.reason}: {outcome.detail}\n")
            self.progress.step(outcome.reason)
            if outcome.reason is Reason.DISK_FULL:
                raise PrepareError(_full_disk(self.store.work, outcome.detail))
            yield outcome


def prepare(raw: Path, out: Path, config: PrepareConfig | None = None, progress: Progress | None = None) -> Summary:
    """Make the dataset OUT from the raw corpus RAW, which is never written to. Running again does what is missing.

    Raises PrepareError, ScanError, SplitError, ModelError, StoreBusyError before any work where the question is wrong; whatever
    is wrong with single clips is recorded, and the others go on.
    """
    config = config or PrepareConfig()
    progress = progress or Quiet()
    out = out.absolute()
    _check_out(raw, out)
    started = time.monotonic()
    scan = scan_corpus(
        raw,
        config.corpus,
        views=config.views,
        speakers=config.speakers,
        emotions=config.emotions,
        transcripts=Path(config.transcripts) if config.transcripts else None,
    )
    if not scan.clips:
        raise PrepareError(f"no clip was found in {raw}: `stccl scan {raw}` says what was found instead")
    split_of = assign_splits({clip.speaker for clip in scan.clips}, config.split, config.seed)
    notes = [split_note(split_of, config.split)]
    progress.note(f"{len(scan.clips)} clips of {len(split_of)} speakers ({scan.corpus}); {notes[0]}")
    candidates = candidate_pairs(scan.clips, config.reference)
    store = Store(out)
    try:
        with store.locked(), store.state() as state:
            log = out / "logs" / f"prepare-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            job = _Job(config, store, state, progress, log)
            clips, extracted = _extract(job, scan.root, scan.clips, candidates)
            pairs, aligned = _pair(job, candidates, clips)
            written = assemble(out, scan, clips, pairs, split_of, config, progress)
    except OSError as error:
        full = error.errno in DISK_FULL
        raise PrepareError(_full_disk(out, str(error)) if full else f"{out} cannot be written: {error}") from error
    except sqlite3.Error as error:
        raise PrepareError(f"{store.work / 'state.sqlite'} cannot be written: {error}; {Reason.DISK_FULL.advice}") from error
    except StopRunError as error:
        raise PrepareError(str(error)) from error
    return Summary(
        out=out,
        made=extracted + aligned + written.made,
        seconds=time.monotonic() - started,
        clips=dict(Counter(str(row.reason or "") for row in written.clips)),
        pairs=dict(Counter(str(row.reason or "") for row in pairs)),
        findings=dict(Counter(str(finding.reason) for finding in scan.findings)),
        failed=sum(row.state == "failed" for row in written.clips),
        shards=written.shards,
        frames=sum(row.clip.n_frames or 0 for row in written.clips if row.artefact is not None),
        notes=(*notes, *written.notes),
    )


def _check_out(raw: Path, out: Path) -> None:
    """Raises PrepareError where OUT is a file, or lies in RAW."""
    if out.exists() and not out.is_dir():
        raise PrepareError(f"{out} is a file: give a folder for the result")
    if raw.is_dir() and out.resolve().is_relative_to(raw.resolve()):
        where = "is the raw corpus itself" if out.resolve() == raw.resolve() else f"lies in the raw corpus {raw}"
        raise PrepareError(f"{out} {where}, which is never written to: give another folder for the result")


def _full_disk(place: Path, detail: str) -> str:
    return f"nothing more can be written to {place} ({detail}): {Reason.DISK_FULL.advice}"


def _extract(
    job: _Job, root: Path, clips: Sequence[Clip], candidates: Candidates
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
        key = key_of(
            extract.SCHEMA, clip.corpus, place, fingerprint(clip.path), fingerprint(clip.audio_path), asdict(plan.crops), plan.pictures,
            plan.audio, identity,
        )  # fmt: skip
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


def _pair(job: _Job, candidates: Candidates, clips: dict[str, ClipRow]) -> tuple[list[PairRow], int]:
    """Align what is not aligned yet and judge every candidate pair. Returns their rows, and how many utterances were aligned."""
    rows: list[PairRow] = []
    utterances: defaultdict[str, list[tuple[ClipRow, ClipRow]]] = defaultdict(list)
    for source, target in candidates.pairs:
        pair = clips[source.clip_id], clips[target.clip_id]
        utterance = utterance_key(source)
        if missing := [row for row in pair if row.artefact is None]:
            detail = f"{missing[0].clip.clip_id} is not there: {missing[0].detail}"
            rows.append(PairRow(pair[0].clip, pair[1].clip, utterance, None, Reason.PARTNER_FAILED, detail))
        else:
            utterances[utterance].append(pair)

    config = align.AlignConfig(mode=job.config.align)  # type: ignore[arg-type]
    paths: dict[str, Path] = {}
    units: list[Unit] = []
    for utterance, pairs in utterances.items():
        files = [(str(a.artefact.path), str(b.artefact.path)) for a, b in pairs if a.artefact and b.artefact]
        key = key_of(align.SCHEMA, asdict(config), [[Path(file).stem for file in pair] for pair in files])
        paths[utterance] = job.store.artefact("pairs", key)
        if not paths[utterance].exists():
            units.append(Unit(utterance, (files, str(paths[utterance]), config), job.config.timeout + 10 * len(files)))
    job.progress.stage("align", len(utterances), len(utterances) - len(units))
    failed = {outcome.unit.name: outcome for outcome in job.run(units, stages.align_unit) if outcome.reason is not None}
    for utterance, pairs in utterances.items():
        results: list[Any]
        if utterance in failed:
            results = [Refusal(failed[utterance].reason or Reason.INTERNAL_ERROR, failed[utterance].detail)] * len(pairs)
        else:
            results = load_alignments(paths[utterance])
        rows += [_judged(*pair, utterance, result, job.config.gates) for pair, result in zip(pairs, results, strict=True)]
    rows.sort(key=lambda row: (row.utterance, row.source.clip_id, row.target.clip_id))
    return rows, len(units)


def _judged(source: ClipRow, target: ClipRow, utterance: str, result: Any, gates: GateConfig) -> PairRow:
    if isinstance(result, Refusal):
        return PairRow(source.clip, target.clip, utterance, None, result.reason, result.detail)
    row = PairRow(source.clip, target.clip, utterance, result)
    refused = judge(row.scores(), source.scores, target.scores, gates)
    return row if refused is None else replace(row, reason=refused[0], detail=refused[1])
