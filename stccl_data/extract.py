"""One clip from its file to its Track, its sound features and its scores: the work of one worker."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip
from stccl_data.errors import ClipError, Reason
from stccl_data.face import face
from stccl_data.face.track import Track
from stccl_data.features.speech import SpeechFeatures, reference_cepstra, speech_features
from stccl_data.landmarks import Landmarker, ibug68
from stccl_data.media import video as media
from stccl_data.media.jpeg import JpegSeries, encode_jpeg

CROPS = ("similarity", "bbox", "none")
PICTURES = ("always", "if_silent", "never")

#: Raise when what extraction makes of the same input changes: stored results of other schemas are then made again.
SCHEMA = 1

#: Corpora whose sound file is a copy of the video's own sound, which is sure to be in step with the pictures and so preferred.
_SOUND_IN_VIDEO = frozenset({"mead", "cremad", "ravdess"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CropConfig:
    """How crops are cut. `crops`: `similarity` (one smoothed similarity transform a frame), `bbox` (the reference's box, held
    constant over the clip) or `none`. Sizes in pixels; `jpeg_quality` 1-100."""

    crops: str = "similarity"
    face_size: int = 224
    mouth_size: int = 96
    jpeg_quality: int = 95


@dataclass(frozen=True, slots=True)
class Extraction:
    """What became of one clip. `clip`: with what the file says of itself filled in. `track`: None where its pictures were not
    looked at. `speech`, and `reference` (see `Signals`): None where nothing is to be heard. `frame_times`: (N,) float64 seconds,
    empty for sound alone. `scores`: see `score_track`; `av_difference_s`: sound less pictures, seconds."""

    clip: Clip
    track: Track | None
    speech: SpeechFeatures | None
    reference: NDArray[np.float64] | None
    frame_times: NDArray[np.float64]
    scores: dict[str, float]


def extract_clip(
    clip: Clip,
    landmarker: Callable[[], Landmarker],
    crops: CropConfig | None = None,
    pictures: str = "always",
) -> Extraction:
    """Read one clip.

    landmarker: opens the landmark backend, called only when it is needed. pictures: one of PICTURES: whether the face is
    followed always, only in a clip without anything to hear, or never. Crops are cut wherever the face is followed, but with
    `crops.crops` `none`.
    Raises ClipError: what `media` raises; no_video, no_audio (what was asked for is not there), too_short (fewer than two
    frames), no_face (in no frame at all).
    """
    info = media.probe(clip.path)
    sound = _sound(clip, info)
    scores: dict[str, float] = {}
    track = None
    width, height = info.width, info.height
    if pictures == "always" or (
        pictures == "if_silent" and sound.speech is None and info.width is not None
    ):
        if info.width is None:
            raise ClipError(Reason.NO_VIDEO, f"{clip.path} has no video stream")
        track, scores, (width, height) = extract_track(
            clip.path, landmarker(), crops or CropConfig()
        )
        times = track.times
    else:
        times = media.frame_times(clip.path) if info.width is not None else np.empty(0)
        if sound.speech is None:
            raise ClipError(Reason.NO_AUDIO, f"{clip.path} has nothing to hear")
    duration = _shown_s(times) or sound.duration_s or info.duration_s
    if sound.duration_s is not None and len(times) > 1:
        scores["av_difference_s"] = sound.duration_s - _shown_s(times)
    filled = replace(
        clip,
        fps=_nominal_fps(info.fps, times),
        n_frames=len(times) if len(times) else info.n_frames,
        width=width,
        height=height,
        duration_s=duration,
        audio_rate=sound.rate,
    )
    return Extraction(filled, track, sound.speech, sound.reference, times, scores)


@dataclass(frozen=True, slots=True)
class _Sound:
    speech: SpeechFeatures | None = None
    reference: NDArray[np.float64] | None = None
    duration_s: float | None = None
    rate: int | None = None


def _sound(clip: Clip, info: media.MediaInfo) -> _Sound:
    """The sound of the clip, from the file that `sound_path` names; nothing where there is none."""
    source = sound_path(clip, info)
    if source is None:
        return _Sound()
    rate = info.audio_rate if source == clip.path else media.probe(source).audio_rate
    try:
        audio = media.read_audio(source)
    except ClipError as error:
        if error.reason is Reason.NO_AUDIO:
            return _Sound()
        raise
    speech = speech_features(audio.samples, audio.rate, audio.start)
    reference = None if speech is None else reference_cepstra(audio.samples, audio.rate)
    return _Sound(speech, reference, audio.duration_s, rate)


def sound_path(clip: Clip, info: media.MediaInfo) -> str | None:
    """Which file the clip's sound is read from; None where there is none: `audio_path` where it is given, but a corpus's own copy
    of the video's sound only where the video has none."""
    own = clip.path if info.audio_rate is not None else None
    if clip.corpus in _SOUND_IN_VIDEO:
        return own or clip.audio_path
    return clip.audio_path or own


def _shown_s(times: NDArray[np.float64]) -> float:
    """For how long the frames are shown: the last as long as the others on average."""
    return float(times[-1] - times[0]) * len(times) / (len(times) - 1) if len(times) > 1 else 0.0


def _nominal_fps(said: Fraction | None, times: NDArray[np.float64]) -> Fraction | None:
    """The container's rate, or the measured one where the container says nothing or nonsense (variable frame rate)."""
    if len(times) < 2:
        return said
    measured = len(times) / _shown_s(times)
    if said is not None and abs(float(said) / measured - 1) < 0.02:
        return said
    return Fraction(measured).limit_denominator(1001)


def extract_track(
    path: str, landmarker: Landmarker, config: CropConfig
) -> tuple[Track, dict[str, float], tuple[int, int]]:
    """Landmarks, transforms and crops of one video, its scores, and its (width, height).

    Frames are streamed: as many are held as the smoothing looks ahead (about a dozen), whatever the clip's length.
    Raises ClipError: as `extract_clip`.
    """
    info = media.probe(path)
    window = face.transform_window(float(info.fps or 25))
    cutter = _Cutter(config)
    stabiliser = face.Stabiliser(window)
    waiting: deque[tuple[NDArray[np.uint8], int]] = deque()
    times: list[float] = []
    found: list[NDArray[np.float32] | None] = []
    corrupt = several = frozen = 0
    previous: NDArray[np.float32] | None = None
    thumbnail: NDArray[np.uint8] | None = None
    size = (0, 0)
    streaming = config.crops == "similarity"
    for frames in _batches(media.read_frames(path), landmarker.batch):
        reduction = _reduction(previous, config)
        pictures = [_reduced(f.image, reduction) for f in frames]
        for frame, picture, faces in zip(
            frames, pictures, landmarker.detect(pictures), strict=True
        ):
            height, width = frame.image.shape[:2]
            faces = [points * reduction for points in faces]
            if size not in ((0, 0), (width, height)):
                raise ClipError(Reason.DECODE_ERROR, f"{path} changes its picture size in mid-clip")
            size = (width, height)
            chosen = (
                faces[face.choose_face(faces, previous, (height, width))]
                if faces and not frame.corrupt
                else None
            )
            previous = chosen if chosen is not None else previous
            times.append(frame.time)
            found.append(chosen)
            corrupt += frame.corrupt
            several += len(faces) > 1
            small = frame.image[::8, ::8].copy()
            frozen += thumbnail is not None and np.array_equal(small, thumbnail)
            thumbnail = small
            if streaming:
                waiting.append((picture, reduction))
                points = None if chosen is None else ibug68(chosen)[face.STABLE_68]
                for smooth in stabiliser.push(points):
                    cutter.cut(*waiting.popleft(), *_transforms(smooth, config))
    if len(times) < 2:
        raise ClipError(Reason.TOO_SHORT, f"{path} has {len(times)} frame")
    if streaming:
        for smooth in stabiliser.finish():
            cutter.cut(*waiting.popleft(), *_transforms(smooth, config))

    valid = np.array([points is not None for points in found])
    if not valid.any():
        raise ClipError(Reason.NO_FACE, f"{path} shows no face in any of its {len(times)} frames")
    empty = np.full((landmarker.points, 2), np.nan, np.float32)
    landmarks = face.smooth_landmarks(np.stack([empty if p is None else p for p in found]), valid)
    if config.crops == "bbox":
        face_box = face.constant_box(landmarks, config.face_size)
        mouth_box = face.constant_box(landmarks, config.mouth_size, mouth=True)
        for frame in media.read_frames(path):  # a box around the whole clip is known only now
            cutter.cut(frame.image, 1, face_box, mouth_box)
    track = Track(
        times=np.array(times),
        valid=valid,
        landmarks=landmarks,
        face_transforms=cutter.face_transforms(len(times)),
        mouth_transforms=cutter.mouth_transforms(len(times)),
        face=JpegSeries.of(cutter.faces) if config.crops != "none" else None,
        mouth=JpegSeries.of(cutter.mouths) if config.crops != "none" else None,
    )
    counts = {
        "several_faces": several / len(times),
        "frozen_frames": float(frozen),
        "corrupt_frames": float(corrupt),
    }
    return track, score_track(track) | counts | cutter.scores(), size


def score_track(track: Track) -> dict[str, float]:
    """Scores of a clip, by which gates may refuse it without reading it again.

    face_rate: share of frames with a face. longest_gap: frames without a face in a row. eye_distance: median pixels between the
    outer eye corners. yaw, pitch, roll: median degrees (see `face.Pose`).
    """
    known = track.landmarks[~np.isnan(track.landmarks[:, 0, 0])]
    pose = face.head_pose(known)
    runs = np.diff(np.concatenate([[-1], np.flatnonzero(track.valid), [len(track)]])) - 1
    return {
        "face_rate": float(track.valid.mean()),
        "longest_gap": float(runs.max()),
        "eye_distance": float(np.median(face.eye_distance(known))),
        "yaw": float(np.median(pose.yaw)),
        "pitch": float(np.median(pose.pitch)),
        "roll": float(np.median(pose.roll)),
    }


def _transforms(
    points: face.Points | None, config: CropConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Face and mouth transforms of one frame's smoothed stable points; NaN without points."""
    if points is None:
        return np.full((2, 3), np.nan), np.full((2, 3), np.nan)
    try:
        return (
            face.similarity(points, face.face_template(config.face_size)),
            face.similarity(points, face.mouth_template(config.mouth_size)),
        )
    except face.DegenerateFaceError:
        return np.full((2, 3), np.nan), np.full((2, 3), np.nan)


#: Pixels between the outer eye corners in the picture that MediaPipe's landmark network works on (256 x 256, measured).
_NETWORK_EYE_DISTANCE = 105.0


def _reduction(previous: NDArray[np.float32] | None, config: CropConfig) -> int:
    """By which power of two a frame may be made smaller without the landmark network or a crop seeing less than before.

    previous: (K, 2), the face in the frame before. A face that fills a 1080p frame is found, and cut, in half the time.
    """
    if previous is None or config.crops == "bbox":
        return 1
    wanted = (
        max(_NETWORK_EYE_DISTANCE, face.crop_eye_distance(config.face_size, config.mouth_size))
        * 1.05
    )
    distance = float(face.eye_distance(previous[None])[0])
    return int(2 ** max(0, np.floor(np.log2(max(distance, 1.0) / wanted))))


def _reduced(image: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    """Blocks of `reduction` x `reduction` pixels averaged; what fills no block at the right and lower border is left out."""
    if reduction == 1:
        return image
    height, width = image.shape[0] // reduction, image.shape[1] // reduction
    whole = image[: height * reduction, : width * reduction]
    small: NDArray[np.uint8] = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _from_reduced(transform: NDArray[np.float64], reduction: int) -> NDArray[np.float64]:
    """The transform source -> crop, for a source made smaller by `reduction`."""
    return transform * [reduction, reduction, 1]


class _Cutter:
    """Cuts and encodes the crops of a clip in frame order, and scores how sharp and how well lit they are."""

    def __init__(self, config: CropConfig) -> None:
        self._config = config
        self._placed: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._sharpness: list[float] = []
        self._exposure: list[float] = []
        self.faces: list[bytes] = []
        self.mouths: list[bytes] = []

    def cut(
        self,
        image: NDArray[np.uint8],
        reduction: int,
        face_transform: NDArray[np.float64],
        mouth_transform: NDArray[np.float64],
    ) -> None:
        """image: (H, W, 3), the source frame made smaller by `reduction`. The crops are black where the transforms are NaN."""
        self._placed.append((face_transform, mouth_transform))
        quality = self._config.jpeg_quality
        if np.isnan(face_transform).any():
            self.faces.append(
                encode_jpeg(
                    np.zeros((self._config.face_size, self._config.face_size, 3), np.uint8), quality
                )
            )
            self.mouths.append(
                encode_jpeg(
                    np.zeros((self._config.mouth_size, self._config.mouth_size, 3), np.uint8),
                    quality,
                )
            )
            return
        face_crop = face.crop(
            image, _from_reduced(face_transform, reduction), self._config.face_size
        )
        grey = cv2.cvtColor(face_crop, cv2.COLOR_RGB2GRAY)
        self._sharpness.append(float(cv2.Laplacian(grey, cv2.CV_32F).var()))
        self._exposure.append(float(grey.mean()))
        self.faces.append(encode_jpeg(face_crop, quality))
        mouth_crop = face.crop(
            image, _from_reduced(mouth_transform, reduction), self._config.mouth_size
        )
        self.mouths.append(encode_jpeg(mouth_crop, quality))

    def face_transforms(self, n: int) -> NDArray[np.float64]:
        return (
            np.stack([placed[0] for placed in self._placed])
            if self._placed
            else np.full((n, 2, 3), np.nan)
        )

    def mouth_transforms(self, n: int) -> NDArray[np.float64]:
        return (
            np.stack([placed[1] for placed in self._placed])
            if self._placed
            else np.full((n, 2, 3), np.nan)
        )

    def scores(self) -> dict[str, float]:
        """sharpness: median variance of the Laplacian of the face crop. exposure: median grey level, 0-255."""
        if not self._sharpness:
            return {}
        return {
            "sharpness": float(np.median(self._sharpness)),
            "exposure": float(np.median(self._exposure)),
        }


T = TypeVar("T")


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
