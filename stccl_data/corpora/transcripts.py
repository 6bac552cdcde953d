"""A list of what was said in each MEAD clip: lines `ACTOR_level_N_EMOTION_NNN TEXT`. Same text, same sentence."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from stccl_data.corpora.mead import labels_of_name
from stccl_data.corpora.scan import Finding, ScanError
from stccl_data.errors import ClipError, Reason

Key = tuple[str, str, int, int]
#: In the public list the spellings of one sentence agree to 0.85 or more, different sentences to 0.79 or less.
SAME_SENTENCE = 0.82


@dataclass(frozen=True)
class Transcripts:
    """(actor, emotion, level, number) -> sentence id, None where two lines contradict each other; and -> text as listed."""

    sentences: dict[Key, str | None]
    texts: dict[Key, str]
    findings: list[Finding]


def read_transcripts(path: Path, numbering: Mapping[Key, str]) -> Transcripts:
    """Read a transcript list. It alone says which clips share a sentence; `numbering` only lends its ids.

    Texts are compared without case, punctuation and spacing. A text takes the id that the numbering gives to most of its
    clips, provided it is the text that is said most under that id or a spelling of it; any other text is `x-` and ten hex
    digits of its SHA-256. Raises ScanError where the file cannot be read or no line of it is understood.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScanError(f"cannot read the transcripts {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScanError(f"the transcripts {path} are not UTF-8: save them as UTF-8") from error
    texts: dict[Key, str] = {}
    contradicted: set[Key] = set()
    findings = []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            key, text = _parsed(line)
        except ClipError as error:
            findings.append(
                Finding(str(path), error.reason, f"{path.name}, line {number}: {error.detail}")
            )
            continue
        if plain(texts.setdefault(key, text)) != plain(text):
            contradicted.add(key)
            detail = (
                f"{path.name}, line {number}: {line.split()[0]} was listed before with another text; "
                "its sentence stays unknown"
            )
            findings.append(Finding(str(path), Reason.LABEL_CONFLICT, detail))
    if not texts:
        raise ScanError(f"no line of {path} reads as ACTOR_level_N_EMOTION_NNN TEXT")
    ids = sentence_ids({key: plain(text) for key, text in texts.items()}, numbering)
    sentences = {
        key: None if key in contradicted else ids[plain(text)] for key, text in texts.items()
    }
    return Transcripts(
        sentences, {key: text for key, text in texts.items() if key not in contradicted}, findings
    )


def plain(text: str) -> str:
    """`text` for comparison: lower case, letters and digits only, single spaces. An apostrophe joins (`don't` is `dont`)."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"['’‘`´]", "", text)
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def sentence_ids(texts: Mapping[Key, str], numbering: Mapping[Key, str]) -> dict[str, str]:
    """Sentence id of each plain text; see `read_transcripts`."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, text in texts.items():
        votes[text].update([numbering[key]] if key in numbering else [])
    said: defaultdict[str, Counter[str]] = defaultdict(Counter)
    wanted: dict[str, str] = {}
    for text, counted in sorted(votes.items()):
        if counted:
            wanted[text] = min(counted, key=lambda one: (-counted[one], one))
            said[wanted[text]][text] += counted[wanted[text]]
    main = {
        one: min(counted, key=lambda text: (-counted[text], text)) for one, counted in said.items()
    }
    return {
        text: wanted[text] if text in wanted and _alike(text, main[wanted[text]]) else _own_id(text)
        for text in votes
    }


def _alike(text: str, main: str) -> bool:
    return (
        text == main or SequenceMatcher(None, text, main, autojunk=False).ratio() >= SAME_SENTENCE
    )


def _own_id(text: str) -> str:
    return f"x-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _parsed(line: str) -> tuple[Key, str]:
    name, text = (*line.split(maxsplit=1), "")[:2]
    labels = labels_of_name(name)
    if (
        labels is None
        or labels.actor is None
        or labels.emotion is None
        or labels.level is None
        or labels.number is None
    ):
        raise ClipError(
            Reason.BAD_ROW,
            f"'{name[:60]}' is not of the form ACTOR_level_N_EMOTION_NNN, followed by the text",
        )
    if not plain(text):
        raise ClipError(Reason.BAD_ROW, f"{name} has no text")
    return (labels.actor, labels.emotion, labels.level, labels.number), text.strip()
