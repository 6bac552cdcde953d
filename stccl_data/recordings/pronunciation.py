"""How English words are spoken, as classes of the phonemes that the acoustic model tells apart.

The dictionary is CMU's, which comes inside pocketsphinx (extra `segment`); words that it lacks are
spelled out by the grapheme-to-phoneme model inside hama. Pronunciations of a word differ between
speakers ("the", "a", "read"), so a word has several.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError, UsageError

#: The classes: ARPABET phonemes, and the symbols of the acoustic model (IPA) that realise each.
CLASSES: dict[str, str] = {
    "AA": "ɑ ɒ a", "AE": "æ", "AH": "ə ʌ ɐ", "AO": "ɔ ɒ ɑ", "AW": "aʊ", "AY": "aɪ",
    "B": "b", "CH": "t͡ʃ", "D": "d ɾ", "DH": "ð", "EH": "ɛ e eə", "ER": "ɝ ɚ ɜ",
    "EY": "eɪ e", "F": "f", "G": "g ɡ", "HH": "h ɦ", "IH": "ɪ ɨ", "IY": "i", "JH": "d͡ʒ",
    "K": "k kʰ", "L": "l ɫ", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ o", "OY": "ɔɪ",
    "P": "p pʰ", "R": "ɹ r ɻ", "S": "s", "SH": "ʃ", "T": "t ɾ ʔ tʰ", "TH": "θ",
    "UH": "ʊ", "UW": "u ʉ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
#: Column of each class; the last column is the blank.
COLUMN = {name: column for column, name in enumerate(CLASSES)}
BLANK = len(CLASSES)

#: Pronunciations of one word that are kept.
_MAX_VARIANTS = 4
#: Longest word that is spelled out, letters.
_MAX_LETTERS = 40

Pronunciation = tuple[int, ...]


class PronunciationError(UsageError):
    """A text cannot be turned into phonemes; the message says which word."""


class DictionaryError(StcclError):
    """The dictionary or the model is missing; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line."""

    text: str
    #: columns of `COLUMN`, each not empty
    pronunciations: tuple[Pronunciation, ...]


def pronounce(text: str) -> tuple[Word, ...]:
    """Return the words of an English text with their pronunciations.

    Raises:
        PronunciationError: there is no word, or one that cannot be spelled out: a number, or
            letters of another script.
        DictionaryError: `stccl[segment]` is not installed.
    """
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    words = [word.strip("'") for word in re.findall(r"[\w']+", plain)]
    words = [word for word in words if word]
    if not words:
        raise PronunciationError(f"{text!r} has no words")
    return tuple(Word(word, _pronunciations(word.lower())) for word in words)


@cache
def _pronunciations(word: str) -> tuple[Pronunciation, ...]:
    known = _dictionary().get(word)
    if known is None and word.endswith("'s"):
        known = _dictionary().get(word.removesuffix("'s"))
        known = known and tuple(f"{phones} Z" for phones in known)
    if known is not None:
        variants = [tuple(COLUMN[phone] for phone in phones.split()) for phones in known]
        # the acoustic model was trained on what its own speller says, such as "air" for "are"
        spelled_out = _spelled_out(word.replace("'", ""))
        return tuple(p for p in dict.fromkeys([spelled_out, *variants]) if p)[:_MAX_VARIANTS]
    if any(letter.isdigit() for letter in word):
        raise PronunciationError(f"{word!r} contains digits; write the number in words")
    plain = _without_accents(word).replace("'", "")
    if not re.fullmatch(r"[a-z]+", plain) or len(plain) > _MAX_LETTERS:
        raise PronunciationError(f"{word!r} is not a word in English letters")
    spelled_out = _spelled_out(plain)
    if not spelled_out:
        raise PronunciationError(f"how {word!r} is spoken is not known; spell it as it sounds")
    return (spelled_out,)


def _without_accents(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _spelled_out(word: str) -> Pronunciation:
    """Return what hama's model makes of a word; empty if most of it is not English."""
    by_symbol: dict[str, int] = {}
    for name, symbols in CLASSES.items():
        for symbol in symbols.split():
            by_symbol.setdefault(symbol, COLUMN[name])
    phonemes = [alignment.phoneme for alignment in _speller()(word).alignments]
    columns = tuple(by_symbol[phoneme] for phoneme in phonemes if phoneme in by_symbol)
    return columns if len(columns) > len(phonemes) / 2 else ()


@cache
def _dictionary() -> dict[str, tuple[str, ...]]:
    """Return word -> ARPABET pronunciations."""
    try:
        from pocketsphinx import get_model_path

        path = Path(get_model_path("en-us/cmudict-en-us.dict"))
        lines = path.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError) as error:
        raise DictionaryError(
            f"the dictionary cannot be loaded ({error}): pip install 'stccl[segment]'"
        ) from error
    words: dict[str, tuple[str, ...]] = {}
    for line in lines:
        entry, _, phones = line.partition(" ")
        word = entry.partition("(")[0]
        words[word] = (*words.get(word, ()), phones.strip())
    return words


@cache
def _speller():  # type: ignore[no-untyped-def]
    from hama import G2PModel

    return G2PModel()


def class_levels(levels: NDArray[np.uint8], symbols: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return how unlikely each class is at each row, relative to the most likely symbol.

    Args:
        levels: (T, K) uint8, as `PhonemeFeatures.levels`.
        symbols: what the K columns are; the last one is the blank.

    Returns:
        (T, BLANK + 1) uint8 in the same unit; 0 where nothing is more likely.
    """
    index = {symbol: column for column, symbol in enumerate(symbols)}
    best = levels.min(axis=1)
    columns = [
        levels[:, [index[symbol] for symbol in names.split() if symbol in index]].min(axis=1)
        for names in CLASSES.values()
    ]
    relative: NDArray[np.uint8] = np.stack([*columns, levels[:, -1]], axis=1) - best[:, None]
    return relative
