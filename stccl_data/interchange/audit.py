"""What is wrong with a pair file of MEAD, by the numbering tables and the paths alone: no video is needed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stccl_data.corpora.mead_names import mead_emotion
from stccl_data.corpora.tables import MeadKey, mead_numbering
from stccl_data.corpora.transcripts import read_transcripts
from stccl_data.interchange.pair_file import FilePair, longest_run, path_faults

#: The level of the published file's emotional clips. It does not say it; clip counts and lengths do.
PUBLISHED_LEVEL = 3
NEUTRAL_LEVEL = 1

#: Sentence ids; None if two transcripts contradict each other.
Sentences = Mapping[MeadKey, str | None]


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One pair that is wrong, cannot be judged, or has a path that is none.

    `verdict`: wrong (the clips say different sentences), unknown, or right (then its path is at fault). `detail`: a sentence.
    `source_clip`, `target_clip`: clip numbers, None where the key holds none. `source_sentence`, `target_sentence`: None where not
    known. `frame_pairs`: entries of the path. `longest_repeat`: the most entries in a row that share a frame. `length_ratio`: last
    target frame over last source frame. `suggestion`: the number of the clip that says the neutral's sentence in that emotion and
    level, None where there is none or nothing to mend; `suggested_key`: the key that the pair would have. `faults`: of the path.
    """

    speaker: str
    emotion: str
    pair: str
    verdict: str
    detail: str
    source_clip: int | None
    target_clip: int | None
    source_sentence: str | None
    target_sentence: str | None
    frame_pairs: int
    longest_repeat: int
    length_ratio: float | None
    suggestion: int | None
    suggested_key: str | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmotionCounts:
    """How the pairs of one emotion fared; frame pairs are entries of their paths."""

    pairs: int = 0
    wrong: int = 0
    unknown: int = 0
    faulty_paths: int = 0
    frame_pairs: int = 0
    wrong_frame_pairs: int = 0


@dataclass(frozen=True, slots=True)
class Audit:
    """`pairs`, `wrong`, `unknown`, `faulty_paths`: counts of pairs. `longest_repeat`: the longest of all. `findings`: a line for
    every pair that is not right in all respects, in the order of the file. `emotions`: the counts by emotion."""

    pairs: int
    wrong: int
    unknown: int
    faulty_paths: int
    frame_pairs: int
    wrong_frame_pairs: int
    longest_repeat: int
    level: int
    emotions: dict[str, EmotionCounts]
    findings: tuple[AuditFinding, ...]


def mead_sentences(transcripts: Path | None = None) -> Sentences:
    """What MEAD's clips say: the numbering table, and where they are given the transcripts. Raises ScanError."""
    numbering = mead_numbering()
    return (
        numbering
        if transcripts is None
        else {**numbering, **read_transcripts(transcripts, numbering).sentences}
    )


def audit(pairs: Iterable[FilePair], sentences: Sentences, level: int = PUBLISHED_LEVEL) -> Audit:
    """Judge the pairs: does the neutral clip (level 1) say the sentence of the emotional one (`level`)?

    The same speaker's clip that says it is looked for where not. A pair of a clip that `sentences` does not have is unknown.
    """
    counts: dict[str, EmotionCounts] = {}
    findings = []
    longest = 0
    judged = [_judged(pair, sentences, level) for pair in pairs]
    for one in judged:
        so_far = counts.get(one.emotion, EmotionCounts())
        wrong = one.verdict == "wrong"
        counts[one.emotion] = EmotionCounts(
            pairs=so_far.pairs + 1,
            wrong=so_far.wrong + wrong,
            unknown=so_far.unknown + (one.verdict == "unknown"),
            faulty_paths=so_far.faulty_paths + bool(one.faults),
            frame_pairs=so_far.frame_pairs + one.frame_pairs,
            wrong_frame_pairs=so_far.wrong_frame_pairs + wrong * one.frame_pairs,
        )
        longest = max(longest, one.longest_repeat)
        if one.verdict != "right" or one.faults:
            findings.append(one)
    each = counts.values()
    return Audit(
        pairs=sum(count.pairs for count in each),
        wrong=sum(count.wrong for count in each),
        unknown=sum(count.unknown for count in each),
        faulty_paths=sum(count.faulty_paths for count in each),
        frame_pairs=sum(count.frame_pairs for count in each),
        wrong_frame_pairs=sum(count.wrong_frame_pairs for count in each),
        longest_repeat=longest,
        level=level,
        emotions=dict(sorted(counts.items())),
        findings=tuple(findings),
    )


def _judged(pair: FilePair, sentences: Sentences, level: int) -> AuditFinding:
    emotion = mead_emotion(pair.emotion)
    numbers = pair.names is not None and all(
        name.isdecimal() and name.isascii() for name in pair.names
    )
    source = int(pair.names[0]) if numbers and pair.names is not None else None
    target = int(pair.names[1]) if numbers and pair.names is not None else None
    said: tuple[str | None, str | None] = (None, None)
    suggestion: int | None = None
    verdict = "unknown"
    if source is None or target is None:
        detail = f"{pair.key} is not two clip numbers such as 001_028"
    elif emotion is None or emotion == "neutral":
        detail = f"{pair.emotion} is no emotion of MEAD that is paired with neutral"
    else:
        keys = (
            MeadKey(pair.speaker, "neutral", NEUTRAL_LEVEL, source),
            MeadKey(pair.speaker, emotion, level, target),
        )
        said = sentences.get(keys[0]), sentences.get(keys[1])
        missing = [key for key, sentence in zip(keys, said, strict=True) if sentence is None]
        if missing:
            detail = " and ".join(_why_unknown(key, sentences) for key in missing)
        elif said[0] == said[1]:
            verdict, detail = "right", f"both clips say {said[0]}"
        else:
            verdict = "wrong"
            suggestion = _clip_of(said[0], pair.speaker, emotion, level, sentences)
            detail = f"neutral {source:03d} says {said[0]}, {emotion} {target:03d} says {said[1]}"
    faults = path_faults(pair.source, pair.target)
    return AuditFinding(
        speaker=pair.speaker,
        emotion=pair.emotion,
        pair=pair.key,
        verdict=verdict,
        detail=detail,
        source_clip=source,
        target_clip=target,
        source_sentence=said[0],
        target_sentence=said[1],
        frame_pairs=max(len(pair.source), len(pair.target)),
        longest_repeat=longest_run(pair.source, pair.target),
        length_ratio=_length_ratio(pair),
        suggestion=suggestion,
        suggested_key=None
        if suggestion is None or source is None
        else f"{source:03d}_{suggestion:03d}",
        faults=tuple(faults),
    )


def _why_unknown(key: MeadKey, sentences: Sentences) -> str:
    speaker, emotion, level, number = key
    clip = f"{emotion} {number:03d} of level {level}"
    if key in sentences:
        return f"the transcripts contradict each other on {clip} of {speaker}"
    listed = {known[:3] for known in sentences}
    if not any(known[0] == speaker for known in listed):
        return f"the numbering does not have the speaker {speaker}"
    if key[:3] not in listed:
        return f"the numbering has no {emotion} of level {level} by {speaker}"
    return f"the numbering does not have {clip} by {speaker}"


def _clip_of(
    sentence: str | None, speaker: str, emotion: str, level: int, sentences: Sentences
) -> int | None:
    """The lowest number of the clips that say the sentence."""
    found = [
        n
        for (who, how, much, n), said in sentences.items()
        if (who, how, much, said) == (speaker, emotion, level, sentence)
    ]
    return min(found, default=None)


def _length_ratio(pair: FilePair) -> float | None:
    if not len(pair.source) or not len(pair.target) or pair.source[-1] <= 0 or pair.target[-1] < 0:
        return None
    return round(float(pair.target[-1]) / float(pair.source[-1]), 3)
