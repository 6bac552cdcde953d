"""Read a transcript list of MEAD: lines `ACTOR_level_N_EMOTION_NNN TEXT`.

Clips with the same text contain the same sentence.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from stccl_data.corpora.mead_names import parse_mead_name
from stccl_data.corpora.records import Finding, ScanError
from stccl_data.corpora.tables import MeadKey
from stccl_data.errors import ClipError, Reason
from stccl_data.files.stubs import unreadable_table

#: Least similarity of two spellings of one sentence. In the public list the spellings of one
#: sentence agree to 0.85 or more, different sentences to 0.79 or less.
SAME_SENTENCE = 0.82


@dataclass(frozen=True)
class Transcripts:
    """The content of a transcript list."""

    #: sentence ids; None if two lines contradict each other
    sentences: dict[MeadKey, str | None]
    #: texts as listed
    texts: dict[MeadKey, str]
    findings: list[Finding]


def read_transcripts(path: Path, numbering: Mapping[MeadKey, str]) -> Transcripts:
    """Read a transcript list.

    The list alone decides which clips share a sentence; `numbering` only provides the ids. Texts
    are compared without case, punctuation and spacing. A text gets the id that most of its clips
    have in the numbering, if it is the most frequent text with that id or a spelling of it. Any
    other text gets `x-` and ten hex digits of its SHA-256.

    Args:
        path: a UTF-8 text file.
        numbering: sentence ids of the numbering table.

    Raises:
        ScanError: the file cannot be read, or has no valid line.
    """
    if problem := unreadable_table(path):
        raise ScanError(f"the file of transcripts {path} {problem}")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScanError(f"cannot read the transcripts {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScanError(f"the transcripts {path} are not UTF-8: save them as UTF-8") from error
    texts: dict[MeadKey, str] = {}
    contradicted: set[MeadKey] = set()
    findings: list[Finding] = []

    def report(number: int, reason: Reason, detail: str) -> None:
        findings.append(Finding(str(path), reason, f"{path.name}, line {number}: {detail}"))

    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            key, text = _parse_line(line)
        except ClipError as error:
            report(number, error.reason, error.detail)
            continue
        if normalise(texts.setdefault(key, text)) != normalise(text):
            contradicted.add(key)
            detail = (
                f"an earlier line has another text for {line.split()[0]}; "
                "its sentence stays unknown"
            )
            report(number, Reason.LABEL_CONFLICT, detail)
    if not texts:
        raise ScanError(f"{path}: no line has the form ACTOR_level_N_EMOTION_NNN TEXT")
    ids = _sentence_ids({key: normalise(text) for key, text in texts.items()}, numbering)
    return Transcripts(
        {key: None if key in contradicted else ids[normalise(text)] for key, text in texts.items()},
        {key: text for key, text in texts.items() if key not in contradicted},
        findings,
    )


def normalise(text: str) -> str:
    """Reduce `text` to lower-case letters and digits with single spaces, for comparison.

    An apostrophe joins (`don't` becomes `dont`).
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"['’‘`´]", "", text)
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def _sentence_ids(texts: Mapping[MeadKey, str], numbering: Mapping[MeadKey, str]) -> dict[str, str]:
    """Map each normalised text to a sentence id; see `read_transcripts`."""
    ids_of_text: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, text in texts.items():
        ids_of_text[text].update([numbering[key]] if key in numbering else [])
    favourite: dict[str, str] = {}
    texts_of_id: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, counts in sorted(ids_of_text.items()):
        if counts:
            favourite[text] = _most_common(counts)
            texts_of_id[favourite[text]][text] += counts[favourite[text]]
    usual_text = {sentence: _most_common(counts) for sentence, counts in texts_of_id.items()}
    return {
        text: favourite[text]
        if text in favourite and _is_spelling(text, usual_text[favourite[text]])
        else f"x-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        for text in ids_of_text
    }


def _most_common(counts: Counter[str]) -> str:
    """Return the most common value; the first in order among equals."""
    return min(counts, key=lambda value: (-counts[value], value))


def _is_spelling(text: str, other: str) -> bool:
    """Whether two normalised texts are spellings of one sentence."""
    if text == other:
        return True
    return SequenceMatcher(None, text, other, autojunk=False).ratio() >= SAME_SENTENCE


def _parse_line(line: str) -> tuple[MeadKey, str]:
    """Split a line into the key and the text. Raises ClipError."""
    name, text = (*line.split(maxsplit=1), "")[:2]
    labels = parse_mead_name(name)
    if (
        labels is None
        or labels.actor is None
        or labels.emotion is None
        or labels.level is None
        or labels.number is None
    ):
        raise ClipError(
            Reason.BAD_ROW,
            f"'{name[:60]}' does not have the form ACTOR_level_N_EMOTION_NNN, followed by the text",
        )
    if not normalise(text):
        raise ClipError(Reason.BAD_ROW, f"{name} has no text")
    return MeadKey(labels.actor, labels.emotion, labels.level, labels.number), text.strip()
