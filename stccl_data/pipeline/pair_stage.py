"""The second stage of a run: every candidate pair aligned, its content checked, and judged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stccl_data.alignment import align
from stccl_data.alignment.modes import IMPORTED
from stccl_data.errors import Reason
from stccl_data.executors import Outcome, Unit
from stccl_data.pairs import content_check as content
from stccl_data.pairs import imported
from stccl_data.pairs.candidates import utterance_key
from stccl_data.pairs.content_check import ClipContent, ContentScore
from stccl_data.pairs.content_model import ContentConfig, key_values
from stccl_data.pairs.gates import GateConfig, Refusal, judge
from stccl_data.pipeline import tasks as stages
from stccl_data.pipeline.artefacts import header_of, load_content, stored_alignments
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.records import ClipRow, PairRow
from stccl_data.pipeline.run import Run
from stccl_data.pipeline.state import Store, headers, key_of, record_headers

Rows = tuple[ClipRow, ClipRow]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the stage leaves: a row for every candidate pair, the clips with what the others say of their labels, how many units
    of work were done now, how many of them failed, and sentences for the user."""

    pairs: list[PairRow]
    clips: dict[str, ClipRow]
    made: int
    failed: int
    notes: list[str]


def judge_all(
    run: Run,
    candidates: Iterable[tuple[Any, Any]],
    clips: Mapping[str, ClipRow],
    pairs: imported.ImportedPairs | None = None,
) -> Judged:
    """Align what is not aligned yet, check whether labels are to be believed, and judge every candidate pair.

    candidates: (source, target) clips. clips: by id, as the extraction left them. pairs: where they come from somebody else, whose
    paths are followed instead; those that the labels forbid are checked too, and refused.
    """
    utterances, rows = _by_utterance(candidates, clips)
    forbidden = {
        ids: (clips[ids[0]], clips[ids[1]]) for ids in (pairs.refused if pairs is not None else ())
    }
    comparable = [
        pair for pair in forbidden.values() if all(row.artefact is not None for row in pair)
    ]
    results, aligned, unaligned = _align(run, utterances, pairs)
    checked, verdicts, unchecked = _check(
        run, [*(pair for found in utterances.values() for pair in found), *comparable], clips
    )
    for utterance, found in utterances.items():
        for (source, target), result in zip(found, results[utterance], strict=True):
            score = checked[0].get((source.clip.clip_id, target.clip.clip_id))
            earlier = result if isinstance(result, Refusal) else None
            if earlier is None and (why := unchecked.get(_speaker_name(source))) is not None:
                earlier = Refusal(Reason.CONTENT_UNCHECKED, why)
            alignment = None if isinstance(result, Refusal) else result
            row = PairRow(source.clip, target.clip, utterance, alignment, content=score)
            rows.append(_judged(row, source, target, run.config.gates, earlier))
    for ids, (source, target) in forbidden.items():
        assert pairs is not None
        utterance = "" if source.clip.sentence is None else utterance_key(source.clip)
        row = PairRow(source.clip, target.clip, utterance, content=checked[0].get(ids))
        rows.append(_judged(row, source, target, run.config.gates, pairs.refused[ids]))
    rows.sort(key=lambda row: (row.utterance, row.source.clip_id, row.target.clip_id))
    doubted = {
        name: _with_verdict(row, verdicts[name]) if name in verdicts else row
        for name, row in clips.items()
    }
    left = [*(f"{name} could not be aligned: {why}" for name, why in unaligned.items())]
    left += [
        f"the content of {name}'s pairs could not be checked, and they are refused: {why}"
        for name, why in unchecked.items()
    ]
    left += (
        [
            "what could not be aligned or checked is tried again by the next run; the log has it in full"
        ]
        if left
        else []
    )
    failed = len(unaligned) + len(unchecked)
    return Judged(rows, doubted, aligned + checked[1], failed, [*left, *_mislabelled(verdicts)])


def outstanding(
    config: PrepareConfig,
    store: Store,
    candidates: Iterable[tuple[Any, Any]],
    clips: Mapping[str, ClipRow],
) -> dict[str, tuple[int, int]]:
    """What `judge_all` would have to do: stage -> (units in all, of these still to be done). Nothing is written."""
    utterances, _ = _by_utterance(candidates, clips)
    paths, units = _alignments(config, store, utterances, None)
    checks, speakers = _checks(
        config, store, [pair for found in utterances.values() for pair in found], clips
    )
    return {"align": (len(paths), len(units)), "content": (len(checks), len(speakers))}


def _by_utterance(
    candidates: Iterable[tuple[Any, Any]], clips: Mapping[str, ClipRow]
) -> tuple[dict[str, list[Rows]], list[PairRow]]:
    """The pairs of each utterance, and a row for each pair of which a clip is not there."""
    lacking: list[PairRow] = []
    utterances: defaultdict[str, list[Rows]] = defaultdict(list)
    for source, target in candidates:
        pair = clips[source.clip_id], clips[target.clip_id]
        if missing := [row for row in pair if row.artefact is None]:
            detail = f"{missing[0].clip.clip_id} is not there: {missing[0].detail}"
            reason = (
                Reason.NOT_SELECTED
                if missing[0].reason is Reason.NOT_SELECTED
                else Reason.PARTNER_FAILED
            )
            lacking.append(
                PairRow(pair[0].clip, pair[1].clip, utterance_key(source), None, reason, detail)
            )
        else:
            utterances[utterance_key(source)].append(pair)
    return utterances, lacking


def _align(
    run: Run,
    utterances: Mapping[str, Sequence[Rows]],
    imported_pairs: imported.ImportedPairs | None,
) -> tuple[dict[str, list[Any]], int, dict[str, str]]:
    """The alignments (or refusals) of each utterance's pairs, in order, how many utterances were aligned now, and why others could
    not be."""
    paths, units = _alignments(run.config, run.store, utterances, imported_pairs)
    run.progress.stage("align", len(utterances), len(utterances) - len(units))
    function = stages.align_unit if imported_pairs is None else stages.follow_unit
    failed = {
        outcome.unit.name: outcome
        for outcome in run.execute(units, function)
        if outcome.reason is not None
    }
    there, known = run.store.there("pairs"), headers(run.state)
    unknown: dict[str, tuple[int, str]] = {}
    results: dict[str, list[Any]] = {}
    for utterance, pairs in utterances.items():
        path = paths[utterance]
        if utterance in failed:
            refusal = Refusal(
                failed[utterance].reason or Reason.INTERNAL_ERROR, failed[utterance].detail
            )
            results[utterance] = [refusal] * len(pairs)
        else:
            if (
                path.stem not in known or known[path.stem][0] != there[path.stem]
            ):  # new, or cut short
                unknown[path.stem] = known[path.stem] = there[path.stem], header_of(path)
            results[utterance] = stored_alignments(path, known[path.stem][1])
    record_headers(run.state, unknown)
    return results, len(units), _first_lines(failed)


def _alignments(
    config: PrepareConfig,
    store: Store,
    utterances: Mapping[str, Sequence[Rows]],
    imported_pairs: imported.ImportedPairs | None,
) -> tuple[dict[str, Path], list[Unit]]:
    """Where the alignments of each utterance lie, or will, and the work that makes those that are not there."""
    how = align.AlignConfig(mode=config.align)
    there = store.there("pairs")
    paths: dict[str, Path] = {}
    units: list[Unit] = []
    for utterance, pairs in utterances.items():
        stems = [[_key(row) for row in pair] for pair in pairs]
        if imported_pairs is None:
            key = key_of(align.SCHEMA, asdict(how), stems)
        else:
            frames = [
                imported_pairs.paths[source.clip.clip_id, target.clip.clip_id]
                for source, target in pairs
            ]
            key = key_of(
                IMPORTED,
                imported.SCHEMA,
                stems,
                [[path.source.tolist(), path.target.tolist()] for path in frames],
            )
        paths[utterance] = store.artefact("pairs", key)
        if key not in there:
            artefact, files = (
                str(paths[utterance]),
                [(_file(source), _file(target)) for source, target in pairs],
            )
            work = (files, artefact, how) if imported_pairs is None else (files, frames, artefact)
            units.append(Unit(utterance, work, config.timeout + 10 * len(files)))
    return paths, units


def _check(
    run: Run, pairs: Sequence[Rows], clips: Mapping[str, ClipRow]
) -> tuple[tuple[dict[tuple[str, str], ContentScore], int], dict[str, ClipContent], dict[str, str]]:
    """The content scores by pair and how many speakers were checked now, the verdicts by clip, and by speaker why others could not
    be."""
    paths, units = _checks(run.config, run.store, pairs, clips)
    run.progress.stage("content", len(paths), len(paths) - len(units))
    failed = {
        outcome.unit.name: outcome
        for outcome in run.execute(units, stages.content_unit)
        if outcome.reason is not None
    }
    scores: dict[tuple[str, str], ContentScore] = {}
    verdicts: dict[str, ClipContent] = {}
    for name, path in paths.items():
        if name not in failed:
            found = load_content(path)
            scores |= {(score.source, score.target): score for score in found.pairs}
            verdicts |= found.clips
    return (scores, len(units)), verdicts, _first_lines(failed)


def _checks(
    config: PrepareConfig, store: Store, pairs: Sequence[Rows], clips: Mapping[str, ClipRow]
) -> tuple[dict[str, Path], list[Unit]]:
    """Where the content check of each speaker lies, or will, and the work that makes those that are not there."""
    speakers: defaultdict[tuple[str, str, str], list[Rows]] = defaultdict(list)
    for pair in pairs:
        speakers[_speaker(pair[0])].append(pair)
    members: defaultdict[tuple[str, str, str], list[ClipRow]] = defaultdict(list)
    for _, row in sorted(clips.items()):
        if row.artefact is not None and row.clip.sentence is not None:
            members[_speaker(row)].append(row)
    how = ContentConfig()
    by = {"visual": "visual", "auto": None}.get(config.align, "audio")
    there = store.there("content")
    paths: dict[str, Path] = {}
    units: list[Unit] = []
    for speaker, mine in sorted(speakers.items()):
        name = _speaker_name(mine[0][0])
        asked = sorted((source.clip.clip_id, target.clip.clip_id) for source, target in mine)
        labels = [
            [r.clip.clip_id, r.clip.emotion, r.clip.level, r.clip.sentence, _key(r)]
            for r in members[speaker]
        ]
        key = key_of(content.SCHEMA, key_values(how), by, labels, asked)
        paths[name] = store.artefact("content", key)
        if key not in there:
            heard = [(row.clip, _file(row)) for row in members[speaker]]
            units.append(
                Unit(
                    name,
                    (heard, asked, str(paths[name]), how, by),
                    config.timeout + len(heard) + len(asked),
                )
            )
    return paths, units


def _judged(
    row: PairRow, source: ClipRow, target: ClipRow, gates: GateConfig, earlier: Refusal | None
) -> PairRow:
    refusal = judge(row.scores(), source.scores, target.scores, gates, earlier)
    return row if refusal is None else replace(row, reason=refusal.reason, detail=refusal.detail)


def _with_verdict(row: ClipRow, verdict: ClipContent) -> ClipRow:
    return replace(row, content_trust=verdict.trust, suggested_sentence=verdict.suggested_sentence)


def _mislabelled(verdicts: Mapping[str, ClipContent]) -> list[str]:
    doubted = [verdict for _, verdict in sorted(verdicts.items()) if verdict.probably_mislabelled]
    if not doubted:
        return []
    names = [
        v.clip_id + (f" (rather {v.suggested_sentence})" if v.suggested_sentence else "")
        for v in doubted[:5]
    ]
    more = f" and {len(doubted) - 5} more" if len(doubted) > 5 else ""
    verb = "clip is" if len(doubted) == 1 else "clips are"
    return [
        f"{len(doubted)} {verb} probably mislabelled, by clips.parquet: {', '.join(names)}{more}"
    ]


def _speaker(row: ClipRow) -> tuple[str, str, str]:
    return row.clip.corpus, row.clip.speaker, row.clip.view


def _speaker_name(row: ClipRow) -> str:
    return "/".join(_speaker(row))


def _first_lines(failed: Mapping[str, Outcome]) -> dict[str, str]:
    """Why units failed, by their names: the log has the rest."""
    return {
        name: outcome.detail.partition("\n")[0] or str(outcome.reason)
        for name, outcome in failed.items()
    }


def _key(row: ClipRow) -> str:
    assert row.artefact is not None
    return row.artefact.path.stem


def _file(row: ClipRow) -> str:
    assert row.artefact is not None
    return str(row.artefact.path)
