"""Sync of mouth and sound, by SyncNet at the rates it was trained at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import nearest_frame
from stccl_data.errors import ClipError, Reason
from stccl_data.media.audio import SPEECH_RATE, read_audio
from stccl_train.measures.definitions import Measure, Values
from stccl_train.measures.embedding import embed_all
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measured_clip import MeasuredClip
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.networks.weight_files import load_published

#: Frames per second, and MFCC vectors for each frame (every 1/100 s).
RATE, VECTORS = 25, 4
#: Frames of a window.
WINDOW = 5
#: Sound is tried so many frames earlier and later.
LONGEST_SHIFT = 15
#: A mean over fewer windows says nothing.
_LEAST_WINDOWS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Embeddings:
    """What SyncNet makes of a clip."""

    #: (n, 1024) float32, NaN if a frame of the window shows no face.
    mouth: NDArray[np.float32]
    #: (m, 1024) float32.
    sound: NDArray[np.float32]


class Sync:
    """Distances of SyncNet's embeddings of mouth and sound (Chung and Zisserman 2016).

    With m_i and s_i of the windows at frame i (25 per second), and d(k) the mean over i of
    |m_(i+k) - s_i| over the windows that exist:

    - `sync_distance`: d(0), 0 and up, lower is better: how well sound and mouth agree as they are.
    - `lse_d`: the least d(k) for k of -15 to 15 (Prajwal et al. 2020). Lower is better. A constant
      lag does not count.
    - `lse_c`: median of d(k) minus the least. Higher is better.

    The picture is the stabilised face crop, and nothing is padded with zeros; so values differ from
    published ones, for which see `--protocol spfem2024`.
    """

    group = "sync"
    measures: tuple[Measure, ...] = (
        Measure("sync_distance", "sync distance", "lower", "SyncNet distance", 3, True, True),
        Measure("lse_d", "LSE-D", "lower", "SyncNet distance"),
        Measure("lse_c", "LSE-C", "higher", "SyncNet distance"),
    )

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Load ``syncnet_v2.model``. Raises UsageError if it is another network's."""
        self._network, self._device = SyncNet(), device
        load_published(self._network, weights)
        self._network.to(device)

    def measure(self, pair: MatchedPair) -> Values:
        """See `Instrument.measure`."""
        key = f"sync {pair.sounds}"
        if key not in pair.generated.features:
            pair.generated.features[key] = self._embed(pair.generated, pair.sounds)
        embeddings: _Embeddings | None = pair.generated.features[key]
        if embeddings is None:
            return {}
        late = round(pair.shift * RATE)
        shifts = range(late - LONGEST_SHIFT, late + LONGEST_SHIFT + 1)
        means = np.array([mean_distance(embeddings.mouth, embeddings.sound, k) for k in shifts])
        if np.isnan(means).all():
            return {}
        least = float(np.nanmin(means))
        return {
            "sync_distance": float(means[LONGEST_SHIFT]),
            "lse_d": least,
            "lse_c": float(np.nanmedian(means)) - least,
        }

    def _embed(self, clip: MeasuredClip, sounds: tuple[str, ...]) -> _Embeddings | None:
        samples = read_sound(sounds)
        if samples is None:
            return None
        cepstra = mfcc(samples)
        mouth, seen = self._mouth_windows(clip)
        count = min(len(seen), len(cepstra) // VECTORS - WINDOW + 1)
        if count < 1:
            return None
        sound = [cepstra[VECTORS * i : VECTORS * (i + WINDOW)].T[None] for i in range(count)]
        sounded = embed_all(self._network.embed_sound, sound, self._device)
        windows = (
            mouth[i : i + WINDOW].transpose(3, 0, 1, 2).astype(np.float32) for i in range(count)
        )
        looked = embed_all(self._network.embed_mouth, windows, self._device)
        looked[~seen[:count]] = np.nan
        return _Embeddings(looked, sounded)

    def _mouth_windows(self, clip: MeasuredClip) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return BGR frames at 25 fps, and which windows of five show a face throughout."""
        times = clip.track.times
        frames = nearest_frame(times, np.arange(0, times[-1] - times[0], 1 / RATE) + times[0])
        assert clip.track.face is not None
        pictures = clip.track.face.decode(frames)[..., ::-1]
        face = np.isfinite(clip.track.face_transforms[frames, 0, 0])
        if len(frames) < WINDOW:
            return pictures, np.zeros(0, bool)
        windows = np.lib.stride_tricks.sliding_window_view(face, WINDOW)
        return pictures, np.asarray(windows.all(axis=1))


def read_sound(paths: tuple[str, ...]) -> NDArray[np.float64] | None:
    """Return the sound of the first file that has some, from the first frame on; None if none has.

    Returns:
        (S,) at 16 kHz, in the range of 16-bit samples, as SyncNet was trained.
    """
    for path in paths:
        try:
            samples = read_audio(path).from_zero()
        except ClipError as error:
            if error.reason is not Reason.NO_AUDIO:
                raise
            continue
        return np.asarray(samples, np.float64) * 32767
    return None


def mfcc(samples: NDArray[np.float64], step: float = 0.01) -> NDArray[np.float32]:
    """Return 13 cepstral coefficients every ``step`` seconds, (R, 13).

    Args:
        samples: (S,) at 16 kHz.
        step: seconds.
    """
    from python_speech_features import mfcc as features

    return np.asarray(features(samples, SPEECH_RATE, winstep=step), np.float32)


def mean_distance(mouth: NDArray[np.float32], sound: NDArray[np.float32], late: int) -> float:
    """Return the mean distance of ``mouth[i + late]`` and ``sound[i]``; NaN over few windows."""
    first, last = max(0, -late), min(len(sound), len(mouth) - late)
    if last - first < _LEAST_WINDOWS:
        return float("nan")
    difference = mouth[first + late : last + late] - sound[first:last]
    distances = np.linalg.norm(difference, axis=1)
    known = distances[np.isfinite(distances)]
    return float(known.mean()) if len(known) >= _LEAST_WINDOWS else float("nan")
