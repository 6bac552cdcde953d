"""Extract one clip: its track, speech features and scores. This is the work of one worker."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip, face_place
from stccl_data.errors import ClipError, Reason
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.track import Track
from stccl_data.face.tracking import track_video
from stccl_data.features.mouth import mouth_features
from stccl_data.features.mouth_activity import mouth_moves_with_sound, mouth_range
from stccl_data.features.phonemes import PhonemeFeatures, phoneme_features
from stccl_data.features.speech import SpeechFeatures, reference_cepstra, speech_features
from stccl_data.landmarks import Landmarker
from stccl_data.media.audio import audio_source, read_audio
from stccl_data.media.container import MediaInfo, probe
from stccl_data.media.video import frame_times

#: When the face is tracked: in every clip, only in clips without audible sound, or never.
FaceTracking = Literal["always", "if_silent", "never"]

#: Bump when extraction yields something else from the same input: stored results of other schemas
#: are then recomputed.
SCHEMA = 9

#: Notes on clips whose sound and frames differ by more than so many seconds.
SOUND_SHORTER = "sound more than a second shorter than the frames"
SOUND_LONGER = "sound more than a second longer than the frames"
_UNEQUAL_S = 1.0


@dataclass(frozen=True, slots=True)
class Extraction:
    """The result of extracting one clip."""

    #: The clip, completed by what its file states.
    clip: Clip
    #: None if the face was not tracked.
    track: Track | None
    #: None without audible sound.
    speech: SpeechFeatures | None
    #: None without audible sound, or for less than 40 ms of speech.
    phonemes: PhonemeFeatures | None
    #: (R, 13) float64, see `Signals`; None without audible sound.
    reference: NDArray[np.float64] | None
    #: (N,) float64 seconds since the first frame; empty for a clip of sound alone.
    frame_times: NDArray[np.float64]
    #: Those of `TrackedVideo`; `mouth_range` and `mouth_moves_with_sound`; and `av_difference_s`:
    #: duration of the audio minus that of the video, seconds.
    scores: dict[str, float]
    #: What was done so that the clip comes out as it was meant, for the user: `HLG tone-mapped`.
    #: Short, without a semicolon, and the same words for the same act, because they are counted.
    notes: tuple[str, ...] = ()


def extract_clip(
    clip: Clip,
    open_landmarker: Callable[[], Landmarker],
    crops: CropConfig | None = None,
    face_tracking: FaceTracking = "always",
) -> Extraction:
    """Extract one clip.

    Args:
        clip: the clip.
        open_landmarker: returns the landmark backend; called only if the face is tracked.
        crops: how crops are cut when the face is tracked.
        face_tracking: when the face is tracked.

    Raises:
        ClipError: as `probe`, `read_frames` and `read_audio`; no_video or no_audio if the clip
            lacks what was requested; too_short (fewer than two frames); no_face (in no frame);
            speaker_not_there (no face at the place `clip.face`).
    """
    info = probe(clip.path)
    audio = _extract_audio(clip, info)
    silent_video = audio.speech is None and info.width is not None
    scores: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    track = None
    width, height = info.width, info.height
    if face_tracking == "always" or (face_tracking == "if_silent" and silent_video):
        if info.width is None:
            raise ClipError(Reason.NO_VIDEO, f"{clip.path} has no video stream")
        video = track_video(
            clip.path,
            open_landmarker(),
            crops or CropConfig(),
            cut=clip.cut,
            speech=audio.speech,
            place=None if clip.face is None else face_place(clip.face),
        )
        track, scores, width, height = video.track, video.scores, video.width, video.height
        notes = video.notes
        times = track.times
        scores |= _mouth_scores(track, audio.speech)
    else:
        times = frame_times(clip.path, clip.cut) if info.width is not None else np.empty(0)
        if audio.speech is None:
            raise ClipError(Reason.NO_AUDIO, f"{clip.path} has no audible sound")
    if audio.duration_s is not None and len(times) > 1:
        longer = scores["av_difference_s"] = audio.duration_s - _video_duration(times)
        if abs(longer) > _UNEQUAL_S:
            notes = (*notes, SOUND_SHORTER if longer < 0 else SOUND_LONGER)
    return Extraction(
        replace(_completed(clip, info, audio, times), width=width, height=height),
        track,
        audio.speech,
        audio.phonemes,
        audio.reference,
        times,
        scores,
        (*notes, *audio.notes),
    )


def _completed(
    clip: Clip, info: MediaInfo, audio: "_AudioFeatures", times: NDArray[np.float64]
) -> Clip:
    """Return the clip with what its file states, but the size of its picture."""
    return replace(
        clip,
        fps=_frame_rate(info.fps, times),
        n_frames=len(times) or (info.n_frames if clip.cut is None else None),
        duration_s=_video_duration(times) or audio.duration_s or info.duration_s,
        audio_rate=audio.rate,
    )


def _mouth_scores(track: Track, speech: SpeechFeatures | None) -> dict[str, float]:
    """Score what the mouth does; a score is missing if there is too little to see or to hear."""
    mouth = mouth_features(track.landmarks, track.times, track.valid)
    if mouth is None:
        return {}
    scores = {"mouth_range": mouth_range(mouth)}
    along = None if speech is None else mouth_moves_with_sound(mouth, speech)
    return scores if along is None else {**scores, "mouth_moves_with_sound": along}


@dataclass(frozen=True, slots=True)
class _AudioFeatures:
    speech: SpeechFeatures | None = None
    phonemes: PhonemeFeatures | None = None
    reference: NDArray[np.float64] | None = None
    #: Seconds of audio; None without audio.
    duration_s: float | None = None
    #: Hz.
    rate: int | None = None
    #: How the audio was read, see `Extraction.notes`.
    notes: tuple[str, ...] = ()


def _extract_audio(clip: Clip, info: MediaInfo) -> _AudioFeatures:
    """Extract the features of the file that `audio_source` names; all None without audio."""
    source = audio_source(clip, info)
    if source is None:
        return _AudioFeatures()
    try:
        video = None if info.width is None else clip.path
        audio = read_audio(source, video=video, cut=clip.cut)
    except ClipError as error:
        if error.reason is Reason.NO_AUDIO:
            return _AudioFeatures()
        raise
    speech = speech_features(audio.samples, audio.rate, audio.start)
    if speech is None:
        return _AudioFeatures(
            duration_s=audio.duration_s, rate=audio.native_rate, notes=audio.notes
        )
    return _AudioFeatures(
        speech,
        phoneme_features(audio.samples, audio.rate, speech),
        reference_cepstra(audio.from_zero(), audio.rate),
        audio.duration_s,
        audio.native_rate,
        audio.notes,
    )


def _video_duration(times: NDArray[np.float64]) -> float:
    """Return how long the frames are shown, in seconds, the last as long as the average."""
    return float(times[-1] - times[0]) * len(times) / (len(times) - 1) if len(times) > 1 else 0.0


def _frame_rate(stated: Fraction | None, times: NDArray[np.float64]) -> Fraction | None:
    """Return the stated frame rate, or the measured one if the two differ by over 2 %."""
    if len(times) < 2:
        return stated
    measured = len(times) / _video_duration(times)
    if stated is not None and abs(float(stated) / measured - 1) < 0.02:
        return stated
    return Fraction(measured).limit_denominator(1001)
