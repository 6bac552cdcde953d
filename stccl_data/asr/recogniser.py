"""How well sound fits a text, by a speech recogniser that knows nothing of the speaker's other clips (extra `asr`).

pocketsphinx (Huggins-Daines et al., ICASSP 2006) with the US English model that its wheel carries lays the words of a given text on
the sound; the likelihood of the best way to do so is compared with that of another text.
"""

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.media.video import SPEECH_RATE


class RecogniserError(StcclError):
    """There is no recogniser; the message says what to install."""


class Recogniser:
    """One recogniser. What it heard before changes an answer by some 1e-4, where texts differ by 0.04 and more."""

    def __init__(self) -> None:
        """Raises RecogniserError without `stccl[asr]`."""
        try:
            from pocketsphinx import Decoder
        except (ImportError, OSError) as error:
            raise RecogniserError(
                f"the speech recogniser cannot be loaded ({error}): pip install 'stccl[asr]'"
            ) from error
        # cmn batch: the cepstral mean of each clip, where the default carries it over from one clip to the next
        self._decoder = Decoder(samprate=SPEECH_RATE, bestpath=False, cmn="batch", loglevel="FATAL")
        self.unknown_words = lru_cache(maxsize=10_000)(self._unknown_words)

    def _unknown_words(self, text: str) -> tuple[str, ...]:
        """The words of `text` that the model's dictionary lacks."""
        return tuple(word for word in words_of(text) if self._decoder.lookup_word(word) is None)

    def fit(self, samples: NDArray[np.floating], text: str) -> float:
        """samples: (S,) mono at SPEECH_RATE. The log likelihood of the sound if it says `text`, in the recogniser's own unit: it
        compares texts on one sound and nothing else. -inf where the text cannot be laid on the sound: far too long, or far from it.

        Raises ValueError for a text without words or with unknown ones.
        """
        words = words_of(text)
        if not words or self.unknown_words(text):
            raise ValueError(f"the recogniser does not know every word of {text!r}")
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        if peak == 0.0:
            return -np.inf
        self._decoder.set_align_text(" ".join(words))
        self._decoder.start_utt()
        self._decoder.process_raw(
            (samples / peak * 0.7 * 32767).astype("<i2").tobytes(), full_utt=True
        )
        self._decoder.end_utt()
        found = self._decoder.hyp()
        laid = [
            segment.word.split("(")[0]
            for segment in self._decoder.seg() or ()
            if segment.word[0] not in "<["
        ]
        return (
            float(np.log(found.score))
            if found is not None and laid == words and found.score > 0
            else -np.inf
        )


def words_of(text: str) -> list[str]:
    """The words of an English text as the dictionary spells them: lower case, apostrophes kept, hyphens apart."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return [
        word
        for word in (
            found.strip("'") for found in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+", plain)
        )
        if word
    ]
