"""Phonemes of a clip's sound, as probabilities from an acoustic model that comes inside a package.

The model is the waveform CTC network of hama 1.7.0 (Apache-2.0, 4.7 MB, 189 phonemes and a blank,
trained on undisclosed, mostly English speech). It is used as a code for sounds, never as text:
two clips of one sentence get similar codes in any language.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.features.phoneme_network import (
    WEIGHTS_SHA256,
    load_phoneme_network,
    phoneme_vocabulary,
)
from stccl_data.features.speech import SpeechFeatures

HOP_S = 0.020
RATE = 16_000
#: Levels per nat. Log-probabilities are stored as ``round(-16 ln p)``, at most 255.
LEVELS_PER_NAT = 16

#: Seconds of sound kept before and after the speech.
_MARGIN_S = 0.15
#: The network reads at most 30 s and drops the rest; longer speech is read in pieces.
_PIECE_S = 20.0
#: The shortest sound that the network turns into a row.
_LEAST_S = 0.04
#: Column of the word boundary in the network's output, between the phonemes and the blank.
_BOUNDARY = -2


@dataclass(frozen=True, slots=True)
class PhonemeFeatures:
    """The phonemes of one clip, a row every 20 ms."""

    #: (T, K) uint8, ``round(-16 ln p)`` of each phoneme and, in the last column, of the blank.
    levels: NDArray[np.uint8]
    #: Start of the first row, seconds.
    start: float

    @property
    def times(self) -> NDArray[np.float64]:
        """Centre of each row, (T,) float64 seconds."""
        rows = np.arange(len(self.levels), dtype=np.float64)
        return self.start + (rows + 0.5) * HOP_S


def phoneme_features(
    samples: NDArray[np.floating], rate: int, speech: SpeechFeatures
) -> PhonemeFeatures | None:
    """Compute the phoneme probabilities of the speech in a clip, about 10 ms per second of sound.

    Args:
        samples: (S,) mono in [-1, 1].
        rate: Hz; has to be 16 kHz.
        speech: the clip's speech features, which say where it speaks.

    Returns:
        None if the speech is shorter than two rows.

    Raises:
        PhonemeModelError: the model cannot be used.
    """
    if rate != RATE:
        raise ValueError(f"phonemes need sound at {RATE} Hz, not {rate} Hz")
    first, last = speech.span
    begin = max(0, round((first - _MARGIN_S - speech.start) * rate))
    end = min(len(samples), round((last + _MARGIN_S - speech.start) * rate))
    sound = samples[begin:end]
    if len(sound) < _LEAST_S * rate:
        return None
    n_pieces = int(np.ceil(len(sound) / (_PIECE_S * rate)))
    pieces = [phoneme_levels(piece) for piece in np.array_split(sound, n_pieces)]
    return PhonemeFeatures(np.concatenate(pieces), speech.start + begin / rate)


def phoneme_levels(sound: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Compute the phoneme probabilities of at most 30 s of sound, whether or not it is speech.

    Args:
        sound: (S,) mono in [-1, 1] at RATE.

    Returns:
        (T, K), as `PhonemeFeatures.levels`.

    Raises:
        PhonemeModelError: the model cannot be used.
    """
    clean = np.clip(np.nan_to_num(np.asarray(sound, np.float32)), -1.0, 1.0)
    levels = np.minimum(255, np.round(-LEVELS_PER_NAT * _log_probabilities(clean)))
    return levels.astype(np.uint8)


def phoneme_symbols() -> tuple[str, ...]:
    """Return what the columns of `phoneme_levels` are: IPA symbols, and the blank at the end.

    Raises:
        PhonemeModelError: the model cannot be used.
    """
    return (*phoneme_vocabulary(), "<blank>")


def phoneme_model_identity() -> str:
    """Return name and version of the model, which become part of the names of stored results.

    Raises:
        PhonemeModelError: the model cannot be used.
    """
    load_phoneme_network()
    return f"hama-1.7.0-{WEIGHTS_SHA256[:16]}-float64"


def _log_probabilities(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ln p, (T, 190): phonemes, then the blank.

    The word boundary is left out, and the rest is normalised again.
    """
    rows = np.delete(load_phoneme_network().log_probabilities(sound), _BOUNDARY, axis=1)
    normalised: NDArray[np.float64] = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
    return normalised
