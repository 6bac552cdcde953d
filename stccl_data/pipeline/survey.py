"""Count what a scan found: clips per label, possible pairs, and the cost of preparing them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from stccl_data.clip import Clip
from stccl_data.corpora import Finding, Scan
from stccl_data.corpora.tree import VIDEO_SUFFIXES, suffix_of
from stccl_data.pairs.candidates import ANY, NEUTRAL, candidate_pairs
from stccl_data.pipeline.estimate import BYTES_PER_FRAME, Cost, core_hours, total_frames


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What one choice of `--reference` would make, and what the clips of its pairs would cost."""

    #: candidate pairs
    pairs: int
    #: clips that are in a pair
    clips: int
    #: clips that are in no pair, by reason code
    alone: dict[str, int]
    #: estimated frames of the clips that are in a pair and have video
    frames: int
    core_hours: float
    #: of the crops and landmarks, once
    bytes: int
    #: the clips that are in no pair, in addition; `--paired-only` leaves them out
    unpaired: Cost


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts over a scan."""

    clips: int
    #: speaker -> emotion -> level -> clips
    speakers: dict[str, dict[str, dict[int, int]]]
    #: sentence -> clips
    sentences: dict[str, int]
    sentence_unknown: int
    #: view -> clips
    views: dict[str, int]
    #: clips with a sound file of their own
    sound_files: int
    #: clips without video
    sound_alone: int
    #: choice of `--reference` -> its estimate
    estimates: dict[str, CostEstimate]
    #: reason code -> files, in the order of `Reason`
    findings: dict[str, int]


def survey(scan: Scan) -> Survey:
    """Count what a scan found. Opens no file."""
    speakers: dict[str, dict[str, dict[int, int]]] = {}
    for clip in sorted(scan.clips, key=lambda clip: (clip.speaker, clip.level)):
        levels = speakers.setdefault(clip.speaker, {}).setdefault(clip.emotion, {})
        levels[clip.level] = levels.get(clip.level, 0) + 1
    files: Counter[str] = Counter()
    for finding in scan.findings:
        files[finding.reason] += finding.files
    return Survey(
        clips=len(scan.clips),
        speakers=speakers,
        sentences=_counts(clip.sentence for clip in scan.clips if clip.sentence is not None),
        sentence_unknown=sum(clip.sentence is None for clip in scan.clips),
        views=_counts(clip.view for clip in scan.clips),
        sound_files=sum(clip.audio_path is not None for clip in scan.clips),
        sound_alone=sum(_is_sound(clip) for clip in scan.clips),
        estimates={reference: _estimate(scan, reference) for reference in (NEUTRAL, ANY)},
        findings={str(reason): count for reason, count in sorted(files.items())},
    )


def as_dict(scan: Scan, counts: Survey) -> dict[str, Any]:
    """Return a scan and its survey, with every finding, in JSON-compatible form."""
    return {
        "corpus": scan.corpus,
        "root": str(scan.root),
        **asdict(counts),
        "details": [_row(finding) for finding in scan.findings],
    }


def _row(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "reason": str(finding.reason), "advice": finding.reason.advice}


def _estimate(scan: Scan, reference: str) -> CostEstimate:
    candidates = candidate_pairs(scan.clips, reference)
    unpaired = _cost(scan.corpus, [clip for clip, _ in candidates.unpaired])
    ids = {clip.clip_id for clip, _ in candidates.unpaired}
    paired = _cost(scan.corpus, [clip for clip in scan.clips if clip.clip_id not in ids])
    return CostEstimate(
        pairs=len(candidates.pairs),
        clips=paired.clips,
        alone=_counts(str(reason) for _, reason in candidates.unpaired),
        frames=paired.frames,
        core_hours=paired.core_hours,
        bytes=paired.bytes,
        unpaired=unpaired,
    )


def _cost(corpus: str, clips: list[Clip]) -> Cost:
    frames = total_frames(corpus, clips)
    return Cost(len(clips), frames, core_hours(frames), frames * BYTES_PER_FRAME)


def _is_sound(clip: Clip) -> bool:
    return suffix_of(clip.path) not in VIDEO_SUFFIXES


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
