"""Synthesise speech with the time of every phoneme: espeak-ng through ctypes."""

import _ctypes
import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from stccl_data.executors import StopRunError

SAMPLE_RATE = 48_000
#: The symbol of any silence inside an utterance.
PAUSE = "_"
_VOICELESS_STOPS = {"p", "t", "k", "tS"}

# Constants of espeak-ng/speak_lib.h.
_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DONT_EXIT = 0x0001, 0x8000
_UTF8, _SSML = 1, 0x10
_EVENT_END_OF_LIST, _EVENT_PHONEME = 0, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4


class DemoUnavailableError(StopRunError):
    """The demo cannot run on this machine; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One speech sound."""

    #: espeak's ASCII mnemonic without stress marks
    symbol: str
    #: seconds
    start: float
    #: seconds
    end: float


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a sentence is spoken, in espeak's units."""

    #: words per minute
    rate: float
    #: 0-100
    pitch: float
    #: 0-100
    pitch_range: float
    #: 0-200
    volume: float


@dataclass(frozen=True, slots=True)
class Speech:
    """Synthesised speech without silence around it."""

    #: (N,) float32 in [-1, 1] at SAMPLE_RATE
    samples: np.ndarray
    #: times from the first sample
    phonemes: tuple[Phoneme, ...]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a phoneme starts."""

    #: index of the sample
    position: int
    #: espeak's mnemonic
    symbol: str


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def speak(
    words: Sequence[str], word_rates: Sequence[float], voice: str, prosody: Prosody
) -> Speech:
    """Speak `words` as one sentence.

    The same call gives the same samples: espeak keeps the state of its flutter and noise
    generators in global variables between calls, so the library is loaded again for each sentence
    (12 ms). It is global to the process: do not call this from two threads at once.

    Args:
        words: the sentence.
        word_rates: a factor on the rate of the prosody for each word.
        voice: a voice of espeak, such as `en-us+f2`.
        prosody: of the sentence.

    Raises:
        DemoUnavailableError: espeak-ng is not installed or does not have the voice.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise DemoUnavailableError(
            "espeakng-loader is not installed: pip install 'stccl[demo]'"
        ) from None
    if len(words) != len(word_rates):
        raise ValueError(f"{len(words)} words, but {len(word_rates)} rates")
    marked = " ".join(
        f'<prosody rate="{round(100 * rate)}%">{word}</prosody>'
        for word, rate in zip(words, word_rates, strict=True)
    )
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        rate = library.espeak_Initialize(
            _SYNCHRONOUS,
            0,
            str(espeakng_loader.get_data_path()).encode(),
            _PHONEME_EVENTS | _DONT_EXIT,
        )
        if rate <= 0:
            raise DemoUnavailableError(
                f"espeak-ng cannot read its voices in {espeakng_loader.get_data_path()}: "
                "reinstall espeakng-loader"
            )
        # Otherwise the clock seeds the breath of some voices.
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        samples, marks = _synthesise(library, f"<speak>{marked}</speak>", voice, prosody)
        library.espeak_Terminate()
    finally:
        _unload(library)
    return _trim(samples, marks, rate)


def _synthesise(
    library: ctypes.CDLL, text: str, voice: str, prosody: Prosody
) -> tuple[np.ndarray, list[_Mark]]:
    """Return (N,) int16 samples and the phonemes."""
    chunks: list[np.ndarray] = []
    marks: list[_Mark] = []

    def collect(
        wave: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        if count and wave:
            chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != _EVENT_END_OF_LIST:
            if events[i].type == _EVENT_PHONEME:
                name = bytes(events[i].id.string).split(b"\0")[0]
                marks.append(_Mark(events[i].sample, name.decode("utf-8", "replace")))
            i += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise DemoUnavailableError(
            f"espeak-ng has no voice {voice!r}: install another version of espeakng-loader"
        )
    settings = (
        (_RATE, prosody.rate),
        (_VOLUME, prosody.volume),
        (_PITCH, prosody.pitch),
        (_RANGE, prosody.pitch_range),
    )
    for parameter, value in settings:
        library.espeak_SetParameter(parameter, round(value), 0)
    data = text.encode()
    library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, _UTF8 | _SSML, None, None)
    library.espeak_Synchronize()
    return np.concatenate(chunks), marks


def _unload(library: ctypes.CDLL) -> None:
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _trim(samples: np.ndarray, marks: list[_Mark], rate: int) -> Speech:
    """Remove the silence at both ends, and resample from `rate` to SAMPLE_RATE."""
    from scipy.signal import resample_poly  # takes half a second, which only speaking needs

    symbols = [
        PAUSE if mark.symbol.startswith("_") else mark.symbol.strip("',%=|") for mark in marks
    ]
    starts = [mark.position for mark in marks] + [len(samples)]
    spoken = [i for i, symbol in enumerate(symbols) if symbol != PAUSE]
    for i in spoken[1:]:
        if symbols[i] in _VOICELESS_STOPS:
            starts[i] -= _silence_before(
                samples[(starts[i - 1] + starts[i]) // 2 : starts[i]], rate
            )
    first, last = starts[spoken[0]], starts[spoken[-1] + 1]
    phonemes = tuple(
        Phoneme(symbols[i], (starts[i] - first) / rate, (starts[i + 1] - first) / rate)
        for i in range(spoken[0], spoken[-1] + 1)
        if starts[i + 1] > starts[i]
    )
    common = gcd(SAMPLE_RATE, rate)
    sound = resample_poly(
        samples[first:last].astype(np.float64) / 32768, SAMPLE_RATE // common, rate // common
    )
    return Speech(np.clip(sound, -1, 1).astype(np.float32), phonemes)


def _silence_before(samples: np.ndarray, rate: int) -> int:
    """Count the silent samples at the end of `samples`, which precede a voiceless stop.

    espeak marks a voiceless stop at its burst (measured on 62 stops after vowels: silence from
    50 ms before the mark). The lips or the tongue close when the silence begins, so the stop
    begins there.
    """
    step = rate // 400
    blocks = samples[len(samples) % step :].reshape(-1, step).astype(np.float64)
    # 250 is -42 dB of full scale; bursts start at -38 dB.
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > 250)
    return step * (len(blocks) - 1 - int(loud[-1]) if len(loud) else len(blocks))
