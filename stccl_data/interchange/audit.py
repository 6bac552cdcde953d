"""Audit a pair file of MEAD by the numbering tables and the paths alone; no video is needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stccl_data.corpora.mead_names import mead_emotion
from stccl_data.corpora.tables import MeadKey, mead_numbering
from stccl_data.corpora.transcripts import read_transcripts
from stccl_data.interchange.pair_file import FilePair, longest_run, path_faults

#: Level of the emotional clips in the published file, which does not record it; the number of clips
#: and their lengths show it.
PUBLISHED_LEVEL = 3
NEUTRAL_LEVEL = 1

#: Sentence ids; None if two transcripts contradict each other.
Sentences = Mapping[MeadKey, str | None]

Verdict = Literal["right", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """The audit of one pair."""

    speaker: str
    emotion: str
    #: key of the pair, such as `001_028`
    pair: str
    #: wrong: the clips say different sentences; unknown: the pair cannot be judged
    verdict: Verdict
    #: one sentence
    detail: str
    #: clip number; None if the key does not contain it
    source_clip: int | None
    target_clip: int | None
    #: sentence id; None if unknown
    source_sentence: str | None
    target_sentence: str | None
    #: number of entries of the path
    frame_pairs: int
    #: most consecutive entries that share a frame
    longest_repeat: int
    #: last target frame over last source frame; None if there is no such ratio
    length_ratio: float | None
    #: number of the clip of that emotion and level that says the neutral clip's sentence; None if
    #: there is none, or if the pair is not wrong
    suggestion: int | None
    #: key of the pair with the suggested clip
    suggested_key: str | None
    #: faults of the path; see `pair_file.path_faults`
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmotionCounts:
    """The audit of the pairs of one emotion; frame pairs are entries of their paths."""

    pairs: int = 0
    wrong: int = 0
    unknown: int = 0
    faulty_paths: int = 0
    frame_pairs: int = 0
    wrong_frame_pairs: int = 0


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a pair file."""

    #: numbers of pairs
    pairs: int
    wrong: int
    unknown: int
    faulty_paths: int
    #: numbers of entries of paths
    frame_pairs: int
    wrong_frame_pairs: int
    #: the longest repeat of all paths
    longest_repeat: int
    #: level of the emotional clips
    level: int
    #: by emotion, sorted
    emotions: dict[str, EmotionCounts]
    #: every pair that is not right in all respects, in the order of the file
    findings: tuple[AuditFinding, ...]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Whether the two clips of a pair say one sentence."""

    verdict: Verdict
    detail: str
    source_sentence: str | None = None
    target_sentence: str | None = None
    suggestion: int | None = None


def mead_sentences(transcripts: Path | None = None) -> Sentences:
    """Return what MEAD's clips say, by the numbering table and, if given, by transcripts.

    Raises:
        ScanError: the transcripts cannot be read.
    """
    numbering = mead_numbering()
    if transcripts is None:
        return numbering
    return {**numbering, **read_transcripts(transcripts, numbering).sentences}


def audit(pairs: Iterable[FilePair], sentences: Sentences, level: int = PUBLISHED_LEVEL) -> Audit:
    """Check whether the two clips of each pair say one sentence.

    A pair with a clip that ``sentences`` does not contain is unknown. For a wrong pair, the clip of
    the same speaker that would be right is suggested.

    Args:
        pairs: pairs of a pair file; the neutral clips have level 1.
        sentences: what the clips say.
        level: level of the emotional clips.
    """
    findings = [_audit_pair(pair, sentences, level) for pair in pairs]
    by_emotion: dict[str, list[AuditFinding]] = {}
    for finding in findings:
        by_emotion.setdefault(finding.emotion, []).append(finding)
    total = _count(findings)
    return Audit(
        pairs=total.pairs,
        wrong=total.wrong,
        unknown=total.unknown,
        faulty_paths=total.faulty_paths,
        frame_pairs=total.frame_pairs,
        wrong_frame_pairs=total.wrong_frame_pairs,
        longest_repeat=max((finding.longest_repeat for finding in findings), default=0),
        level=level,
        emotions={emotion: _count(by_emotion[emotion]) for emotion in sorted(by_emotion)},
        findings=tuple(
            finding for finding in findings if finding.verdict != "right" or finding.faults
        ),
    )


def _count(findings: Iterable[AuditFinding]) -> EmotionCounts:
    findings = list(findings)
    wrong = [finding for finding in findings if finding.verdict == "wrong"]
    return EmotionCounts(
        pairs=len(findings),
        wrong=len(wrong),
        unknown=sum(finding.verdict == "unknown" for finding in findings),
        faulty_paths=sum(bool(finding.faults) for finding in findings),
        frame_pairs=sum(finding.frame_pairs for finding in findings),
        wrong_frame_pairs=sum(finding.frame_pairs for finding in wrong),
    )


def _audit_pair(pair: FilePair, sentences: Sentences, level: int) -> AuditFinding:
    source, target = _clip_numbers(pair)
    judgement = _judge(pair, source, target, sentences, level)
    suggested_key = None
    if judgement.suggestion is not None and source is not None:
        suggested_key = f"{source:03d}_{judgement.suggestion:03d}"
    return AuditFinding(
        speaker=pair.speaker,
        emotion=pair.emotion,
        pair=pair.key,
        verdict=judgement.verdict,
        detail=judgement.detail,
        source_clip=source,
        target_clip=target,
        source_sentence=judgement.source_sentence,
        target_sentence=judgement.target_sentence,
        frame_pairs=max(len(pair.path.source), len(pair.path.target)),
        longest_repeat=longest_run(pair.path),
        length_ratio=_length_ratio(pair),
        suggestion=judgement.suggestion,
        suggested_key=suggested_key,
        faults=tuple(path_faults(pair.path)),
    )


def _judge(
    pair: FilePair, source: int | None, target: int | None, sentences: Sentences, level: int
) -> _Judgement:
    emotion = mead_emotion(pair.emotion)
    if source is None or target is None:
        return _Judgement("unknown", f"{pair.key} is not two clip numbers such as 001_028")
    if emotion is None or emotion == "neutral":
        detail = f"{pair.emotion} is not an emotion of MEAD that is paired with neutral"
        return _Judgement("unknown", detail)
    keys = (
        MeadKey(pair.speaker, "neutral", NEUTRAL_LEVEL, source),
        MeadKey(pair.speaker, emotion, level, target),
    )
    spoken = sentences.get(keys[0]), sentences.get(keys[1])
    unknown = [key for key, sentence in zip(keys, spoken, strict=True) if sentence is None]
    if unknown:
        detail = " and ".join(_why_unknown(key, sentences) for key in unknown)
        return _Judgement("unknown", detail, *spoken)
    if spoken[0] == spoken[1]:
        return _Judgement("right", f"both clips say {spoken[0]}", *spoken)
    detail = f"neutral {source:03d} says {spoken[0]}, {emotion} {target:03d} says {spoken[1]}"
    same = [
        key.number
        for key, sentence in sentences.items()
        if (key.actor, key.emotion, key.level, sentence)
        == (pair.speaker, emotion, level, spoken[0])
    ]
    return _Judgement("wrong", detail, *spoken, suggestion=min(same, default=None))


def _clip_numbers(pair: FilePair) -> tuple[int | None, int | None]:
    """Return the numbers of the neutral and the emotional clip; None if the key has others."""
    if pair.names is None or not all(name.isdecimal() and name.isascii() for name in pair.names):
        return None, None
    return int(pair.names[0]), int(pair.names[1])


def _why_unknown(key: MeadKey, sentences: Sentences) -> str:
    clip = f"{key.emotion} {key.number:03d} of level {key.level}"
    if key in sentences:
        return f"the transcripts contradict each other on {clip} of {key.actor}"
    if not any(listed.actor == key.actor for listed in sentences):
        return f"the numbering does not have the speaker {key.actor}"
    if not any(listed[:3] == key[:3] for listed in sentences):
        return f"the numbering has no {key.emotion} of level {key.level} by {key.actor}"
    return f"the numbering does not have {clip} by {key.actor}"


def _length_ratio(pair: FilePair) -> float | None:
    source, target = pair.path.source, pair.path.target
    if not len(source) or not len(target) or source[-1] <= 0 or target[-1] < 0:
        return None
    return round(float(target[-1]) / float(source[-1]), 3)
