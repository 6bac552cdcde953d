"""The Clip record: one recording of one sentence by one speaker in one emotion, and the vocabulary of its labels."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from typing import Any

EMOTIONS = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fear",
    "disgusted",
    "surprised",
    "contempt",
)

#: What people write for our words; adapters and manifests translate through this.
EMOTION_SYNONYMS = {
    "anger": "angry", "ang": "angry", "mad": "angry",
    "contemptuous": "contempt",
    "disgust": "disgusted", "dis": "disgusted",
    "fearful": "fear", "fea": "fear", "afraid": "fear",
    "happiness": "happy", "hap": "happy", "joy": "happy",
    "neu": "neutral",
    "sadness": "sad",
    "surprise": "surprised", "sur": "surprised",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording. A row of `clips.parquet`.

    `clip_id` is unique in the dataset; made by us it is ASCII without dots or spaces
    (`mead/M003/front/angry-3/s009-t001`), and an own manifest's `clip_id` is kept as it is. `sentence` is an id,
    not a text: two clips of one speaker with the same id say the same words; None where unknown. `level` is the
    intensity (1-3 in MEAD), `take` counts recordings that agree in all other labels. `path` is the video (or an
    audio file where there is no video); `audio_path` the sound where it is a file of its own. `fps` (nominal;
    frame times always come from the container), `n_frames`, `width`, `height` (upright pixels), `duration_s` and
    `audio_rate` (Hz) are None until the file has been read.
    """

    clip_id: str
    corpus: str
    speaker: str
    emotion: str
    sentence: str | None
    path: str
    audio_path: str | None = None
    level: int = 1
    take: int = 1
    view: str = "front"
    text: str | None = None
    fps: Fraction | None = None
    n_frames: int | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    audio_rate: int | None = None

    def row(self) -> dict[str, Any]:
        """The clip as a table row; `fps` as text such as `30000/1001`."""
        values = {name: getattr(self, name) for name in _COLUMNS}
        values["fps"] = None if self.fps is None else str(self.fps)
        return values

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Clip":
        """The inverse of `row`; columns that a Clip does not have are passed over."""
        values = {name: row[name] for name in _COLUMNS if name in row}
        values["fps"] = None if values.get("fps") is None else Fraction(values["fps"])
        return cls(**values)


_COLUMNS = tuple(f.name for f in fields(Clip))


def parse_emotion(word: str) -> str | None:
    """Our word for an emotion as a corpus or a person writes it, or None where it is not one."""
    word = word.strip().lower()
    word = EMOTION_SYNONYMS.get(word, word)
    return word if word in EMOTIONS else None


@lru_cache(4096)  # a corpus has few labels and many clips
def slug(text: str) -> str:
    """`text` as it may stand in a shard key: ASCII letters, digits, `_` and `-`, never empty, injective in practice.

    Text that has to be changed gets six hex digits of its SHA-256, so that two texts never fall on one key.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:80]
    if plain == text != "":
        return plain
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}".lstrip("-")
