"""The pairs of a published pair file, prepared from raw clips: exactly those, by the paths that it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stccl_data.alignment.warping_path import FramePath
from stccl_data.clip import Clip, parse_emotion
from stccl_data.corpora import Finding, Scan, ScanError
from stccl_data.corpora.mead_names import mead_emotion
from stccl_data.dataset.tables import read_pairs
from stccl_data.errors import ClipError, Reason
from stccl_data.interchange.names import published_names, published_speaker
from stccl_data.interchange.pair_file import FilePair, read_pair_file
from stccl_data.pairs.candidates import Candidates
from stccl_data.pairs.gates import Refusal
from stccl_data.pairs.imported import ImportedPairs, PairIds
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import Summary, prepare, scan_raw
from stccl_data.progress import Progress


@dataclass(frozen=True, slots=True)
class Imported:
    """`named`: pairs in the file. `not_found`: of these, the ones of which RAW lacks a clip, or that name none; findings.jsonl
    lists them. `numbering`, `content`: what the labels and what the content check contradict, rows of pairs.parquet; a pair may be
    in both. `summary`: of the dataset."""

    named: int
    not_found: int
    numbering: tuple[dict[str, Any], ...]
    content: tuple[dict[str, Any], ...]
    summary: Summary


def import_pairs(
    file: Path,
    raw: Path,
    out: Path,
    config: PrepareConfig | None = None,
    level: int | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Prepare the pairs of `file` from the corpus `raw` into the dataset `out`.

    level: of the file's emotional clips; by default each emotion's highest in RAW. `config.align` decides by what the content is
    checked; the file's paths are kept as they are. A pair whose path is none of these clips' is refused (`bad_path`), one that
    joins two sentences too (`content_mismatch`).
    Raises PairFileError, and what `prepare` raises.
    """
    config = config or PrepareConfig()
    file = file.absolute()
    pairs = read_pair_file(file)
    imported = choose_pairs(scan_raw(raw, config), pairs, file, level)
    summary = prepare(raw, out, config, progress, imported)
    rows: dict[PairIds, dict[str, Any]] = {
        (row["source"], row["target"]): row for row in read_pairs(out)
    }
    least = config.gates.min_content_score
    return Imported(
        named=len(pairs),
        not_found=len(pairs) - len(rows),
        numbering=tuple(
            rows[ids]
            for ids, refusal in imported.refused.items()
            if refusal.reason is Reason.CONTENT_MISMATCH
        ),
        content=tuple(
            row
            for row in rows.values()
            if row["content_score"] is not None and row["content_score"] < least
        ),
        summary=summary,
    )


def choose_pairs(
    scan: Scan, pairs: Sequence[FilePair], file: Path, level: int | None = None
) -> ImportedPairs:
    """Which clips of the scan the pairs of `file` mean. Raises ScanError where the scan has several views, or none of the clips."""
    views = sorted({clip.view for clip in scan.clips})
    if len(views) > 1:
        raise ScanError(
            f"a pair file names no view, and {scan.root} has {', '.join(views)}: choose one by --views"
        )
    clips = _places(scan.clips, level)
    findings: list[Finding] = []
    joined: dict[PairIds, tuple[Clip, Clip]] = {}
    paths: dict[PairIds, FramePath] = {}
    refused: dict[PairIds, Refusal] = {}
    for pair in pairs:
        try:
            source, target = _clips_of(pair, clips)
            ids = source.clip_id, target.clip_id
            if ids in joined:
                raise ClipError(Reason.BAD_ROW, "is a pair that the file has named before")
        except ClipError as error:
            findings.append(
                Finding(
                    str(file), error.reason, f"{file.name}: {pair.place} {error.detail}", files=0
                )
            )
            continue
        joined[ids], paths[ids] = (source, target), FramePath(pair.source, pair.target)
        if (why := _contradiction(source, target)) is not None:
            refused[ids] = why
    if not joined:
        raise ScanError(f"{scan.root} has the clips of none of the {len(pairs)} pairs in {file}")
    named = {clip.clip_id: clip for pair in joined.values() for clip in pair}
    if others := len(scan.clips) - len(named):
        detail = f"{others} clips were left out: no pair of {file.name} names them"
        findings.append(Finding(str(scan.root), Reason.NOT_SELECTED, detail, files=others))
    kept = tuple(clip for clip in scan.clips if clip.clip_id in named)
    allowed = tuple(found for ids, found in joined.items() if ids not in refused)
    ordered = tuple(
        sorted((*scan.findings, *findings), key=lambda finding: (finding.reason, finding.path))
    )
    return ImportedPairs(
        name=str(file),
        scan=replace(scan, clips=kept, findings=ordered),
        candidates=Candidates(pairs=allowed, unpaired=()),
        paths=paths,
        refused=refused,
    )


#: (speaker, emotion, published name) -> clip
_Places = Mapping[tuple[str, str, str], Clip]


def _places(clips: Sequence[Clip], level: int | None) -> _Places:
    highest: dict[str, int] = {}
    for clip in clips:
        highest[clip.emotion] = max(highest.get(clip.emotion, clip.level), clip.level)
    if level is not None:
        highest = {
            emotion: most if emotion == "neutral" else level for emotion, most in highest.items()
        }
    names = published_names(clips)
    return {
        (published_speaker(clip.speaker), clip.emotion, names[clip.clip_id]): clip
        for clip in clips
        if clip.level == highest[clip.emotion]
    }


def _clips_of(pair: FilePair, clips: _Places) -> tuple[Clip, Clip]:
    """The neutral and the emotional clip. Raises ClipError bad_row, missing_file."""
    emotion = parse_emotion(pair.emotion) or mead_emotion(pair.emotion)
    if pair.names is None:
        raise ClipError(Reason.BAD_ROW, "is not two clip names such as 001_028")
    if emotion is None or emotion == "neutral":
        raise ClipError(
            Reason.BAD_ROW, f"is under {pair.emotion!r}, which is no emotion to pair with neutral"
        )
    found = []
    for kind, name in zip(("neutral", emotion), pair.names, strict=True):
        number = f"{int(name):03d}" if name.isascii() and name.isdecimal() else name
        clip = clips.get((pair.speaker, kind, number))
        if clip is None:
            raise ClipError(
                Reason.MISSING_FILE, f"names the {kind} clip {number}, which is not there"
            )
        found.append(clip)
    return found[0], found[1]


def _contradiction(source: Clip, target: Clip) -> Refusal | None:
    unknown = [clip for clip in (source, target) if clip.sentence is None]
    if unknown:
        return Refusal(
            Reason.SENTENCE_UNKNOWN, f"which sentence {unknown[0].path} says is not known"
        )
    if source.sentence != target.sentence:
        return Refusal(
            Reason.CONTENT_MISMATCH,
            f"by their labels the source says {source.sentence} and the target {target.sentence}",
        )
    return None
