"""Prepare a dataset from a raw corpus: scan, extract, align, judge, write. See `stccl prepare`."""

import os
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from humanize import naturalsize

from stccl_data.dataset.publish import upgrade_lock
from stccl_data.dataset.tables import count_notes
from stccl_data.executors import DISK_FULL, StopRunError
from stccl_data.files.atomic import remove_leftovers
from stccl_data.files.lock import lock_owner
from stccl_data.pairs.imported import ImportedPairs
from stccl_data.pipeline.artefacts import DamagedArtefactError
from stccl_data.pipeline.config import PrepareConfig, with_absolute_paths
from stccl_data.pipeline.estimate import disk_full_message, free_bytes, needed_bytes
from stccl_data.pipeline.extract_stage import ExtractionWork, extract_all, extraction_work
from stccl_data.pipeline.job_array import Job, forget_finished, record_finished
from stccl_data.pipeline.pair_stage import JudgedPairs, judge_all
from stccl_data.pipeline.request import Request, resolve_request
from stccl_data.pipeline.run import (
    PrepareError,
    Run,
    logging_to,
    open_crew,
    rare_garbage_collection,
)
from stccl_data.pipeline.state import StateError, Store
from stccl_data.pipeline.status import RecordedProgress
from stccl_data.pipeline.without_consent import former_clips
from stccl_data.pipeline.write_stage import DatasetContent, WrittenDataset, write_dataset
from stccl_data.progress import Progress, SilentProgress

__all__ = ["PrepareError", "Summary", "prepare"]


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run."""

    out: Path
    #: the job of an array that this run was, if any; then the counts are of its clips and pairs
    job: Job | None
    #: units of work that this run did; 0 if everything existed already
    made: int
    #: duration of the run
    seconds: float
    #: reason code -> clips; the empty code for clips in use
    clips: dict[str, int]
    #: reason code -> pairs; the empty code for accepted pairs
    pairs: dict[str, int]
    #: reason code -> files, of the scan's findings
    findings: dict[str, int]
    #: clips that could not be read, and utterances and speakers whose pairs could not be processed
    failed: int
    #: split -> shards
    shards: dict[str, int]
    #: frames of the extracted clips
    frames: int
    #: sentences for the user
    notes: tuple[str, ...]
    #: what was done with unusual footage -> clips, see `Extraction.notes`
    footage: dict[str, int]


def prepare(
    raw: Path,
    out: Path,
    config: PrepareConfig | None = None,
    progress: Progress | None = None,
    pairs: ImportedPairs | None = None,
    *,
    remove_unused: bool = False,
) -> Summary:
    """Make the dataset OUT from the raw corpus RAW. A rerun makes what is missing.

    Problems with single clips are recorded, and the run continues.

    Args:
        raw: a corpus folder or a manifest; never written to.
        out: the output folder.
        config: the options.
        progress: receives the progress.
        pairs: imported pairs, matched with what `scan_raw` found in RAW. By default the labels
            decide which clips are paired, and the pairs are aligned.
        remove_unused: delete the artefacts of earlier runs that this one does not use.

    Raises:
        PrepareError: the run cannot start, or had to stop.
        ScanError: RAW cannot be scanned with these options.
        SplitError: the speakers cannot be split like this.
        JobArrayError: the work cannot be split among that many jobs.
        ModelError: the landmark model cannot be used.
        StoreBusyError: another process is preparing into OUT.
    """
    config = config or PrepareConfig()
    progress = progress or SilentProgress()
    out = out.absolute()
    if pairs is not None and config.array_job is not None:
        raise PrepareError("imported pairs cannot be split among jobs: run without --job")
    start = time.monotonic()
    with rare_garbage_collection():
        request = resolve_request(raw, out, config, pairs)
        _announce(request, progress)
        try:
            results = _run(request, out, config, progress, remove_unused)
        except OSError as error:
            full = error.errno in DISK_FULL
            raise PrepareError(
                disk_full_message(out, str(error)) if full else f"cannot write to {out}: {error}"
            ) from error
        except (StateError, StopRunError) as error:
            raise PrepareError(str(error)) from error
        return _summary(request, out, config, results, time.monotonic() - start)


@dataclass(frozen=True, slots=True)
class _Results:
    """The results of all stages of a run."""

    #: clips extracted in this run
    extracted: int
    judged: JudgedPairs
    written: WrittenDataset
    #: sentences for the user
    notes: tuple[str, ...] = ()


def _announce(request: Request, progress: Progress) -> None:
    split, *others = request.notes
    clips, speakers = len(request.scan.clips), len(request.split_of)
    progress.note(f"{clips} clips of {speakers} speakers ({request.scan.corpus}); {split}")
    for note in others:
        progress.note(note)


def _run(
    request: Request, out: Path, config: PrepareConfig, progress: Progress, remove_unused: bool
) -> _Results:
    """Run all stages with OUT locked, and record that the job of an array has finished."""
    store, job = Store(out, config.array_job), config.array_job
    log = out / "logs" / f"prepare-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    if (owner := lock_owner(upgrade_lock(out))) is not None:
        raise PrepareError(f"{out} is being upgraded by process {owner}; wait for it, or stop it")
    with (
        store.locked(),
        store.state() as state,
        logging_to(log),
        closing(open_crew(config, log)) as crew,
    ):
        if job is None:
            _sweep(out)
        else:
            forget_finished(store.work, job)
        run = Run(config, store, state, RecordedProgress(progress, state), crew)
        former = former_clips(store, out, request.scan.without_consent if job is None else ())
        former.remove_artefacts(store)
        results = _run_stages_repairing_artefacts(run, out, request)
        if job is None:
            _sweep(out)
            if remove_unused:
                store.remove_unused()
        else:
            options = asdict(with_absolute_paths(config))
            record_finished(store.work, job, {"raw": str(request.scan.root), "config": options})
    if former.speakers:
        with store.locked():
            former.forget(store)
        note = former.note(out)
        progress.note(note)
        results = replace(results, notes=(note,))
    return results


def _run_stages_repairing_artefacts(run: Run, out: Path, request: Request) -> _Results:
    """Run the stages; if an artefact turns out to be damaged, run them again to remake it.

    Raises:
        DamagedArtefactError: the same artefact is damaged a second time.
    """
    extracted = 0
    repaired: set[str] = set()
    while True:
        work = extraction_work(run.config, run.store, request.scan.root, request.clips)
        _warn(run, out, request, work)
        extracted += len(work.units)
        try:
            return _run_stages(run, out, request, work, extracted)
        except DamagedArtefactError as error:
            if error.path in repaired:
                raise
            repaired.add(error.path)
            run.progress.note(str(error))
            # Failed clips have been retried by now.
            run = replace(run, config=replace(run.config, retry_failed=()))


def _run_stages(
    run: Run, out: Path, request: Request, work: ExtractionWork, extracted: int
) -> _Results:
    clips = request.unread | extract_all(run, work, request.candidates)
    judged = judge_all(run, request.pairs, clips, request.imported)
    run.crew.close()  # writing needs the memory more than it needs them
    if run.config.array_job is not None:  # `merge` writes the dataset
        return _Results(extracted, judged, WrittenDataset(0, list(judged.clips.values()), {}, []))
    content = DatasetContent(
        scan=request.scan,
        clips=judged.clips,
        pairs=judged.pairs,
        split_of=request.split_of,
        pairs_from=None if request.imported is None else request.imported.name,
    )
    return _Results(extracted, judged, write_dataset(out, content, run.config, run.progress))


def _summary(
    request: Request, out: Path, config: PrepareConfig, results: _Results, seconds: float
) -> Summary:
    judged, written = results.judged, results.written
    extracted = (row for row in written.clips if row.artefact is not None)
    return Summary(
        out=out,
        job=config.array_job,
        made=results.extracted + judged.made + written.made,
        seconds=seconds,
        clips=dict(Counter(str(row.reason or "") for row in written.clips)),
        pairs=dict(Counter(str(row.reason or "") for row in judged.pairs)),
        findings=dict(Counter(str(finding.reason) for finding in request.scan.findings)),
        failed=sum(row.state == "failed" for row in written.clips) + judged.failed,
        shards=written.shards,
        frames=sum(row.clip.n_frames or 0 for row in extracted),
        notes=(*request.notes, *judged.notes, *written.notes, *results.notes),
        footage=count_notes(row.notes for row in written.clips),
    )


def _warn(run: Run, out: Path, request: Request, work: ExtractionWork) -> None:
    """Tell the user before the work begins if the disk is too small or an option has no effect."""
    needed = needed_bytes(run.config, request.scan.corpus, work.to_read, request.unpaired)
    free = free_bytes(out)
    if needed > free:
        run.progress.note(
            f"{out} will need about {naturalsize(needed)} more, but only {naturalsize(free)} "
            "of its disk are free"
        )
    failed = {state.reason for state in work.states.values() if state.reason}
    if unused := [code for code in run.config.retry_failed if code not in {"all", *failed}]:
        run.progress.note(f"--retry-failed: no clip has failed with {', '.join(unused)}")


def _sweep(out: Path) -> None:
    """Remove temporary files of killed runs. Nobody else is writing, because OUT is locked."""
    remove_leftovers(out, below=False)
    for folder in ("shards", "work"):
        remove_leftovers(out / folder)
