"""Speech features: a sequence of vectors that two emotions of one sentence share.

Mel cepstra and their slope on a 10 ms grid, made comparable between loud and soft, clean and noisy
recordings of one speaker in three steps: the spectrum is cut off a fixed distance below the clip's
loud parts, so that all silence is alike; mean and variance are normalised over the speech alone;
and the silence before and after is kept, to be matched with silence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOP_S = 0.010
WINDOW_S = 0.025
PRE_EMPHASIS = 0.97
MELS = 40
#: Including the zeroth, which is loudness. Higher ones carry the voice more than the sound.
CEPSTRA = 10
#: Half-width of the regression: a slope over 50 ms, the length of a transition.
SLOPE_FRAMES = 2
#: Whatever is this many dB below the loud parts is silence.
RANGE_DB = 45.0
#: A frame is speech if its energy is within this many dB of the loud parts.
SPEECH_DB = 35.0
#: Peak amplitude below which a clip is digital silence (16-bit dither is 3e-5).
AUDIBLE = 1e-4


@dataclass(frozen=True, slots=True)
class SpeechFeatures:
    """Speech features of N frames, 10 ms apart."""

    #: (N, D) float32, normalised.
    vectors: NDArray[np.float32]
    #: (N,) float64, clip time of each frame's centre, seconds: zero is the first video frame.
    times: NDArray[np.float64]
    #: (N,) bool, False in silence.
    speech: NDArray[np.bool_]
    #: (N,) float32, dB below the loudest frame of the clip.
    level: NDArray[np.float32]
    #: First and last instant of the audio, seconds.
    start: float
    end: float

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last instant of speech, seconds."""
        spoken = np.flatnonzero(self.speech)
        return float(self.times[spoken[0]] - HOP_S / 2), float(self.times[spoken[-1]] + HOP_S / 2)


def speech_features(
    samples: NDArray[np.floating], rate: int, start: float = 0.0
) -> SpeechFeatures | None:
    """Compute the speech features of a recording.

    Args:
        samples: (S,) mono in [-1, 1].
        rate: Hz, at least 8000.
        start: time of the first sample, seconds.

    Returns:
        None without audible sound: too few samples, or a peak below AUDIBLE.
    """
    from scipy.fft import dct, rfft  # slow to import, and silent clips need none

    x = np.nan_to_num(np.asarray(samples, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if len(x) < rate * WINDOW_S or np.abs(x - x.mean()).max() < AUDIBLE:
        return None
    x = x - x.mean()
    window = _windows(np.append(x[0], x[1:] - PRE_EMPHASIS * x[:-1]), rate)
    times = np.asarray(start + (np.arange(len(window)) + 0.5) * HOP_S, np.float64)
    window *= np.hamming(window.shape[1])
    n_fft = 1 << (window.shape[1] - 1).bit_length()
    power = np.abs(rfft(window, n_fft, axis=1)) ** 2
    mel = 10 * np.log10(power @ mel_filters(n_fft, rate).T + 1e-12)
    energy = 10 * np.log10(np.square(window).sum(axis=1) + 1e-12)
    loud = float(np.quantile(energy, 0.98))
    speech = energy > loud - SPEECH_DB
    mel = np.maximum(mel, np.quantile(mel.max(axis=1), 0.95) - RANGE_DB)
    cepstra = dct(mel, norm="ortho", axis=1)[:, :CEPSTRA]
    vectors = np.hstack([cepstra, slope(cepstra, SLOPE_FRAMES)])
    spoken = vectors[speech]
    vectors = (vectors - spoken.mean(axis=0)) / (spoken.std(axis=0) + 1e-6)
    return SpeechFeatures(
        vectors=vectors.astype(np.float32),
        times=times,
        speech=speech,
        level=(energy - energy.max()).astype(np.float32),
        start=start,
        end=start + len(x) / rate,
    )


def reference_cepstra(samples: NDArray[np.floating], rate: int) -> NDArray[np.float64]:
    """Compute the features that the published pairs were made from.

    `python_speech_features.mfcc` with its defaults, one row per 1/30 s.

    Returns:
        (R, 13) float64.
    """
    from python_speech_features import mfcc

    # the package's default of 512 holds its window at 16 kHz, not at higher rates
    n_fft = max(512, 1 << (round(WINDOW_S * rate) - 1).bit_length())
    return np.asarray(
        mfcc(np.asarray(samples, np.float64), rate, winstep=1 / 30, nfft=n_fft), np.float64
    )


def mel_filters(
    n_fft: int, rate: int, n: int = MELS, low: float = 60.0, high: float = 7800.0
) -> NDArray[np.float64]:
    """Return triangular filters, evenly spaced on O'Shaughnessy's mel scale.

    Args:
        n_fft: length of the FFT.
        rate: Hz.
        n: number of filters.
        low: lower end, Hz.
        high: upper end, Hz; lowered to just below the Nyquist frequency if necessary.

    Returns:
        (n, n_fft // 2 + 1) float64.
    """
    high = min(high, 0.49 * rate)
    mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), n + 2)
    edge = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.arange(n_fft // 2 + 1) * rate / n_fft
    rising = (frequency - edge[:-2, None]) / (edge[1:-1] - edge[:-2])[:, None]
    falling = (edge[2:, None] - frequency) / (edge[2:] - edge[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


def slope(values: NDArray[np.floating], half: int) -> NDArray[np.float64]:
    """Compute the least-squares slope per frame over 2 half + 1 frames (Furui 1986).

    Args:
        values: (N, D); the ends are repeated.
        half: half-width of the window, frames.

    Returns:
        (N, D) float64.
    """
    n = len(values)
    padded = np.pad(np.asarray(values, np.float64), ((half, half), (0, 0)), mode="edge")
    total = sum(
        k * (padded[half + k : half + k + n] - padded[half - k : half - k + n])
        for k in range(1, half + 1)
    )
    return np.asarray(total / (2 * sum(k * k for k in range(1, half + 1))))


def _windows(x: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return (N, W): one window centred on each hop, with silence beyond the ends."""
    width = round(WINDOW_S * rate)
    n = max(1, int(len(x) / (HOP_S * rate)))
    centre = np.round((np.arange(n) + 0.5) * HOP_S * rate).astype(np.int64)
    padded = np.pad(x, width)
    windows: NDArray[np.float64] = padded[(centre + width - width // 2)[:, None] + np.arange(width)]
    return windows
