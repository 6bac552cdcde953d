"""What two clips are aligned by, and reading it from a file."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.features.mouth import MouthFeatures, mouth_features
from stccl_data.features.speech import SpeechFeatures, reference_cepstra, speech_features


@dataclass(frozen=True, slots=True)
class Signals:
    """`speech` is None for a silent clip, `mouth` where no face was followed. `reference`: (R, 13) float64, cepstra 30 times a
    second, read only to align as published. `frame_times`: (N,) float64, presentation times of the video frames in seconds; empty
    for a clip that is sound alone. `name` is for error messages."""

    speech: SpeechFeatures | None = None
    mouth: MouthFeatures | None = None
    frame_times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    reference: NDArray[np.float64] | None = None
    name: str = "the clip"


def read_signals(path: str | Path, *, mouth: bool = False, reference: bool = False) -> Signals:
    """The signals of one clip (video, or sound alone). `mouth`: follow the face too, some 20 ms a frame.

    Raises ClipError where the file cannot be read. A clip without sound, or without a face, has None in that place.
    """
    from stccl_data.media.video import frame_times, read_audio

    speech = cepstra = None
    try:
        audio = read_audio(path)
        speech = speech_features(audio.samples, audio.rate, audio.start)
        if reference and speech is not None:
            cepstra = reference_cepstra(audio.samples, audio.rate)
    except ClipError as error:
        if error.reason != Reason.NO_AUDIO:
            raise
    followed, times = _read_mouth(path) if mouth else (None, frame_times(path))
    return Signals(speech, followed, times, cepstra, str(path))


def _read_mouth(path: str | Path) -> tuple[MouthFeatures | None, NDArray[np.float64]]:
    from stccl_data.extract import CropConfig, extract_track
    from stccl_data.landmarks import open_landmarker
    from stccl_data.media.video import frame_times

    try:
        track = extract_track(str(path), open_landmarker(), CropConfig(crops="none"))[0]
    except ClipError as error:
        if error.reason not in (Reason.NO_VIDEO, Reason.NO_FACE, Reason.TOO_SHORT):
            raise
        return None, np.empty(0) if error.reason == Reason.NO_VIDEO else frame_times(path)
    return mouth_features(track.landmarks, track.times, track.valid), track.times
