"""A script: the lines that are spoken in a recording, with or without their emotions."""

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stccl_data.clip import emotion_label
from stccl_data.corpora.csv_text import decode, read_csv_text
from stccl_data.errors import UsageError
from stccl_data.recordings.pronunciation import PronunciationError, Word, pronounce


class ScriptError(UsageError):
    """A script cannot be used; the message names the line."""


@dataclass(frozen=True, slots=True)
class ScriptRow:
    """A line of a script."""

    #: index of its text in `Script.texts`
    text: int
    #: None if the script does not say
    emotion: str | None


@dataclass(frozen=True, slots=True)
class Script:
    """A script."""

    #: in order; a text can occur several times
    rows: tuple[ScriptRow, ...]
    #: the different texts, as they are written first
    texts: tuple[str, ...]
    #: id of each text
    sentences: tuple[str, ...]

    def pronounced(self) -> tuple[tuple[Word, ...], ...]:
        """Return the words of each text with their pronunciations.

        Raises:
            ScriptError: a word is not English, or a number.
            DictionaryError: `stccl[segment]` is not installed.
        """
        words = []
        for text in self.texts:
            try:
                words.append(pronounce(text))
            except PronunciationError as error:
                raise ScriptError(f"{text!r}: {error}") from error
        return tuple(words)

    def find(self, text: str) -> int | None:
        """Return the index of a text, whatever its case and punctuation; None if there is none."""
        key = plain_words(text)
        return next((n for n, other in enumerate(self.texts) if plain_words(other) == key), None)


@dataclass(frozen=True, slots=True)
class _Entry:
    place: str
    text: str
    emotion: str
    sentence: str


def read_script(path: Path) -> Script:
    """Read a script.

    A `.csv` or `.tsv` has a column `text`, and maybe `emotion` and `sentence` (an id). Any other
    file has a line of text per line; empty lines and lines that begin with `#` are left out. Texts
    that differ only in case and punctuation are one.

    Raises:
        ScriptError: the file cannot be read, has no line, or an invalid emotion; or one id stands
            for two texts.
    """
    try:
        table = path.suffix.lower() in (".csv", ".tsv")
        entries = list(_read_table(path) if table else _read_lines(path))
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ScriptError(f"{path} is not UTF-8; save it as UTF-8") from error
    if not entries:
        raise ScriptError(f"{path} has no lines")
    texts: dict[tuple[str, ...], tuple[int, _Entry]] = {}
    rows = []
    for entry in entries:
        key = plain_words(entry.text)
        if not key:
            raise ScriptError(f"{path}, {entry.place}: {entry.text!r} has no words")
        try:
            emotion = emotion_label(entry.emotion) if entry.emotion else None
        except ValueError as error:
            raise ScriptError(f"{path}, {entry.place}: {error}") from error
        number, first = texts.setdefault(key, (len(texts), entry))
        if entry.sentence != first.sentence:
            raise ScriptError(f"{path}, {entry.place}: {entry.text!r} has two ids")
        rows.append(ScriptRow(number, emotion))
    firsts = [entry for _, entry in texts.values()]
    sentences = [entry.sentence or f"s{n:03d}" for n, entry in enumerate(firsts, 1)]
    if len(set(sentences)) < len(sentences):
        raise ScriptError(f"{path}: one id in column sentence stands for two texts")
    return Script(tuple(rows), tuple(entry.text for entry in firsts), tuple(sentences))


def plain_words(text: str) -> tuple[str, ...]:
    """Return the words of a text in any language, without case and punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    words = (word.strip("'") for word in re.findall(r"[\w']+", plain))
    return tuple(word for word in words if word)


def _read_lines(path: Path) -> Iterator[_Entry]:
    for number, line in enumerate(decode(path.read_bytes()).splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _Entry(f"line {number}", line.strip(), "", "")


def _read_table(path: Path) -> Iterator[_Entry]:
    try:
        rows = list(read_csv_text(path).rows())
    except csv.Error as error:
        raise ScriptError(f"{path} cannot be read: {error}") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "text" not in columns:
        raise ScriptError(f"{path} has no column text; its columns are {', '.join(columns)}")
    for number, cells in enumerate(rows[1:], 2):
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        if row.get("text"):
            yield _Entry(
                f"row {number}", row["text"], row.get("emotion", ""), row.get("sentence", "")
            )
