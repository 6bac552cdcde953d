"""The Clip record: one recording of one sentence by one speaker in one emotion."""

import hashlib
import math
import re
import unicodedata
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from typing import Any

from stccl_data.media.cut import Cut

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

#: Other spellings of the emotions, as corpora and manifests write them.
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

#: The emotions in other languages, for labels of a user's own. Words that mean something else in
#: English (German "Angst", Spanish "calma") are not translated.
EMOTION_TRANSLATIONS = {
    "neutro": "neutral", "neutre": "neutral", "neutrale": "neutral", "中性": "neutral",
    "中立": "neutral", "ruhig": "calm", "calme": "calm", "平静": "calm",
    "freude": "happy", "fröhlich": "happy", "glücklich": "happy", "gioia": "happy",
    "felicità": "happy", "joie": "happy", "alegría": "happy", "alegria": "happy",
    "feliz": "happy",
    "高兴": "happy", "开心": "happy", "快乐": "happy", "喜び": "happy",
    "trauer": "sad", "traurig": "sad", "tristezza": "sad", "tristesse": "sad", "tristeza": "sad",
    "triste": "sad", "伤心": "sad", "悲伤": "sad", "难过": "sad", "悲しみ": "sad",
    "wut": "angry", "wütend": "angry", "ärger": "angry", "zorn": "angry", "rabbia": "angry",
    "colère": "angry", "enojo": "angry", "enfado": "angry", "raiva": "angry", "生气": "angry",
    "愤怒": "angry", "怒り": "angry",
    "ängstlich": "fear", "furcht": "fear", "paura": "fear", "peur": "fear", "miedo": "fear",
    "medo": "fear", "恐惧": "fear", "害怕": "fear", "恐れ": "fear",
    "ekel": "disgusted", "disgusto": "disgusted", "dégoût": "disgusted", "asco": "disgusted",
    "nojo": "disgusted", "厌恶": "disgusted", "嫌悪": "disgusted",
    "überraschung": "surprised", "überrascht": "surprised", "sorpresa": "surprised",
    "surpresa": "surprised", "surpris": "surprised", "惊讶": "surprised", "驚き": "surprised",
    "verachtung": "contempt", "disprezzo": "contempt", "mépris": "contempt",
    "desprecio": "contempt",
}  # fmt: skip
#: Longest label of an emotion, characters.
MAX_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording: a row of `clips.parquet`."""

    #: unique in the dataset. Generated ids are ASCII without dots or spaces
    #: (`mead/M003/front/angry-3/s009-t001`); a `clip_id` from a manifest is kept unchanged
    clip_id: str
    corpus: str
    speaker: str
    #: one of `EMOTIONS`, or another label in the form of `emotion_label`
    emotion: str
    #: an id, not the text: clips of one speaker with the same id contain the same words.
    #: None if unknown
    sentence: str | None
    #: the video, or an audio file if there is no video
    path: str
    #: the audio, if it is a separate file
    audio_path: str | None = None
    #: intensity of the emotion, 1-3 in MEAD
    level: int = 1
    #: numbers the recordings that agree in all other labels
    take: int = 1
    #: the camera
    view: str = "front"
    #: the words, if the corpus provides them
    text: str | None = None
    #: the part of the file that is the clip, seconds since the first frame of the file; None for
    #: its start and its end
    start: float | None = None
    end: float | None = None
    #: where the speaker's face is in the first frame, if the clip shows several people: pixels as
    #: text, `x,y` or a box `x0,y0,x1,y1`; see `face_place`
    face: str | None = None
    #: the licence of the recording, and which consent of the speaker it rests on
    license: str | None = None
    consent: str | None = None
    #: nominal frame rate, None until the file is probed (as are all fields below);
    #: frame times always come from the container
    fps: Fraction | None = None
    n_frames: int | None = None
    #: pixels, upright
    width: int | None = None
    #: pixels, upright
    height: int | None = None
    duration_s: float | None = None
    #: Hz
    audio_rate: int | None = None

    @property
    def cut(self) -> Cut | None:
        """The part of the file that is the clip; None for all of it."""
        if self.start is None and self.end is None:
            return None
        return Cut(self.start or 0.0, math.inf if self.end is None else self.end)

    def row(self) -> dict[str, Any]:
        """Convert the clip to a table row; `fps` becomes text such as `30000/1001`."""
        values = {name: getattr(self, name) for name in _COLUMNS}
        values["fps"] = None if self.fps is None else str(self.fps)
        return values

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Clip":
        """Build a clip from a table row (the inverse of `row`); ignore other columns."""
        values = {name: row[name] for name in _COLUMNS if name in row}
        values["fps"] = None if values.get("fps") is None else Fraction(values["fps"])
        return cls(**values)


_COLUMNS = tuple(f.name for f in fields(Clip))


def parse_emotion(word: str) -> str | None:
    """Map an emotion as a corpus or a user writes it to one of `EMOTIONS`; None if unknown."""
    word = word.strip().lower()
    word = EMOTION_SYNONYMS.get(word, word)
    return word if word in EMOTIONS else None


def face_place(text: str) -> tuple[float, ...]:
    """Parse the place of a face: `x,y` or a box `x0,y0,x1,y1`, pixels, also in brackets.

    Raises:
        ValueError: the text is neither.
    """
    words = re.split(r"[\s,;]+", text.strip().strip("[]()").strip())
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = ()
    if len(values) not in (2, 4) or not all(0 <= value < 1e6 for value in values):
        raise ValueError(f"invalid face {text[:40]!r}; write pixels, x,y or x0,y0,x1,y1")
    if len(values) == 4 and not (values[0] < values[2] and values[1] < values[3]):
        raise ValueError(f"invalid face {text[:40]!r}; a box is x0,y0,x1,y1 with x0 < x1, y0 < y1")
    return values


@lru_cache(4096)  # a corpus has few labels and many clips
def emotion_label(word: str) -> str:
    """Normalise an emotion as a corpus or a user writes it.

    Words that mean one of `EMOTIONS` are translated. Any other word is a label of its own: lower
    case, in Unicode form NFC, with single spaces.

    Raises:
        ValueError: the word cannot be a label. It is empty or longer than `MAX_LABEL`, or it has
            no letter or digit, or it contains a slash or a character that does not print.
    """
    label = unicodedata.normalize("NFC", " ".join(word.split()).lower())
    label = EMOTION_TRANSLATIONS.get(label, label)
    known = parse_emotion(label)
    if known is not None:
        return known
    if not any(letter.isalnum() for letter in label):
        raise ValueError(f"invalid emotion {word[:MAX_LABEL]!r}: it has no letter or digit")
    if len(label) > MAX_LABEL:
        raise ValueError(
            f"invalid emotion {word[:20]!r}...: it is longer than {MAX_LABEL} characters"
        )
    if "/" in label or "\\" in label or not label.isprintable():
        raise ValueError(
            f"invalid emotion {word!r}: it contains a slash or a character that does not print; "
            "write it with a hyphen, such as 'happy-sad'"
        )
    return label


def is_emotion_label(text: str) -> bool:
    """Whether a text is a label as `emotion_label` returns it."""
    try:
        return emotion_label(text) == text
    except ValueError:
        return False


def emotion_order(label: str) -> tuple[int, str]:
    """Return a sort key: `EMOTIONS` in their order, then other labels by the alphabet."""
    return (EMOTIONS.index(label) if label in EMOTIONS else len(EMOTIONS)), label


@lru_cache(4096)  # a corpus has few labels and many clips
def slug(text: str) -> str:
    """Make `text` safe for a shard key: ASCII letters, digits, `_` and `-`, never empty.

    Text that has to be changed gets six hex digits of its SHA-256 appended, so that two texts
    do not end up with the same key.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:80]
    if plain == text != "":
        return plain
    return f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}".lstrip("-")
