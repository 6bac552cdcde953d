"""From a raw corpus to a verified dataset: scan, extract, pair, align, judge, write. The work of `stccl prepare`."""

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.corpora import Scan, scan_corpus
from stccl_data.corpora.splits import assign_splits, split_note
from stccl_data.dataset.layout import PROVENANCE, SHARDS
from stccl_data.dataset.tables import TableError, read_clips
from stccl_data.executors import DISK_FULL, StopRunError
from stccl_data.files.atomic import sweep
from stccl_data.pairs.candidates import Candidates, candidate_pairs
from stccl_data.pairs.imported import ImportedPairs
from stccl_data.pipeline.artefacts import DamagedArtefactError
from stccl_data.pipeline.config import PrepareConfig, with_absolute_paths
from stccl_data.pipeline.estimate import free_bytes, full_disk, needed_bytes, size_words
from stccl_data.pipeline.extract_stage import ExtractionWork, extract_all, plan_extraction, selected
from stccl_data.pipeline.job_array import (
    Job,
    JobArrayError,
    clips_of_job,
    forget_finished,
    record_finished,
)
from stccl_data.pipeline.pair_stage import Judged, judge_all
from stccl_data.pipeline.records import ClipRow
from stccl_data.pipeline.run import PrepareError, Run
from stccl_data.pipeline.state import StateError, Store
from stccl_data.pipeline.status import Recorded
from stccl_data.pipeline.write_stage import Written, assemble
from stccl_data.progress import Progress, SilentProgress

__all__ = ["PrepareError", "Summary", "prepare"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run left in OUT.

    made: units of work that this run did; 0 says that everything was there already. clips, pairs: how many by reason, `""` for
    those that are in use. failed: clips that could not be read, and utterances and speakers whose pairs could not be worked on.
    findings: files by the scan's reasons. shards: how many by split.
    job: of a job array, where this was one; then the counts are of its own clips and pairs.
    """

    out: Path
    job: Job | None
    made: int
    seconds: float
    clips: dict[str, int]
    pairs: dict[str, int]
    findings: dict[str, int]
    failed: int
    shards: dict[str, int]
    frames: int
    notes: tuple[str, ...]


def prepare(
    raw: Path,
    out: Path,
    config: PrepareConfig | None = None,
    progress: Progress | None = None,
    pairs: ImportedPairs | None = None,
) -> Summary:
    """Make the dataset OUT from the raw corpus RAW, which is never written to. Running again does what is missing.

    pairs: imported pairs, matched with what `scan_raw` found in RAW (`interchange.import_pairs`); by default the labels name the
    pairs and the clips are aligned.
    Raises PrepareError, ScanError, SplitError, ModelError, StoreBusyError before any work where the question is wrong; whatever
    is wrong with single clips is recorded, and the others go on.
    """
    config = config or PrepareConfig()
    progress = progress or SilentProgress()
    out = out.absolute()
    if pairs is not None and config.array_job is not None:
        raise PrepareError("imported pairs cannot be shared among the jobs of an array: omit --job")
    started = time.monotonic()
    asked = ask(raw, out, config, pairs)
    scan = asked.scan
    progress.note(
        f"{len(scan.clips)} clips of {len(asked.split_of)} speakers ({scan.corpus}); {asked.notes[0]}"
    )
    for note in asked.notes[1:]:
        progress.note(note)
    store = Store(out, config.array_job)
    try:
        with store.locked(), store.state() as state:
            log = out / "logs" / f"prepare-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            if config.array_job is None:
                _sweep(out)
            else:
                forget_finished(store.work, config.array_job)
            run = Run(config, store, state, Recorded(progress, state), log)
            extracted, judged, written = _made(run, out, asked)
            if config.array_job is None:
                _sweep(out)
            else:
                record_finished(
                    store.work,
                    config.array_job,
                    {"raw": str(scan.root), "config": asdict(with_absolute_paths(config))},
                )
    except OSError as error:
        full = error.errno in DISK_FULL
        raise PrepareError(
            full_disk(out, str(error)) if full else f"{out} cannot be written: {error}"
        ) from error
    except (StateError, StopRunError) as error:
        raise PrepareError(str(error)) from error
    return Summary(
        out=out,
        job=config.array_job,
        made=extracted + judged.made + written.made,
        seconds=time.monotonic() - started,
        clips=dict(Counter(str(row.reason or "") for row in written.clips)),
        pairs=dict(Counter(str(row.reason or "") for row in judged.pairs)),
        findings=dict(Counter(str(finding.reason) for finding in scan.findings)),
        failed=sum(row.state == "failed" for row in written.clips) + judged.failed,
        shards=written.shards,
        frames=sum(row.clip.n_frames or 0 for row in written.clips if row.artefact is not None),
        notes=(*asked.notes, *judged.notes, *written.notes),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked to do. `wanted`: the clips to read; `unread`: a row with its reason for each of the others, by id, but
    those of other parts. `pairs`: the candidates that are judged. `split_of`: speaker -> split."""

    scan: Scan
    candidates: Candidates
    imported: ImportedPairs | None
    wanted: list[Clip]
    unread: dict[str, ClipRow]
    pairs: Sequence[tuple[Clip, Clip]]
    split_of: dict[str, str]
    notes: list[str]


def scan_raw(raw: Path, config: PrepareConfig) -> Scan:
    """Scan RAW with the options of a run. Raises PrepareError if it holds no clip, ScanError."""
    scan = scan_corpus(
        raw,
        config.corpus,
        views=config.views,
        speakers=config.speakers,
        emotions=config.emotions,
        transcripts=Path(config.transcripts) if config.transcripts else None,
    )
    if not scan.clips:
        raise PrepareError(
            f"no clip was found in {raw}: `stccl scan {raw}` says what was found instead"
        )
    return scan


def ask(
    raw: Path, out: Path, config: PrepareConfig, imported: ImportedPairs | None = None
) -> Asked:
    """Look at RAW and at the options, and at OUT only so far that nothing of somebody else's is overwritten. Nothing is written.

    Raises PrepareError, ScanError, SplitError.
    """
    _check_out(raw, out)
    scan = scan_raw(raw, config) if imported is None else imported.scan
    split_of = assign_splits({clip.speaker for clip in scan.clips}, config.split, config.seed)
    candidates = (
        candidate_pairs(scan.clips, config.reference) if imported is None else imported.candidates
    )
    wanted, unread = selected(config, scan.clips, candidates)
    pairs: Sequence[tuple[Clip, Clip]] = candidates.pairs
    if config.array_job is not None:
        try:
            wanted, unread = clips_of_job(config.array_job, wanted), {}
        except JobArrayError as error:
            raise PrepareError(str(error)) from error
        mine = {clip.clip_id for clip in wanted}
        pairs = [pair for pair in pairs if all(clip.clip_id in mine for clip in pair)]
    notes = [split_note(split_of, config.split), *_compared_with_before(out, scan, config, wanted)]
    return Asked(scan, candidates, imported, wanted, unread, pairs, split_of, notes)


def _made(run: Run, out: Path, asked: Asked) -> tuple[int, Judged, Written]:
    """Do what there is to do: how many clips were extracted now, what was judged, what was written.

    An artefact that turns out to be damaged is made anew, with all that follows from it. Raises DamagedArtefactError where the same
    one is damaged a second time.
    """
    extracted = 0
    damaged: set[str] = set()
    while True:
        plan = plan_extraction(run.config, run.store, asked.scan.root, asked.wanted)
        _warn(run, out, asked.scan.corpus, plan)
        extracted += len(plan.units)
        try:
            clips = asked.unread | extract_all(run, plan, asked.candidates)
            judged = judge_all(run, asked.pairs, clips, asked.imported)
            written = Written(0, list(judged.clips.values()), {}, [])
            if run.config.array_job is None:
                whole = out, asked.scan, judged.clips, judged.pairs, asked.split_of, run.config
                written = assemble(
                    *whole, run.progress, asked.imported.name if asked.imported else None
                )
        except DamagedArtefactError as error:
            if error.path in damaged:
                raise
            damaged.add(error.path)
            run.progress.note(str(error))
            run = replace(run, config=replace(run.config, retry_failed=()))  # once is enough
        else:
            return extracted, judged, written


def _warn(run: Run, out: Path, corpus: str, plan: ExtractionWork) -> None:
    """Say what the user would want to know before the work begins."""
    needed, free = needed_bytes(run.config, corpus, plan.to_read), free_bytes(out)
    if needed > free:
        run.progress.note(
            f"{out} will take about {size_words(needed)} more, and {size_words(free)} are free on its disk"
        )
    failed = {state.reason for state in plan.states.values() if state.reason}
    if idle := [word for word in run.config.retry_failed if word != "all" and word not in failed]:
        run.progress.note(f"--retry-failed: no clip has failed by {', '.join(idle)}")


def _sweep(out: Path) -> None:
    """Remove what writers that were killed, of this run or of one before, have left half-written: nobody else is writing."""
    for folder in ("shards", "work"):
        sweep(out / folder)


def _check_out(raw: Path, out: Path) -> None:
    """Raises PrepareError where OUT is a file, lies in RAW, or holds what is not ours: nothing of the user's is overwritten."""
    if out.exists() and not out.is_dir():
        raise PrepareError(f"{out} is a file: give a folder for the result")
    if raw.is_dir() and out.resolve().is_relative_to(raw.resolve()):
        where = (
            "is the raw corpus itself"
            if out.resolve() == raw.resolve()
            else f"lies in the raw corpus {raw}"
        )
        raise PrepareError(
            f"{out} {where}, which is never written to: give another folder for the result"
        )
    if raw.is_file() and out.resolve() == raw.resolve().parent:
        raise PrepareError(
            f"{out} holds the manifest {raw.name}: give another folder for the result"
        )
    ours = ("work/lock", PROVENANCE, SHARDS)
    if [path.name for path in out.glob("*")] == ["work"] and not any((out / "work").iterdir()):
        return  # another job of an array has only just begun
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in ours):
        raise PrepareError(
            f"{out} holds files, and none that `stccl prepare` wrote: give an empty or a new folder for the result"
        )


def _compared_with_before(
    out: Path, scan: Scan, config: PrepareConfig, wanted: Sequence[Clip]
) -> list[str]:
    """Notes on what differs from the run that made the dataset in OUT, if one is there.

    Raises PrepareError where it was made of other clips altogether: it would be replaced.
    """
    try:
        rows = read_clips(out, ["clip_id", "state"])
        gates = json.loads((out / PROVENANCE).read_text())["config"]["gates"]
    except (TableError, OSError, ValueError, KeyError, TypeError):
        return []
    before = {row["clip_id"] for row in rows}
    used = {row["clip_id"] for row in rows if row["state"] == "paired"}
    if before and before.isdisjoint(clip.clip_id for clip in scan.clips):
        raise PrepareError(
            f"{out} holds a dataset of other clips than {scan.root}: give another folder, or delete it first"
        )
    notes = []
    if config.array_job is None and (gone := used.difference(clip.clip_id for clip in wanted)):
        of = f"{len(gone):,} of the {len(used):,} clips of the dataset in OUT are"
        notes.append(
            f"{of} not asked for now: it is written again without them (they stay in {out / 'work'})"
        )
    if gates != asdict(config.gates):
        notes.append(
            "the thresholds are not those of the tables in OUT (`stccl pairs regate`?): its pairs are judged anew"
        )
    return notes
