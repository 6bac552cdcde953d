"""Import a published pair file: prepare exactly its pairs from raw clips, with its paths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip, emotion_label, parse_emotion
from stccl_data.corpora import Finding, Scan, ScanError
from stccl_data.corpora.mead_names import mead_emotion
from stccl_data.dataset.tables import read_pairs
from stccl_data.errors import ClipError, Reason
from stccl_data.interchange.names import published_emotion, published_names, published_speaker
from stccl_data.interchange.pair_file import FilePair, read_pair_file
from stccl_data.pairs.candidates import Candidates
from stccl_data.pairs.gates import Refusal
from stccl_data.pairs.imported import ImportedPairs, PairIds
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.prepare import Summary, prepare
from stccl_data.pipeline.request import scan_raw
from stccl_data.progress import Progress


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import."""

    #: number of pairs in the file
    named: int
    #: number of these with a clip missing from RAW or an invalid key; findings.jsonl lists them
    not_found: int
    #: rows of pairs.parquet whose labels name two sentences
    numbering: tuple[dict[str, Any], ...]
    #: rows of pairs.parquet that the content check contradicts; may also be in `numbering`
    content: tuple[dict[str, Any], ...]
    #: of the dataset
    summary: Summary


@dataclass(frozen=True, slots=True)
class _ClipName:
    """A clip as a pair file names it."""

    speaker: str
    emotion: str
    #: published name: `001`
    name: str


def import_pairs(
    file: Path,
    raw: Path,
    out: Path,
    config: PrepareConfig | None = None,
    level: int | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Prepare the pairs of a pair file from a raw corpus.

    The paths of the file are kept as they are. A pair is refused with `bad_path` if its path does
    not fit the clips, and with `content_mismatch` if its clips say two sentences.

    Args:
        file: pair file.
        raw: raw corpus.
        out: folder of the new dataset.
        config: options of `prepare`; `config.align` decides how the content is checked.
        level: level of the file's emotional clips; by default each emotion's highest in RAW.
        progress: receives the progress of the run.

    Raises:
        PairFileError: the file cannot be read.
        StcclError: what `prepare` raises.
    """
    config = config or PrepareConfig()
    file = file.absolute()
    pairs = read_pair_file(file)
    imported = match_pairs(scan_raw(raw, config), pairs, file, level)
    summary = prepare(raw, out, config, progress, imported)
    rows: dict[PairIds, dict[str, Any]] = {
        (row["source"], row["target"]): row for row in read_pairs(out)
    }
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
            if row["content_score"] is not None
            and row["content_score"] < config.gates.min_content_score
        ),
        summary=summary,
    )


def match_pairs(
    scan: Scan, pairs: Sequence[FilePair], file: Path, level: int | None = None
) -> ImportedPairs:
    """Match the pairs of a pair file with the clips of a scan.

    Args:
        scan: clips of one view.
        pairs: content of ``file``.
        file: for messages.
        level: level of the emotional clips; by default each emotion's highest in the scan.

    Raises:
        ScanError: the scan has several views, or the clips of no pair.
    """
    _check_single_view(scan)
    clips = _clips_by_name(scan.clips, level)
    findings: list[Finding] = []
    matched: dict[PairIds, tuple[Clip, Clip]] = {}
    paths = {}
    refused: dict[PairIds, Refusal] = {}
    for pair in pairs:
        try:
            source, target = _clips_of(pair, clips)
            ids = source.clip_id, target.clip_id
            if ids in matched:
                raise ClipError(Reason.BAD_ROW, "names the same clips as an earlier pair")
        except ClipError as error:
            detail = f"{file.name}: {pair.place} {error.detail}"
            findings.append(Finding(str(file), error.reason, detail, files=0))
            continue
        matched[ids], paths[ids] = (source, target), pair.path
        refusal = _label_refusal(source, target)
        if refusal is not None:
            refused[ids] = refusal
    if not matched:
        raise ScanError(f"{scan.root} has the clips of none of the {len(pairs)} pairs in {file}")
    used = {clip.clip_id for pair in matched.values() for clip in pair}
    if unused := len(scan.clips) - len(used):
        detail = f"{unused} clips were left out: no pair of {file.name} names them"
        findings.append(Finding(str(scan.root), Reason.NOT_SELECTED, detail, files=unused))
    return ImportedPairs(
        name=str(file),
        scan=replace(
            scan,
            clips=tuple(clip for clip in scan.clips if clip.clip_id in used),
            findings=tuple(
                sorted(
                    (*scan.findings, *findings), key=lambda finding: (finding.reason, finding.path)
                )
            ),
        ),
        candidates=Candidates(
            pairs=tuple(pair for ids, pair in matched.items() if ids not in refused), unpaired=()
        ),
        paths=paths,
        refused=refused,
    )


def _check_single_view(scan: Scan) -> None:
    """Raise ScanError if the scan has several views: a pair file does not name views."""
    views = sorted({clip.view for clip in scan.clips})
    if len(views) > 1:
        raise ScanError(
            f"{scan.root} has the views {', '.join(views)}, and a pair file does not name any: "
            "choose one with --views"
        )


def _clips_by_name(clips: Sequence[Clip], level: int | None) -> Mapping[_ClipName, Clip]:
    """Return the clips that a pair file can mean: of ``level``, or of each emotion's highest."""
    levels: dict[str, int] = {}
    for clip in clips:
        levels[clip.emotion] = max(levels.get(clip.emotion, clip.level), clip.level)
    if level is not None:
        levels = {
            emotion: highest if emotion == "neutral" else level
            for emotion, highest in levels.items()
        }
    names = published_names(clips)
    return {
        _ClipName(
            published_speaker(clip.speaker), published_emotion(clip.emotion), names[clip.clip_id]
        ): clip
        for clip in clips
        if clip.level == levels[clip.emotion]
    }


def _clips_of(pair: FilePair, clips: Mapping[_ClipName, Clip]) -> tuple[Clip, Clip]:
    """Return the neutral and the emotional clip; raise ClipError bad_row or missing_file."""
    emotion = _published_emotion(pair.emotion)
    if pair.names is None:
        raise ClipError(Reason.BAD_ROW, "is not two clip names such as 001_028")
    if emotion is None or emotion == "neutral":
        detail = f"is under {pair.emotion!r}, which is not an emotion to pair with neutral"
        raise ClipError(Reason.BAD_ROW, detail)
    result = []
    for clip_emotion, name in zip(("neutral", emotion), pair.names, strict=True):
        number = f"{int(name):03d}" if name.isascii() and name.isdecimal() else name
        clip = clips.get(_ClipName(pair.speaker, clip_emotion, number))
        if clip is None:
            detail = f"names the {clip_emotion} clip {number}, which is missing"
            raise ClipError(Reason.MISSING_FILE, detail)
        result.append(clip)
    return result[0], result[1]


def _published_emotion(word: str) -> str | None:
    """Return an emotion of a pair file as `published_emotion` does; None if it is invalid."""
    try:
        return parse_emotion(word) or mead_emotion(word) or published_emotion(emotion_label(word))
    except ValueError:
        return None


def _label_refusal(source: Clip, target: Clip) -> Refusal | None:
    """Return why the labels forbid a pair, or None."""
    for clip in (source, target):
        if clip.sentence is None:
            detail = f"which sentence {clip.path} says is not known"
            return Refusal(Reason.SENTENCE_UNKNOWN, detail)
    if source.sentence != target.sentence:
        return Refusal(
            Reason.CONTENT_MISMATCH,
            f"by their labels the source says {source.sentence} and the target {target.sentence}",
        )
    return None
