"""The ground truth of a rendered clip, and the true map between two clips of one sentence."""

import json
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.demo.voice import Phoneme

#: Seconds between the rows of a written map.
MAP_STEP = 0.01


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """The ground truth of one clip. Times are seconds on the clip's clock."""

    #: relative to the corpus folder
    path: str
    #: relative to the corpus folder
    audio_path: str | None
    speaker: str
    emotion: str
    level: int
    sentence: int
    take: int
    text: str
    #: a fraction such as `30000/1001`
    fps: str
    n_frames: int
    duration: float
    speech_start: float
    speech_end: float
    phonemes: tuple[Phoneme, ...]
    #: per frame, as drawn: the gap between the inner edges of the lips at their middle, divided
    #: by the distance between the outer eye corners
    opening: tuple[float, ...]
    #: per frame, as the speech requires: 0 closed .. 1 wide open
    mouth_open: tuple[float, ...]
    #: per frame, as the speech requires: -1 rounded .. 1 stretched
    mouth_spread: tuple[float, ...]

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ClipTruth":
        """Read what `write` wrote."""
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["phonemes"] = tuple(Phoneme(**phoneme) for phoneme in values["phonemes"])
        for name in ("opening", "mouth_open", "mouth_spread"):
            values[name] = tuple(values[name])
        return cls(**values)


def true_map(source: ClipTruth, target: ClipTruth) -> tuple[np.ndarray, np.ndarray]:
    """Map the time of `source` to the time of `target`.

    The knots of the map are the boundaries of the phonemes that the two clips share; it is linear
    between them. It is defined from the first shared boundary to the last, and not in the silence
    around the sentence.

    Returns:
        The source and the target times of the knots: two (K,) float64, seconds, both strictly
        increasing.

    Raises:
        ValueError: the clips share no phoneme.
    """
    a_symbols, b_symbols = ([phoneme.symbol for phoneme in c.phonemes] for c in (source, target))
    knots: dict[float, float] = {}
    for block in SequenceMatcher(None, a_symbols, b_symbols, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            a, b = source.phonemes[block.a + i], target.phonemes[block.b + i]
            knots.setdefault(a.start, b.start)
            knots[a.end] = b.end
    if not knots:
        raise ValueError(
            f"{source.path} and {target.path} share no phoneme: their sentences differ"
        )
    times = np.array(sorted(knots.items()))
    rising = np.concatenate([[True], np.diff(times[:, 1]) > 0])
    return times[rising, 0], times[rising, 1]


def write_map(path: Path, source: ClipTruth, target: ClipTruth) -> None:
    """Write the true map as CSV with the columns `source_time,target_time`.

    There is a row for each MAP_STEP of source time and for each phoneme boundary.
    """
    source_knots, target_knots = true_map(source, target)
    steps = np.arange(source_knots[0], source_knots[-1], MAP_STEP)
    times = np.unique(np.concatenate([steps, source_knots]))
    rows = zip(times, np.interp(times, source_knots, target_knots), strict=True)
    path.write_text(
        "source_time,target_time\n" + "".join(f"{a:.6f},{b:.6f}\n" for a, b in rows),
        encoding="utf-8",
    )
