"""The acoustic network of hama 1.7.0, computed by numpy from the weights in its package.

A Conformer (Gulati et al. 2020) of four blocks on log-mel spectra, trained with CTC. hama's own
library is built for the oldest processors and takes five times as long. The two agree within 0.01
nats where a probability matters (tests/stccl_data/features/test_phoneme_network.py).

Computed in double precision: the rounding of a matrix product depends on the processor and on the
number of threads, and the stored levels should not.
"""

import hashlib
import importlib.util
import json
import struct
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.special import erf, expit, log_softmax, softmax

from stccl_data.errors import StcclError

#: hama/assets/asr_waveform.hama of hama 1.7.0 (4,723,088 bytes).
WEIGHTS_SHA256 = "a9fcfe73e179ca48e399cd76a90a6b3e1887bf5037ecc52b778d13a149563328"

_WINDOW, _HOP = 400, 160  # samples at 16 kHz
_LEAST_POWER = 1e-10
_BLOCKS, _HEADS = 4, 4
_LAYER_NORM_EPSILON = 1e-5

#: The exporter replaced the names of these arrays by numbers. In the order of the file:
_NUMBERED = [
    *(
        f"{layer}.{part}"
        for layer in ["stem", *(f"blocks.{i}.conv.depthwise" for i in range(_BLOCKS))]
        for part in ("weight", "bias")
    ),
    *(
        f"blocks.{i}.{layer}.weight"
        for i in range(_BLOCKS)
        for layer in (
            "ffn1.fc1",
            "ffn1.fc2",
            "attn.in_proj",
            "attn.out_proj",
            "ffn2.fc1",
            "ffn2.fc2",
        )
    ),
]

Array = NDArray[np.float64]


class PhonemeModelError(StcclError):
    """The phoneme model cannot be used; the message says what to do."""


class PhonemeNetwork:
    """Computes phoneme probabilities from sound."""

    def __init__(self, weights: bytes) -> None:
        """Read the weights. weights: the content of a `.hama` file."""
        self._weights = _read_weights(weights)

    def log_probabilities(self, sound: NDArray[np.floating]) -> Array:
        """Return the natural logarithms of the probabilities.

        Args:
            sound: (S,) mono in [-1, 1] at 16 kHz, at least 20 ms.

        Returns:
            (T, 191), a row every 20 ms: 189 phonemes, the word boundary and the blank.
        """
        x = self._stem(self._log_mel(np.asarray(sound, np.float64)))
        for block in range(_BLOCKS):
            name = f"blocks.{block}"
            x = x + 0.5 * self._feed_forward(x, f"{name}.ffn1")
            x = x + self._attention(self._norm(x, f"{name}.attn_norm"), f"{name}.attn")
            x = x + self._convolution(x, f"{name}.conv")
            x = x + 0.5 * self._feed_forward(x, f"{name}.ffn2")
            x = self._norm(x, f"{name}.norm")
        return np.asarray(log_softmax(self._linear(x, "proj"), axis=1))

    def _log_mel(self, sound: Array) -> Array:
        """Return the log-mel spectrum, (frames, 80), 10 ms apart."""
        padded = np.pad(sound, _WINDOW // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
        spectrum = rfft(frames * self._weights["stft_real_kernel"][0, 0], axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        return np.asarray(np.log(np.maximum(power @ self._weights["mel_fb"], _LEAST_POWER)))

    def _stem(self, mel: Array) -> Array:
        """Halve the rate: a convolution over three frames with stride 2, then GELU."""
        kernel = self._weights["stem.weight"]  # (144, 80, 3)
        rows = (len(mel) + 1) // 2
        padded = np.pad(mel, ((1, 2), (0, 0)))
        x = sum(padded[k : k + 2 * rows : 2] @ kernel[:, :, k].T for k in range(3))
        x = x + self._weights["stem.bias"]
        return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))

    def _feed_forward(self, x: Array, name: str) -> Array:
        hidden = self._linear(self._norm(x, f"{name}.norm"), f"{name}.fc1")
        return self._linear(hidden * expit(hidden), f"{name}.fc2")

    def _attention(self, x: Array, name: str) -> Array:
        rows, width = x.shape
        projected = self._linear(x, f"{name}.in_proj").reshape(rows, 3, _HEADS, width // _HEADS)
        heads = np.empty((rows, _HEADS, width // _HEADS))
        for head in range(_HEADS):  # one after another: 20 s of sound make 8 MB for each
            query, key, value = projected[:, 0, head], projected[:, 1, head], projected[:, 2, head]
            weights = softmax(query @ key.T / np.sqrt(width // _HEADS), axis=1)
            heads[:, head] = weights @ value
        return self._linear(heads.reshape(rows, width), f"{name}.out_proj")

    def _convolution(self, x: Array, name: str) -> Array:
        values, gates = np.split(
            self._linear(self._norm(x, f"{name}.norm"), f"{name}.pointwise1"), 2, axis=1
        )
        kernel = self._weights[f"{name}.depthwise.weight"][:, 0]  # (144, 31)
        reach = kernel.shape[1] // 2
        padded = np.pad(values * expit(gates), ((reach, reach), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1], axis=0)
        hidden = np.einsum("tck,ck->tc", windows, kernel) + self._weights[f"{name}.depthwise.bias"]
        return self._linear(hidden * expit(hidden), f"{name}.pointwise2")

    def _linear(self, x: Array, name: str) -> Array:
        return np.asarray(x @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt(variance + _LAYER_NORM_EPSILON)
        return np.asarray(scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


@cache
def load_phoneme_network() -> PhonemeNetwork:
    """Load the network, once per process.

    Raises:
        PhonemeModelError: the package hama is missing, or another version is installed.
    """
    return PhonemeNetwork(_checked_weights())


@cache
def phoneme_vocabulary() -> tuple[str, ...]:
    """Return the first 189 columns of the network's output: IPA symbols.

    Raises:
        PhonemeModelError: the package hama is missing.
    """
    symbols: list[str] = json.loads(_read_asset("g2p_vocab.json"))["decoder"]
    return tuple(symbols)


def _read_asset(name: str) -> bytes:
    """Return a file of the package hama, which itself is not imported."""
    spec = importlib.util.find_spec("hama")
    if spec is None or spec.origin is None:
        raise PhonemeModelError(
            "the package hama, which holds the phoneme model, is missing: pip install hama==1.7.0"
        )
    path = Path(spec.origin).parent / "assets" / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhonemeModelError(
            f"the phoneme model {path} cannot be read ({error.strerror}): "
            "pip install --force-reinstall hama==1.7.0"
        ) from None


def _checked_weights() -> bytes:
    content = _read_asset("asr_waveform.hama")
    digest = hashlib.sha256(content).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise PhonemeModelError(
            f"asr_waveform.hama has SHA-256 {digest[:8]}..., expected {WEIGHTS_SHA256[:8]}...: "
            "another version of hama? Run pip install --force-reinstall hama==1.7.0"
        )
    return content


def _read_weights(content: bytes) -> dict[str, Array]:
    """Read a `.hama` file: a table of names, types, shapes and offsets, then the arrays.

    Returns:
        Name -> array; the matrices of linear layers are (inputs, outputs).
    """
    (count,) = struct.unpack_from("<I", content, 8)
    position = 12
    table = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", content, position)
        name = content[position + 2 : position + 2 + length].decode()
        position += 2 + length
        dtype = np.float16 if content[position] else np.float32
        shape = struct.unpack_from(f"<{content[position + 1]}I", content, position + 2)
        position += 2 + 4 * len(shape)
        table.append((name, dtype, shape, *struct.unpack_from("<Q", content, position)))
        position += 16  # offset and size
    start = -(-position // 16) * 16
    numbered = iter(_NUMBERED)
    weights: dict[str, Array] = {}
    for name, dtype, shape, offset in table:
        size = int(np.prod(shape))
        array = np.frombuffer(content, dtype, size, start + offset).reshape(shape).astype(float)
        name = next(numbered) if name.startswith("onnx::") else name
        name = name.removeprefix("acoustic_model.model.").replace("in_proj_bias", "in_proj.bias")
        is_pointwise = name.endswith(("proj.weight", "pointwise1.weight", "pointwise2.weight"))
        weights[name] = array[:, :, 0].T if is_pointwise and array.ndim == 3 else array
    return weights
