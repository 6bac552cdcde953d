"""What is known of a rendered clip, and the true map between two clips of one sentence."""

import json
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.demo.voice import Phoneme

MAP_STEP = 0.01  # seconds between the rows of a written map


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """One clip as it was made. Paths are relative to the corpus folder; times are seconds on the clip's clock.

    `opening` is, for each frame, the gap between the lips' inner edges at their middle over the distance between the outer eye
    corners, as drawn. `mouth_open` (0-1) and `mouth_spread` (-1 rounded .. 1 stretched) are what the speech asked for.
    """

    path: str
    audio_path: str | None
    speaker: str
    emotion: str
    level: int
    sentence: int
    take: int
    text: str
    fps: str
    n_frames: int
    duration: float
    speech_start: float
    speech_end: float
    phonemes: tuple[Phoneme, ...]
    opening: tuple[float, ...]
    mouth_open: tuple[float, ...]
    mouth_spread: tuple[float, ...]

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ClipTruth":
        """The inverse of `write`."""
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["phonemes"] = tuple(Phoneme(**phoneme) for phoneme in values["phonemes"])
        for name in ("opening", "mouth_open", "mouth_spread"):
            values[name] = tuple(values[name])
        return cls(**values)


def true_map(source: ClipTruth, target: ClipTruth) -> tuple[np.ndarray, np.ndarray]:
    """The knots of the map that takes `source`'s time to `target`'s: two (K,) float64, seconds, both strictly increasing.

    The knots are the boundaries of the phonemes that the two clips share, and the map is linear between them; it is defined
    from the first shared boundary to the last, and not in the silence around the sentence.
    """
    said, said_again = ([phoneme.symbol for phoneme in clip.phonemes] for clip in (source, target))
    knots: dict[float, float] = {}
    for block in SequenceMatcher(None, said, said_again, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            a, b = source.phonemes[block.a + i], target.phonemes[block.b + i]
            knots.setdefault(a.start, b.start)
            knots[a.end] = b.end
    if not knots:
        raise ValueError(
            f"{source.path} and {target.path} share no phoneme: they are not one sentence"
        )
    times = np.array(sorted(knots.items()))
    rising = np.concatenate([[True], np.diff(times[:, 1]) > 0])
    return times[rising, 0], times[rising, 1]


def write_map(path: Path, source: ClipTruth, target: ClipTruth) -> None:
    """Write the true map as CSV `source_time,target_time`: a row each MAP_STEP of source time and at each phoneme boundary."""
    source_knots, target_knots = true_map(source, target)
    steps = np.arange(source_knots[0], source_knots[-1], MAP_STEP)
    times = np.unique(np.concatenate([steps, source_knots]))
    rows = zip(times, np.interp(times, source_knots, target_knots), strict=True)
    path.write_text(
        "source_time,target_time\n" + "".join(f"{a:.6f},{b:.6f}\n" for a, b in rows),
        encoding="utf-8",
    )
