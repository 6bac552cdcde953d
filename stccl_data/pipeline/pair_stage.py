"""The second stage of a run: align every candidate pair, check its content, and judge it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from stccl_data.alignment.consistency import consistency
from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import utterance_key
from stccl_data.pairs.content_check import ClipContent
from stccl_data.pairs.gates import GateConfig, Refusal, judge, shows_speaker
from stccl_data.pairs.imported import ImportedPairs
from stccl_data.pipeline.align_stage import Alignments, align_all, alignment_work
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.content_stage import (
    ContentChecks,
    check_all,
    content_work,
    speaker_name,
)
from stccl_data.pipeline.records import Candidate, ClipRow, PairRow
from stccl_data.pipeline.run import Run
from stccl_data.pipeline.state import Store


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """The result of the stage."""

    #: a row for every candidate pair, sorted
    pairs: list[PairRow]
    #: clip id -> row, with what the speaker's other clips say about its label
    clips: dict[str, ClipRow]
    #: units of work done in this run
    made: int
    #: utterances and speakers whose pairs could not be processed
    failed: int
    #: sentences for the user
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Candidate pairs by what can be done with them."""

    #: utterance -> pairs whose clips are extracted
    utterances: dict[str, list[Candidate]]
    #: pairs that lack a clip, already refused
    incomplete: list[PairRow]

    @property
    def complete(self) -> list[Candidate]:
        return list(chain.from_iterable(self.utterances.values()))


def judge_all(
    run: Run,
    pairs: Iterable[tuple[Clip, Clip]],
    clips: Mapping[str, ClipRow],
    imported: ImportedPairs | None = None,
) -> JudgedPairs:
    """Align and check what is missing, and judge every candidate pair.

    Args:
        run: the run.
        pairs: source and target clip of every candidate pair.
        clips: clip id -> row, as the extraction left them.
        imported: imported pairs, whose paths are followed instead of aligning. Pairs that their
            labels forbid are checked too, and refused.
    """
    grouped = _group(pairs, clips)
    forbidden = {
        ids: Candidate(clips[ids[0]], clips[ids[1]])
        for ids in (() if imported is None else imported.refused)
    }
    checkable = [
        candidate
        for candidate in forbidden.values()
        if candidate.source.artefact is not None and candidate.target.artefact is not None
    ]
    alignments = align_all(run, grouped.utterances, imported)
    checks = check_all(run, [*grouped.complete, *checkable], clips)
    gates = run.config.gates
    rows = [*grouped.incomplete, *_judge_aligned(grouped, alignments, checks, run.config)]
    for ids, candidate in forbidden.items():
        assert imported is not None
        source = candidate.source.clip
        utterance = "" if source.sentence is None else utterance_key(source)
        row = PairRow(source, candidate.target.clip, utterance, content=checks.scores.get(ids))
        rows.append(_judge(row, candidate, gates, imported.refused[ids]))
    rows.sort(key=lambda row: (row.utterance, row.source.clip_id, row.target.clip_id))
    return JudgedPairs(
        pairs=rows,
        clips={clip_id: _with_content(row, checks.clips) for clip_id, row in clips.items()},
        made=alignments.made + checks.made,
        failed=len(alignments.failed) + len(checks.failed),
        notes=[*_failure_notes(alignments, checks), *_mislabelled_note(checks.clips)],
    )


def outstanding(
    config: PrepareConfig,
    store: Store,
    pairs: Iterable[tuple[Clip, Clip]],
    clips: Mapping[str, ClipRow],
) -> dict[str, tuple[int, int]]:
    """Return stage -> (units in all, units to do) of `judge_all`. Writes nothing."""
    grouped = _group(pairs, clips)
    alignment = alignment_work(config, store, grouped.utterances)
    checks = content_work(config, store, grouped.complete, clips)
    return {
        "align": (len(alignment.artefacts), len(alignment.units)),
        "content": (len(checks.artefacts), len(checks.units)),
    }


def _group(pairs: Iterable[tuple[Clip, Clip]], clips: Mapping[str, ClipRow]) -> _Grouped:
    incomplete: list[PairRow] = []
    utterances: defaultdict[str, list[Candidate]] = defaultdict(list)
    for source, target in pairs:
        utterance = utterance_key(source)
        candidate = Candidate(clips[source.clip_id], clips[target.clip_id])
        missing = [row for row in (candidate.source, candidate.target) if row.artefact is None]
        if missing:
            incomplete.append(_incomplete_row(candidate, utterance, missing[0]))
        else:
            utterances[utterance].append(candidate)
    return _Grouped(utterances, incomplete)


def _incomplete_row(candidate: Candidate, utterance: str, missing: ClipRow) -> PairRow:
    not_selected = missing.reason is Reason.NOT_SELECTED
    return PairRow(
        candidate.source.clip,
        candidate.target.clip,
        utterance,
        reason=Reason.NOT_SELECTED if not_selected else Reason.PARTNER_FAILED,
        detail=f"{missing.clip.clip_id} is not there: {missing.detail}",
    )


def _judge_aligned(
    grouped: _Grouped, alignments: Alignments, checks: ContentChecks, config: PrepareConfig
) -> Iterable[PairRow]:
    gates = config.gates
    for utterance, candidates in grouped.utterances.items():
        trusted = _trusted(candidates, checks.clips, config)
        for candidate, result in zip(candidates, alignments.results[utterance], strict=True):
            source, target = candidate.source.clip, candidate.target.clip
            score = checks.scores.get(candidate.ids)
            if isinstance(result, Refusal):
                row = PairRow(source, target, utterance, content=score)
                yield _judge(row, candidate, gates, result)
                continue
            unchecked = checks.failed.get(speaker_name(candidate.source))
            earlier = None if unchecked is None else Refusal(Reason.CONTENT_UNCHECKED, unchecked)
            seconds = consistency(result.disagreements, trusted)
            row = PairRow(source, target, utterance, result, content=score, consistency_s=seconds)
            yield _judge(row, candidate, gates, earlier)


def _trusted(
    candidates: Iterable[Candidate], contents: Mapping[str, ClipContent], config: PrepareConfig
) -> dict[str, bool]:
    """Return for the stem of each clip's artefact whether paths through the clip tell anything.

    They do not if its label is wrong by the content check, or if they follow a mouth that may be
    hidden.
    """
    trusted = {}
    for candidate in candidates:
        for row, artefact in zip(
            (candidate.source, candidate.target), candidate.artefacts, strict=True
        ):
            content = contents.get(row.clip.clip_id)
            by_sound = config.align != "visual" and row.clip.audio_rate is not None
            trusted[artefact.path.stem] = (
                by_sound or shows_speaker(row.scores, config.gates)
            ) and (content is None or not content.probably_mislabelled)
    return trusted


def _judge(
    row: PairRow, candidate: Candidate, gates: GateConfig, earlier: Refusal | None
) -> PairRow:
    refusal = judge(row.scores(), candidate.source.scores, candidate.target.scores, gates, earlier)
    return row if refusal is None else replace(row, reason=refusal.reason, detail=refusal.detail)


def _with_content(row: ClipRow, contents: Mapping[str, ClipContent]) -> ClipRow:
    content = contents.get(row.clip.clip_id)
    if content is None:
        return row
    return replace(row, content_trust=content.trust, suggested_sentence=content.suggested_sentence)


def _failure_notes(alignments: Alignments, checks: ContentChecks) -> list[str]:
    notes = [f"{name} could not be aligned: {why}" for name, why in alignments.failed.items()]
    notes += [
        f"the content of {name}'s pairs could not be checked, so they are refused: {why}"
        for name, why in checks.failed.items()
    ]
    if notes:
        notes.append("the next run retries what could not be aligned or checked; see the log")
    return notes


def _mislabelled_note(contents: Mapping[str, ClipContent]) -> list[str]:
    doubted = [content for _, content in sorted(contents.items()) if content.probably_mislabelled]
    if not doubted:
        return []
    names = [
        content.clip_id
        + (f" (rather {content.suggested_sentence})" if content.suggested_sentence else "")
        for content in doubted[:5]
    ]
    more = f" and {len(doubted) - 5} more" if len(doubted) > 5 else ""
    clips = "clip is" if len(doubted) == 1 else "clips are"
    return [
        f"{len(doubted)} {clips} probably mislabelled, see clips.parquet: {', '.join(names)}{more}"
    ]
