"""Compare names and labels as people read them."""

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from stccl_data.clip import EMOTION_SYNONYMS, EMOTION_TRANSLATIONS, EMOTIONS, Clip
from stccl_data.words import counted

#: Labels of one kind that are named in a remark, and remarks of one kind.
_MAX_NAMED = 5
#: Letters that a label shares with an emotion that was probably meant, as a share of both.
_MISSPELT = 0.8


def normalised_label(text: str) -> str:
    """Return a label in Unicode form NFC without outer spaces.

    macOS and Windows store one and the same letter differently; two forms of it are one text.
    """
    return unicodedata.normalize("NFC", text.strip())


def normalised_name(name: str) -> str:
    """Reduce a name to what people read: without case, Unicode form, spacing or invisible signs."""
    if name.isascii():
        return " ".join(name.lower().split())
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return " ".join(visible.split())


def similar_labels(clips: Iterable[Clip]) -> Iterator[str]:
    """Describe the speakers, views and sentences that count as different but look alike.

    Also an emotion that is not a known one, but looks like one.
    """
    clips = list(clips)
    labels: dict[str, set[str]] = {"speaker": set(), "view": set(), "sentence": set()}
    for clip in clips:
        for label, values in labels.items():
            if value := getattr(clip, label):
                values.add(value)
    for label, values in labels.items():
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for value in sorted(values):
            groups[normalised_name(value)].append(value)
        for group in groups.values():
            if len(group) > 1:
                named = " and ".join(repr(value) for value in group[:_MAX_NAMED])
                yield f"{label}s {named} look alike"
    known = (*EMOTIONS, *EMOTION_SYNONYMS, *EMOTION_TRANSLATIONS)
    for emotion, count in sorted(Counter(clip.emotion for clip in clips).items()):
        if emotion not in known and (
            near := difflib.get_close_matches(emotion, known, n=1, cutoff=_MISSPELT)
        ):
            clips_of = counted(count, "clip")
            yield f"emotion {emotion!r} ({clips_of}) looks like {near[0]!r}"
