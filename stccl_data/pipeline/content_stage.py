"""Check for every speaker whether the clips of each pair say the same sentence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from stccl_data.executors import Unit
from stccl_data.pairs import content_check as content
from stccl_data.pairs.content_check import ClipContent, ContentScore
from stccl_data.pairs.content_model import ContentConfig
from stccl_data.pairs.gates import shows_speaker
from stccl_data.pipeline import tasks
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.pair_artefacts import load_content
from stccl_data.pipeline.records import Candidate, ClipRow
from stccl_data.pipeline.run import Run, first_lines
from stccl_data.pipeline.state import Store, key_of
from stccl_data.pipeline.tasks import ContentClip


@dataclass(frozen=True, slots=True)
class ContentChecks:
    """The result of the stage."""

    #: clip ids of source and target -> score of the pair
    scores: Mapping[tuple[str, str], ContentScore]
    #: clip id -> what the speaker's other clips say about its label
    clips: Mapping[str, ClipContent]
    #: speakers checked in this run
    made: int
    #: speaker, as `speaker_name` gives it -> why the check failed
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContentWork:
    """The content checks that a run needs, and the units that make the missing ones."""

    #: speaker -> the artefact, whether or not it exists
    artefacts: Mapping[str, Path]
    #: one unit per speaker whose artefact is missing, with the speaker as its key
    units: Sequence[Unit]


def speaker_name(row: ClipRow) -> str:
    """Return corpus, speaker and view, such as ``mead/M003/front``: what a check is limited to."""
    return "/".join(_speaker(row))


def content_work(
    config: PrepareConfig,
    store: Store,
    candidates: Iterable[Candidate],
    clips: Mapping[str, ClipRow],
) -> ContentWork:
    """Find out which speakers have to be checked. Writes nothing.

    Args:
        config: the options.
        store: the work folder.
        candidates: the pairs to check.
        clips: clip id -> row; all extracted clips of a speaker are evidence.
    """
    pairs_of: defaultdict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        pairs_of[_speaker(candidate.source)].append(candidate)
    members: defaultdict[tuple[str, str, str], list[ContentClip]] = defaultdict(list)
    for _, row in sorted(clips.items()):
        if row.artefact is not None and row.clip.sentence is not None:
            seen = shows_speaker(row.scores, config.gates)
            members[_speaker(row)].append(ContentClip(row.clip, str(row.artefact.path), seen))
    content_config = ContentConfig()
    kind = _content_kind(config.align)
    existing = store.existing("content")
    artefacts: dict[str, Path] = {}
    units: list[Unit] = []
    for speaker, of_speaker in sorted(pairs_of.items()):
        name = "/".join(speaker)
        ids = sorted(candidate.ids for candidate in of_speaker)
        files = members[speaker]
        labels = [file.identity() for file in files]
        key = key_of(content.SCHEMA, asdict(content_config), kind, labels, ids)
        artefacts[name] = store.artefact("content", key)
        if key not in existing:
            work = files, ids, str(artefacts[name]), content_config, kind
            units.append(Unit(name, work, config.timeout + len(files) + len(ids)))
    return ContentWork(artefacts, units)


def check_all(
    run: Run, candidates: Iterable[Candidate], clips: Mapping[str, ClipRow]
) -> ContentChecks:
    """Check the speakers that are not checked yet. Arguments are those of `content_work`."""
    work = content_work(run.config, run.store, candidates, clips)
    run.progress.stage("content", len(work.artefacts), len(work.artefacts) - len(work.units))
    failed = {
        outcome.unit.key: outcome
        for outcome in run.execute(work.units, tasks.content_unit)
        if outcome.reason is not None
    }
    scores: dict[tuple[str, str], ContentScore] = {}
    contents: dict[str, ClipContent] = {}
    for name, path in work.artefacts.items():
        if name not in failed:
            check = load_content(path)
            scores |= {(score.source, score.target): score for score in check.pairs}
            contents |= check.clips
    return ContentChecks(scores, contents, len(work.units), first_lines(failed))


def _content_kind(align: str) -> Literal["audio", "visual"] | None:
    """Return what clips are compared by; None lets the check decide per speaker."""
    if align == "auto":
        return None
    return "visual" if align == "visual" else "audio"


def _speaker(row: ClipRow) -> tuple[str, str, str]:
    return row.clip.corpus, row.clip.speaker, row.clip.view
