"""Align the candidate pairs of every utterance, or follow imported paths, where not yet done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stccl_data.alignment import align, consistency
from stccl_data.alignment.modes import IMPORTED
from stccl_data.errors import Reason
from stccl_data.executors import Unit
from stccl_data.pairs import imported
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline import tasks
from stccl_data.pipeline.artefacts import header_of
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.pair_artefacts import StoredAlignment, stored_alignments
from stccl_data.pipeline.records import Candidate
from stccl_data.pipeline.run import Run, first_lines
from stccl_data.pipeline.state import Store, headers, key_of, record_headers

#: utterance -> its candidate pairs
Utterances = Mapping[str, Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Alignments:
    """The result of the stage."""

    #: utterance -> result of each of its pairs, in order
    results: Mapping[str, Sequence[StoredAlignment | Refusal]]
    #: utterances aligned in this run
    made: int
    #: utterance -> why its pairs could not be processed
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AlignmentWork:
    """The alignments that a run needs, and the units that make the missing ones."""

    #: utterance -> its artefact, whether or not it exists
    artefacts: Mapping[str, Path]
    #: one unit per utterance whose artefact is missing, with the utterance as its key
    units: Sequence[Unit]


def alignment_work(
    config: PrepareConfig,
    store: Store,
    utterances: Utterances,
    pairs: imported.ImportedPairs | None = None,
) -> AlignmentWork:
    """Find out which utterances have to be aligned. Writes nothing.

    Args:
        config: the options.
        store: the work folder.
        utterances: their pairs, all clips of which are extracted.
        pairs: imported pairs, whose paths are followed instead.
    """
    align_config = align.AlignConfig(mode=config.align)
    existing = store.existing("pairs")
    artefacts: dict[str, Path] = {}
    units: list[Unit] = []
    for utterance, candidates in utterances.items():
        clips = [candidate.artefacts for candidate in candidates]
        stems = [[clip.path.stem for clip in pair] for pair in clips]
        files = [(str(source.path), str(target.path)) for source, target in clips]
        work: tuple[object, ...]
        if pairs is None:
            key = key_of(align.SCHEMA, consistency.SCHEMA, asdict(align_config), stems)
            artefact = store.artefact("pairs", key)
            work = files, str(artefact), align_config
        else:
            paths = [pairs.paths[candidate.ids] for candidate in candidates]
            frames = [[path.source.tolist(), path.target.tolist()] for path in paths]
            key = key_of(IMPORTED, imported.SCHEMA, stems, frames)
            artefact = store.artefact("pairs", key)
            work = files, paths, str(artefact)
        artefacts[utterance] = artefact
        if key not in existing:
            units.append(Unit(utterance, work, config.timeout + 10 * len(files)))
    return AlignmentWork(artefacts, units)


def align_all(
    run: Run, utterances: Utterances, pairs: imported.ImportedPairs | None = None
) -> Alignments:
    """Align the utterances that are not aligned yet. Arguments are those of `alignment_work`."""
    work = alignment_work(run.config, run.store, utterances, pairs)
    run.progress.stage("align", len(utterances), len(utterances) - len(work.units))
    function = tasks.align_unit if pairs is None else tasks.follow_unit
    failed = {
        outcome.unit.key: outcome
        for outcome in run.execute(work.units, function)
        if outcome.reason is not None
    }
    existing, known = run.store.existing("pairs"), headers(run.state)
    new_headers: dict[str, tuple[int, str]] = {}
    results: dict[str, Sequence[StoredAlignment | Refusal]] = {}
    for utterance, candidates in utterances.items():
        if utterance in failed:
            outcome = failed[utterance]
            refusal = Refusal(outcome.reason or Reason.INTERNAL_ERROR, outcome.detail)
            results[utterance] = [refusal] * len(candidates)
            continue
        path = work.artefacts[utterance]
        key = path.stem
        if key not in known or known[key][0] != existing[key]:  # new, or truncated
            new_headers[key] = known[key] = existing[key], header_of(path)
        results[utterance] = stored_alignments(path, known[key][1])
    record_headers(run.state, new_headers)
    return Alignments(results, len(work.units), first_lines(failed))
