"""Name the clips of the demo as MEAD or RAVDESS does, with texts of our own."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from stccl_data.clip import EMOTIONS

LAYOUTS = ("mead", "ravdess")

#: Our own sentences. The corpora's texts are not used.
TEXTS = (
    "My brother painted the old boat blue.",
    "We saw five small birds above the harbour.",
    "Please move the map from my table.",
    "The summer market opens before noon.",
    "Bob will bring warm bread and apple jam.",
    "She put both maps under the lamp.",
    "Every morning the baker waves at me.",
    "Pam found a purple button by the pump.",
    "I have a room above the village pub.",
    "Tom always makes a big pot of soup.",
    "The big brown bear slept by my van.",
)

#: MEAD's sentence ids, in the order in which the demo uses them (4 and 7 are missing in the clips
#: of one actor).
MEAD_SENTENCES = (5, 9, 12, 1, 13, 2, 3, 6, 8, 10, 11)
MEAD_ACTORS = ("M003", "W009", "M030", "W029", "M037", "W011", "M009", "W026")

#: emotion -> clip numbers of those sentences -> actors, at level 1 for neutral and level 3 for the
#: others: facts of MEAD's recording order.
_NUMBERS: dict[str, dict[tuple[int, ...], str]] = {
    "neutral": {(34, 1, 31, 2, 3, 36, 33, 39, 32, 35, 40): "M003 M009 M030 W009 W011",
                (64, 1, 61, 2, 3, 70, 63, 76, 62, 69, 77): "M037 W026 W029"},
    "angry": {(23, 1, 20, 2, 3, 25, 22, 28, 21, 24, 29): "M009 M030 W009 W011",
              (24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M003",
              (47, 1, 40, 2, 3, 49, 42, 56, 41, 48, 57): "M037 W026 W029"},
    "contempt": {(23, 1, 20, 2, 3, 25, 22, 28, 21, 24, 29): "M003",
                 (23, 1, 20, 2, 3, 25, 22, 29, 21, 24, 30): "M009 M030 W009 W011",
                 (43, 1, 36, 2, 3, 49, 42, 55, 41, 44, 56): "M037 W026 W029"},
    "disgusted": {(21, 28, 18, 29, 30, 23, 20, 26, 19, 22, 27): "M003 M009 W009",
                  (24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M030 W011",
                  (41, 55, 34, 56, 57, 43, 36, 50, 35, 42, 51): "M037 W026 W029"},
    "fear": {(24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M003 M009 W011",
             (24, 1, 21, 2, 3, 26, 23, 27, 22, 25, 28): "W009",
             (21, 1, 18, 2, 3, 23, 20, 26, 19, 22, 27): "M030",
             (46, 1, 39, 2, 3, 48, 45, 57, 40, 47, 58): "M037 W026 W029"},
    "happy": {(24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M003 M009 M030 W009 W011",
              (46, 1, 40, 2, 3, 48, 45, 57, 41, 47, 58): "M037 W026 W029"},
    "sad": {(24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M003 M009 M030 W009 W011",
            (44, 1, 41, 2, 3, 50, 43, 56, 42, 49, 57): "M037 W026 W029"},
    "surprised": {(24, 1, 21, 2, 3, 26, 23, 29, 22, 25, 30): "M003 M009 M030 W009 W011",
                  (45, 1, 39, 2, 3, 51, 44, 57, 43, 46, 58): "M037 W026 W029"},
}  # fmt: skip

RAVDESS_SENTENCES = (1, 2)
RAVDESS_ACTORS = ("01", "02", "03", "04", "05", "06", "07", "08")
RAVDESS_EMOTIONS = {
    "neutral": 1,
    "calm": 2,
    "happy": 3,
    "sad": 4,
    "angry": 5,
    "fear": 6,
    "disgusted": 7,
    "surprised": 8,
}


@dataclass(frozen=True, slots=True)
class ClipName:
    """The files and labels of one clip."""

    #: its name in the lists of the corpus, unique
    label: str
    #: relative to the corpus folder
    path: PurePosixPath
    audio_path: PurePosixPath | None
    speaker: str
    emotion: str
    level: int
    sentence: int
    take: int
    text: str


def actors(layout: str) -> tuple[str, ...]:
    """List the speakers of a layout."""
    return MEAD_ACTORS if layout == "mead" else RAVDESS_ACTORS


def sentence_ids(layout: str) -> tuple[int, ...]:
    """List the sentence ids of a layout."""
    return MEAD_SENTENCES if layout == "mead" else RAVDESS_SENTENCES


def layout_emotions(layout: str) -> tuple[str, ...]:
    """List the emotions of a layout in the order of `EMOTIONS`."""
    known = _NUMBERS if layout == "mead" else RAVDESS_EMOTIONS
    return tuple(emotion for emotion in EMOTIONS if emotion in known)


def takes(layout: str) -> int:
    """Return how many takes of a sentence in one emotion a layout has."""
    return 1 if layout == "mead" else 2


def clip_name(layout: str, speaker: str, emotion: str, sentence: int, take: int = 1) -> ClipName:
    """Name one clip. The arguments must be among those that the functions above list."""
    index = sentence_ids(layout).index(sentence)
    if layout == "mead":
        level = 1 if emotion == "neutral" else 3
        number = next(
            numbers[index]
            for numbers, names in _NUMBERS[emotion].items()
            if speaker in names.split()
        )
        stem = PurePosixPath(emotion, f"level_{level}", f"{number:03d}")
        path = PurePosixPath(speaker, "video", "front", stem).with_suffix(".mp4")
        audio_path = PurePosixPath(speaker, "audio", stem).with_suffix(".m4a")
        label = f"{speaker}_level_{level}_{emotion}_{number:03d}"
        return ClipName(
            label, path, audio_path, speaker, emotion, level, sentence, take, TEXTS[index]
        )
    level = 1 if emotion == "neutral" else 2
    label = f"01-01-{RAVDESS_EMOTIONS[emotion]:02d}-{level:02d}-{sentence:02d}-{take:02d}-{speaker}"
    path = PurePosixPath(f"Actor_{speaker}", f"{label}.mp4")
    return ClipName(label, path, None, speaker, emotion, level, sentence, take, TEXTS[index])
