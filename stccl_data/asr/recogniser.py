"""Measure how well sound fits a text, with a speech recogniser (extra `asr`).

pocketsphinx (Huggins-Daines et al., ICASSP 2006) with the US English model from its wheel aligns
the words of a text with the sound. The likelihood of the best alignment is compared with that of
another text. The recogniser knows nothing of the speaker's other clips.
"""

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.media.audio import SPEECH_RATE


class RecogniserError(StcclError):
    """The recogniser cannot be loaded; the message says what to install."""


class Recogniser:
    """A speech recogniser.

    Earlier calls change a result by about 1e-4; texts differ by 0.04 and more.

    Raises:
        RecogniserError: `stccl[asr]` is not installed.
    """

    def __init__(self) -> None:
        try:
            from pocketsphinx import Decoder
        except (ImportError, OSError) as error:
            raise RecogniserError(
                f"the speech recogniser cannot be loaded ({error}): pip install 'stccl[asr]'"
            ) from error
        # cmn="batch" takes the cepstral mean of each clip; the default carries it from clip to clip
        self._decoder = Decoder(samprate=SPEECH_RATE, bestpath=False, cmn="batch", loglevel="FATAL")
        self.unknown_words = lru_cache(maxsize=10_000)(self._unknown_words)

    def _unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of ``text`` that the model's dictionary lacks."""
        return tuple(word for word in split_words(text) if self._decoder.lookup_word(word) is None)

    def fit(self, samples: NDArray[np.floating], text: str) -> float:
        """Return the log likelihood of the sound under ``text``.

        The unit is the recogniser's own; it compares texts on one sound and nothing else.

        Args:
            samples: (S,) mono at SPEECH_RATE.
            text: words that the dictionary knows.

        Returns:
            -inf if the text cannot be aligned with the sound: far too long, or far from it.

        Raises:
            ValueError: the text has no words, or unknown ones.
        """
        words = split_words(text)
        if not words or self.unknown_words(text):
            raise ValueError(f"the recogniser does not know every word of {text!r}")
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        if peak == 0.0:
            return -np.inf
        pcm = (samples / peak * 0.7 * 32767).astype("<i2").tobytes()
        self._decoder.set_align_text(" ".join(words))
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        aligned = [
            segment.word.split("(")[0]
            for segment in self._decoder.seg() or ()
            if segment.word[0] not in "<["
        ]
        if hypothesis is None or aligned != words or hypothesis.score <= 0:
            return -np.inf
        return float(np.log(hypothesis.score))


def split_words(text: str) -> list[str]:
    """Return the words of an English text as the dictionary spells them.

    Lower case; apostrophes are kept and hyphens separate words.
    """
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    matches = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+", plain)
    return [word for word in (match.strip("'") for match in matches) if word]
