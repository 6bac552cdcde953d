"""What a run is asked to do: clips, candidate pairs and splits, before anything is written."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.corpora import Scan, scan_corpus
from stccl_data.corpora.splits import assign_splits, split_note
from stccl_data.errors import Reason
from stccl_data.files.stubs import NOT_HERE
from stccl_data.pairs.candidates import ANY, NEUTRAL, Candidates, candidate_pairs, resolve_reference
from stccl_data.pairs.imported import ImportedPairs
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.extract_stage import unpaired_detail
from stccl_data.pipeline.job_array import clips_of_job
from stccl_data.pipeline.output_folder import check_output_folder, compare_with_dataset
from stccl_data.pipeline.records import ClipRow
from stccl_data.pipeline.run import PrepareError
from stccl_data.pipeline.withdrawn import without_withdrawn


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked to do."""

    scan: Scan
    candidates: Candidates
    #: set if the pairs were imported instead of found by their labels
    imported: ImportedPairs | None
    #: the clips to extract
    clips: list[Clip]
    #: clip id -> row with the reason, for clips that are not extracted; without those of other jobs
    unread: dict[str, ClipRow]
    #: the candidate pairs to judge: all, or those of this job
    pairs: Sequence[tuple[Clip, Clip]]
    #: speaker -> split
    split_of: dict[str, str]
    #: sentences for the user; the first is about the split
    notes: list[str]

    @property
    def unpaired(self) -> set[str]:
        """The ids of the clips that are in no candidate pair."""
        return {clip.clip_id for clip, _ in self.candidates.unpaired}


def scan_raw(raw: Path, config: PrepareConfig, out: Path | None = None) -> Scan:
    """Scan RAW with the options of a run into OUT.

    Raises:
        ScanError: RAW cannot be scanned with these options.
        PrepareError: RAW has no clip.
    """
    scan = scan_corpus(
        raw,
        config.corpus,
        views=config.views,
        speakers=config.speakers,
        emotions=config.emotions,
        transcripts=Path(config.transcripts) if config.transcripts else None,
        accept_proposed=config.accept_proposed,
    )
    if not scan.clips:
        why = "".join(f"; {note}" for note in _findings_notes(scan))
        if scan.without_consent:
            why += "; no speaker has a valid consent"
            if out is not None and out.exists():
                why += f", so delete {out}, which was made of them before"
        raise PrepareError(f"{raw} has no clip: run `stccl scan {raw}` to see what it has{why}")
    return scan


def resolve_request(
    raw: Path, out: Path, config: PrepareConfig, imported: ImportedPairs | None = None
) -> Request:
    """Find out what a run has to do. Looks at OUT only to avoid overwriting anything else in it.

    Raises:
        PrepareError: OUT is not usable, or RAW has no clip.
        ScanError: RAW cannot be scanned with these options.
        SplitError: the speakers cannot be split like this.
        JobArrayError: the work cannot be split among that many jobs.
        UsageError: no clip has the emotion of `--reference`.
    """
    check_output_folder(raw, out)
    scan = scan_raw(raw, config, out) if imported is None else imported.scan
    split_of = assign_splits({clip.speaker for clip in scan.clips}, config.split, config.seed)
    scan = without_withdrawn(out, scan)  # after the splits, which stay as they were
    candidates = (
        candidate_pairs(scan.clips, config.reference) if imported is None else imported.candidates
    )
    clips, unread = select_clips(config, scan.clips, candidates)
    pairs: Sequence[tuple[Clip, Clip]] = candidates.pairs
    if config.array_job is not None:
        clips, unread = clips_of_job(config.array_job, clips), {}
        clip_ids = {clip.clip_id for clip in clips}
        pairs = [pair for pair in pairs if all(clip.clip_id in clip_ids for clip in pair)]
    notes = [
        split_note(split_of, config.split),
        *_findings_notes(scan),
        *(_reference_note(scan, config.reference) if imported is None else ()),
        *compare_with_dataset(out, scan, config, clips),
    ]
    return Request(scan, candidates, imported, clips, unread, pairs, split_of, notes)


def _findings_notes(scan: Scan) -> list[str]:
    """Return notes on files whose content is not here, and on paths read in another spelling."""
    files: Counter[Reason] = Counter()
    for finding in scan.findings:
        # A remark on clips that are used stands for no file.
        files[finding.reason] += 1 if finding.reason is Reason.READ_AS else finding.files
    notes = [
        f"{files[reason]:,} file{'s are' if files[reason] > 1 else ' is'} left out ({reason}): "
        f"{reason.advice}"
        for reason in NOT_HERE
        if files[reason]
    ]
    if count := files[Reason.READ_AS]:
        notes.append(f"read in another spelling: {count:,} (read_as in findings.jsonl)")
    return notes


def select_clips(
    config: PrepareConfig, clips: Sequence[Clip], candidates: Candidates
) -> tuple[list[Clip], dict[str, ClipRow]]:
    """Select the clips to extract, by the options `limit` and `paired_only`.

    Returns:
        The clips, and clip id -> row with the reason for each of the others.
    """
    alone = {clip.clip_id: reason for clip, reason in candidates.unpaired}
    within_limit = _first_clip_ids(config.limit, clips, candidates)
    selected: list[Clip] = []
    rows: dict[str, ClipRow] = {}
    for clip in clips:
        if clip.clip_id not in within_limit:
            detail = f"{clip.path} is beyond --limit {config.limit}"
            rows[clip.clip_id] = ClipRow(clip, Reason.NOT_SELECTED, detail)
        elif config.paired_only and clip.clip_id in alone:
            reason = alone[clip.clip_id]
            rows[clip.clip_id] = ClipRow(clip, reason, unpaired_detail(clip, reason))
        else:
            selected.append(clip)
    return selected, rows


def _first_clip_ids(limit: int | None, clips: Sequence[Clip], candidates: Candidates) -> set[str]:
    """Return the ids of `limit` clips: those of the first pairs, then those that are in no pair."""
    in_order = chain(chain.from_iterable(candidates.pairs), clips)
    return set(islice(dict.fromkeys(clip.clip_id for clip in in_order), limit))


def _reference_note(scan: Scan, reference: str) -> list[str]:
    """Return a note if the default reference, neutral, is not in the corpus."""
    if resolve_reference(scan.clips, reference) != ANY or reference.strip().lower() == ANY:
        return []
    return [
        f"no clip is {NEUTRAL}, so any two emotions are paired, as by --reference {ANY}; "
        "--reference EMOTION chooses one"
    ]
