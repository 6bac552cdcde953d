"""What a scan found, in numbers: clips per label, the pairs they would make, and what preparing these would cost."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.corpora import Finding, Scan
from stccl_data.corpora.tree import VIDEO_SUFFIXES
from stccl_data.pairs.candidates import REFERENCES, candidate_pairs

#: Frames that one core takes through landmarks and crops in a second, measured at 1920x1080.
FRAMES_PER_CORE_SECOND = 32
#: Bytes of a frame as it is stored, its face and mouth crop as JPEG and its landmarks: measured at 224 and 96 pixels on MEAD at
#: 1920x1080 (22,400) and at 256x256 (20,800).
BYTES_PER_FRAME = 22_000
#: Frames of a clip. MEAD: 4.0 million in 31,060. RAVDESS: 4 s at 30 fps. CREMA-D: 2.5 s at 30 fps, not verified.
FRAMES_PER_CLIP = {"mead": 129, "ravdess": 120, "cremad": 75}
FRAMES_PER_OWN_CLIP = 120  # a guess: nothing is known before the files are read
FRAME_RATE = 30  # of these corpora, frames a second


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What one choice of `--reference` would make: candidate pairs, the clips in them, the others by reason, and the cost.

    `frames`, `core_hours` and `bytes` are estimates for the clips that are in a pair and have video; nothing was opened.
    """

    pairs: int
    clips: int
    alone: dict[str, int]
    frames: int
    core_hours: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts over a scan. `speakers`: speaker -> emotion -> level -> clips. `findings`: reason -> files, in order of `Reason`."""

    clips: int
    speakers: dict[str, dict[str, dict[int, int]]]
    sentences: dict[str, int]
    sentence_unknown: int
    views: dict[str, int]
    sound_files: int
    estimates: dict[str, CostEstimate]
    findings: dict[str, int]


def survey(scan: Scan) -> Survey:
    """Count what `scan` found; nothing is opened."""
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
        sentences=_counted(clip.sentence for clip in scan.clips if clip.sentence is not None),
        sentence_unknown=sum(clip.sentence is None for clip in scan.clips),
        views=_counted(clip.view for clip in scan.clips),
        sound_files=sum(clip.audio_path is not None for clip in scan.clips),
        estimates={reference: _estimate(scan, reference) for reference in REFERENCES},
        findings={str(reason): count for reason, count in sorted(files.items())},
    )


def as_dict(scan: Scan, counts: Survey) -> dict[str, Any]:
    """A scan and its survey as JSON takes it, with every finding."""
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
    alone = {clip.clip_id for clip, _ in candidates.unpaired}
    used = [clip for clip in scan.clips if clip.clip_id not in alone]
    frames = sum(frames_of(scan.corpus, clip) for clip in used)
    return CostEstimate(
        pairs=len(candidates.pairs),
        clips=len(used),
        alone=_counted(str(reason) for _, reason in candidates.unpaired),
        frames=frames,
        core_hours=frames / FRAMES_PER_CORE_SECOND / 3600,
        bytes=frames * BYTES_PER_FRAME,
    )


def frames_of(corpus: str, clip: Clip) -> int:
    """How many frames a clip of the corpus has on average; 0 where it is sound alone. Nothing is opened."""
    return (
        round(seconds_of(corpus) * FRAME_RATE)
        if Path(clip.path).suffix.lower() in VIDEO_SUFFIXES
        else 0
    )


def seconds_of(corpus: str) -> float:
    """How long a clip of the corpus is on average, with pictures or without."""
    return FRAMES_PER_CLIP.get(corpus, FRAMES_PER_OWN_CLIP) / FRAME_RATE


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
