"""The signals that two clips are aligned by, and reading them from a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.features.mouth import MouthFeatures, mouth_features
from stccl_data.features.speech import SpeechFeatures, reference_cepstra, speech_features

if TYPE_CHECKING:
    from stccl_data.features.phonemes import PhonemeFeatures


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of one clip."""

    #: None for a silent clip.
    speech: SpeechFeatures | None = None
    #: None if the face was not tracked.
    mouth: MouthFeatures | None = None
    #: None for a silent clip, or for less than 40 ms of speech.
    phonemes: "PhonemeFeatures | None" = None
    #: (N,) float64, seconds of the video frames since the first; empty for sound alone.
    frame_times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    #: (R, 13) float64, cepstra at 30 Hz; used only to align as published.
    reference: NDArray[np.float64] | None = None
    #: For error messages.
    name: str = "the clip"
    #: How the sound was read, if unusual: see `stccl_data.extract.Extraction.notes`.
    notes: tuple[str, ...] = ()


def read_signals(path: str | Path, *, mouth: bool = False, reference: bool = False) -> Signals:
    """Read the signals of one clip.

    A clip without sound, or without a face, has None in that place.

    Args:
        path: a video or audio file.
        mouth: whether to track the face too, about 20 ms per frame.
        reference: whether to compute the reference cepstra.

    Raises:
        ClipError: the file cannot be read.
    """
    from stccl_data.media.audio import read_audio
    from stccl_data.media.video import frame_times

    speech = phonemes = cepstra = None
    notes: tuple[str, ...] = ()
    try:
        audio = read_audio(path)
        notes = audio.notes
        speech = speech_features(audio.samples, audio.rate, audio.start)
        if speech is not None:
            from stccl_data.features.phonemes import phoneme_features  # loads SciPy

            phonemes = phoneme_features(audio.samples, audio.rate, speech)
        if reference and speech is not None:
            cepstra = reference_cepstra(audio.from_zero(), audio.rate)
    except ClipError as error:
        if error.reason != Reason.NO_AUDIO:
            raise
    features, times = _read_mouth(path, speech) if mouth else (None, frame_times(path))
    return Signals(speech, features, phonemes, times, cepstra, str(path), notes)


def _read_mouth(
    path: str | Path, speech: SpeechFeatures | None
) -> tuple[MouthFeatures | None, NDArray[np.float64]]:
    """Return the mouth features of a video, None without a face, and its frame times."""
    from stccl_data.face.crop_config import CropConfig
    from stccl_data.face.tracking import track_video
    from stccl_data.landmarks import open_landmarker
    from stccl_data.media.video import frame_times

    try:
        crops = CropConfig(crops="none")
        track = track_video(str(path), open_landmarker(), crops, speech=speech).track
    except ClipError as error:
        if error.reason not in (Reason.NO_VIDEO, Reason.NO_FACE, Reason.TOO_SHORT):
            raise
        return None, np.empty(0) if error.reason == Reason.NO_VIDEO else frame_times(path)
    return mouth_features(track.landmarks, track.times, track.valid), track.times
